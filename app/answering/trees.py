"""Boosted trees, run in numpy; how they were grown stands in bench/fit_answers.py.

Each tree is complete and of one depth, so all are walked at once: node n has its children at
2n + 1 and 2n + 2, and a row goes right where the feature is above the cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trees:
    """A sum of trees over named features.

    `features` and `cuts` have the shape (trees, 2**depth - 1), `leaves` (trees, 2**depth).
    """

    names: tuple[str, ...]
    features: NDArray[np.intp]
    cuts: Floats
    leaves: Floats
    base: float

    @classmethod
    def load(cls, saved: Mapping[str, Any], names: Sequence[str]) -> Trees:
        """Return the trees that a weights file holds.

        Raises:
            ValueError: They were grown over other features than `names`.
        """
        if list(saved["names"]) != list(names):
            msg = f"The weights are of {saved['names']}; the code has {list(names)}. Fit them anew."
            raise ValueError(msg)
        return cls(
            tuple(names),
            np.array(saved["features"], dtype=np.intp),
            np.array(saved["cuts"], dtype=np.float64),
            np.array(saved["leaves"], dtype=np.float64),
            float(saved["base"]),
        )

    def logits(self, rows: Floats) -> Floats:
        """Return the sum of the trees for each row; rows have the shape (n, features)."""
        # `take` from what is laid out in one row is three times as fast as an index of two axes
        many, nodes = self.features.shape
        tree = np.arange(many) * nodes
        row = (np.arange(len(rows)) * rows.shape[1])[:, None]
        at = np.zeros((len(rows), many), dtype=np.intp)
        left = nodes
        while left:
            node = tree + at
            above = np.take(rows, row + np.take(self.features, node)) > np.take(self.cuts, node)
            at = 2 * at + 1 + above
            left //= 2
        found: Floats = np.take(self.leaves, tree + np.arange(many) + at - nodes).sum(axis=1)
        return found + self.base


def chance(logit: float) -> float:
    """Return the probability, in [0, 1], that a logit stands for."""
    return float(1.0 / (1.0 + np.exp(-np.clip(logit, -50.0, 50.0))))
