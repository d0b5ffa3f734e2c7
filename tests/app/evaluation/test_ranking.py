from __future__ import annotations

import math

import pytest

from app.evaluation.ranking import measure_ranking
from app.evaluation.sets import Question


def test_rankings_by_hand() -> None:
    """One relevant article at rank 2; two relevant ones at ranks 1 and 7; none found."""
    questions = [
        Question("a", "?", relevant={"x": 1}),
        Question("b", "?", relevant={"x": 1, "y": 1}),
        Question("c", "?", relevant={"x": 1}),
    ]
    ranked = [["z", "x"], ["x", *"abcde", "y"], []]
    first, second, third = measure_ranking(questions, ranked)
    assert first == {
        "nDCG@10": pytest.approx(1 / math.log2(3)),
        "R@1": 0.0,
        "R@5": 1.0,
        "R@10": 1.0,
        "MRR": 0.5,
    }
    ideal = 1 + 1 / math.log2(3)
    assert second["nDCG@10"] == pytest.approx((1 + 1 / math.log2(8)) / ideal)
    assert (second["R@1"], second["R@5"], second["R@10"]) == (0.5, 0.5, 1.0)
    assert set(third.values()) == {0.0}


def test_what_is_found_late_does_not_count() -> None:
    """A relevant article at rank 11 counts for nothing."""
    question = Question("a", "?", relevant={"x": 1})
    (found,) = measure_ranking([question], [[*map(str, range(10)), "x"]])
    assert set(found.values()) == {0.0}


def test_nothing_found_at_all_is_measured() -> None:
    """A run without a single hit gives zeros, not an error."""
    (found,) = measure_ranking([Question("a", "?", relevant={"x": 1})], [[]])
    assert set(found.values()) == {0.0}
