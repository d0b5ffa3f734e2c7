from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evaluation.bootstrap import Resampler
from app.evaluation.curves import (
    area,
    area_difference,
    area_interval,
    calibration,
    curve,
    expected_error,
    threshold_at,
)

SCORES = [0.9, 0.8, 0.4, 0.7, 0.4, 0.1]
RIGHT = [True, True, True, False, False, False]


def test_the_area_by_hand() -> None:
    """Of 9 pairs 7 are in order and one is a tie: 7.5 of 9."""
    assert area(np.array(SCORES), np.array(RIGHT)) == pytest.approx(7.5 / 9)


def test_the_area_needs_both_kinds() -> None:
    """Without a wrong one there is no area."""
    assert math.isnan(area(np.array([0.5, 0.6]), np.array([True, True])))


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=30))
def test_the_area_agrees_with_counting_pairs(pairs: list[tuple[float, bool]]) -> None:
    """The area is the share of pairs in order, ties counting half."""
    yes = [score for score, right in pairs if right]
    no = [score for score, right in pairs if not right]
    if yes and no:
        wins = sum((y > n) + (y == n) / 2 for y in yes for n in no)
        found = area(np.array([s for s, _ in pairs]), np.array([r for _, r in pairs]))
        assert found == pytest.approx(wins / (len(yes) * len(no)))


def test_weights_count_as_copies() -> None:
    """A question drawn twice counts as two."""
    doubled = area(np.array(SCORES), np.array(RIGHT), np.array([1.0, 1, 1, 2, 1, 1]))
    assert doubled == pytest.approx(area(np.array([*SCORES, 0.7]), np.array([*RIGHT, False])))


def test_a_better_score_has_a_difference_above_zero() -> None:
    """The paired interval of a perfect score over one of chance lies above 0."""
    random = np.random.default_rng(4)
    right = [bool(at % 2) for at in range(100)]
    perfect, chance = [float(r) for r in right], random.random(100).tolist()
    resampler = Resampler([""] * 100)
    found = area_difference(perfect, chance, right, resampler)
    assert found.low > 0.3
    assert area_interval(perfect, right, resampler).value == 1.0


def test_the_curve_by_hand() -> None:
    """At .7 two of three right ones are answered, and two of three wrong ones are refused."""
    points = {point.threshold: point for point in curve(SCORES, RIGHT)}
    assert points[0.7].answered == pytest.approx(2 / 3)
    assert points[0.7].refused == pytest.approx(2 / 3)
    assert (points[0.1].answered, points[0.1].refused) == (1.0, 0.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0, 1))
def test_a_threshold_refuses_no_more_than_asked(scores: list[float], share: float) -> None:
    """The share of scores below it is at most the share that may be refused."""
    at = threshold_at(scores, share)
    assert sum(score < at for score in scores) <= share * len(scores) + 1e-6


def test_calibration_by_hand() -> None:
    """Ten of .95 of which nine are right: one bin, off by .05."""
    bins = calibration([0.95] * 10, [True] * 9 + [False], [""] * 10)
    assert [(each.low, each.n, each.share.value) for each in bins] == [(0.9, 10, 0.9)]
    assert expected_error(bins) == pytest.approx(0.05)


def test_a_probability_of_one_has_a_bin() -> None:
    """The last bin holds its upper end."""
    assert [each.low for each in calibration([1.0, 0.0], [True, False], ["", ""])] == [0.0, 0.9]
