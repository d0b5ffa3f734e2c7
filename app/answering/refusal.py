"""Whether the articles answer a question at all: a calibrated probability.

Small trees over absolute signals of the best sentence, what tells it from the next ones, how many
chunks were searched, since among many some are near by chance, and what the sentence says other
than the question. bench/fit_answers.py grows
them on questions of SQuAD and SciFact that their corpus answers, answers no more, and never did,
over whole, middling and tiny sets of articles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from app.answering import weights
from app.answering.contrast import contrast
from app.answering.trees import Floats, chance

if TYPE_CHECKING:
    from app.answering.extractive import Candidate

NEAR, FAR = 1.0, 10.0  # logits


def signals(logits: Sequence[float], best: Floats, searched: int, apart: Sequence[float]) -> Floats:
    """Return what the refusal looks at, shape (len(weights.REFUSAL),).

    Args:
        logits: Of the different sentences found, best first; at least one.
        best: The features of the first, shape (len(SENTENCE),).
        searched: How many chunks there were to be found.
        apart: What the first says other than the question, as `contrast` tells it.
    """
    top = logits[0]
    after = [top - logit for logit in logits[1:3]]
    after += [FAR] * (2 - len(after))
    near = sum(top - logit < NEAR for logit in logits[1:])
    return np.concatenate([best, [top, *after, np.log1p(searched), near], apart])


def probability(ranked: Sequence[Candidate], searched: int) -> float:
    """Return how probable it is, in [0, 1], that the best of the ranked sentences answers.

    Args:
        ranked: The sentences of the passages, best first; at least one.
        searched: How many chunks there were to be found.
    """
    best = ranked[0]
    apart = contrast(best.asked.text, best.text, best.passage.chunk.text)
    row = signals([each.score for each in ranked], best.features, searched, apart)
    return chance(float(weights.refusal_trees().logits(row[None])[0]))
