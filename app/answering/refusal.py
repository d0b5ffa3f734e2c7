"""Whether the articles answer a question at all: a calibrated probability.

A logistic regression on three absolute signals of the best sentence: its cosine with the
question, the share of the weight of the question's words that it holds, and the share that
its passage holds; and on how many chunks were searched, since among many some are near by
chance. `bench/refusal.py` fits it on SQuAD 1.1, over whole, middling and tiny sets of articles,
and prints what it gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.answering.extractive import Candidate

COSINE, COSINE_SIZE, OVERLAP, COVERAGE, SIZE, INTERCEPT = 4.83, 1.44, 3.67, 5.22, -0.83, -5.64


def probability(ranked: Sequence[Candidate], searched: int) -> float:
    """Return how probable it is, in [0, 1], that the best of the ranked sentences answers.

    Args:
        ranked: The sentences of the passages, best first; at least one.
        searched: How many chunks there were to be found.
    """
    best = ranked[0]
    size = math.log1p(searched)
    logit = (
        (COSINE + COSINE_SIZE * size) * best.cosine
        + OVERLAP * best.overlap
        + COVERAGE * best.passage.signals.coverage
        + SIZE * size
        + INTERCEPT
    )
    return 1.0 / (1.0 + math.exp(-logit))
