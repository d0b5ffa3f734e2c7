"""Trees are walked as they were grown, and never over other features."""

from __future__ import annotations

import numpy as np
import pytest

from app.answering import weights
from app.answering.trees import Trees, chance

STUMP = {
    "names": ["a", "b"],
    "base": 0.5,
    "features": [[0, 1, 1], [1, 0, 0]],
    "cuts": [[1.0, 0.0, 5.0], [2.0, 0.0, 0.0]],
    "leaves": [[1.0, 2.0, 3.0, 4.0], [10.0, 10.0, 20.0, 20.0]],
}


def test_a_row_goes_right_above_the_cut() -> None:
    """The leaves of all trees are summed on the base; what equals a cut goes left."""
    rows = np.array([[1.0, 0.0], [2.0, 6.0], [2.0, 5.0]])
    assert Trees.load(STUMP, ["a", "b"]).logits(rows).tolist() == [11.5, 24.5, 23.5]


def test_other_features_are_refused() -> None:
    """Weights that were fitted on other features say so instead of answering."""
    with pytest.raises(ValueError, match="Fit them anew"):
        Trees.load(STUMP, ["b", "a"])


def test_the_shipped_weights_are_of_this_code() -> None:
    """All three are there, and give a probability for any row."""
    for trees in (weights.sentence_trees(), weights.span_trees(), weights.refusal_trees()):
        rows = np.zeros((2, len(trees.names)))
        assert all(0 < chance(logit) < 1 for logit in trees.logits(rows).tolist())
