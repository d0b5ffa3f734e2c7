"""Whether the articles answer a question at all: a calibrated probability.

A logistic regression on three absolute signals of the best sentence: its cosine with the
question, the share of the weight of the question's words that it holds, and the share that
its passage holds. `bench/refusal.py` fits it on SQuAD 1.1 and prints what it gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.answering.extractive import Candidate

COSINE, OVERLAP, COVERAGE, INTERCEPT = 13.52, 4.16, 2.16, -8.62

# Needed for an answer. bench/refusal.py prints the trade-off.
THRESHOLD = 0.5


def probability(ranked: Sequence[Candidate]) -> float:
    """Return how probable it is, in [0, 1], that the best of the ranked sentences answers."""
    if not ranked:
        return 0.0
    best = ranked[0]
    logit = (
        COSINE * best.cosine
        + OVERLAP * best.overlap
        + COVERAGE * best.passage.signals.coverage
        + INTERCEPT
    )
    return 1.0 / (1.0 + math.exp(-logit))
