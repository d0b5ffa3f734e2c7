from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evaluation.bootstrap import Resampler, Resamplers, percentile

ALONE = [""] * 200


def test_the_same_values_have_the_same_interval() -> None:
    """The draws do not depend on when or how often they are asked for."""
    values = np.random.default_rng(1).random(200)
    assert Resampler(ALONE).mean(values) == Resampler(ALONE).mean(values)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    """For 200 independent values it is the mean plus and minus 1.96 standard errors."""
    values = np.random.default_rng(1).random(200)
    found = Resampler(ALONE).mean(values)
    half = 1.96 * values.std() / np.sqrt(200)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.006)
    assert found.high == pytest.approx(values.mean() + half, abs=0.006)


def test_clustered_questions_make_a_wider_interval() -> None:
    """Ten questions that always go together tell as little as one."""
    random = np.random.default_rng(2)
    values = np.repeat(random.random(20), 10)
    together = Resampler([f"article {at // 10}" for at in range(200)]).mean(values)
    apart = Resampler(ALONE).mean(values)
    assert (together.high - together.low) > 2.5 * (apart.high - apart.low)
    assert together.value == pytest.approx(apart.value)


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    """Where one system is .1 above the other on every question, the difference is certain."""
    values = np.random.default_rng(3).random(200) * 0.9
    found = Resampler(ALONE).difference(values + 0.1, values)
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_all_right_is_not_certain() -> None:
    """8 of 8 has Wilson's interval, from .676 to 1."""
    found = Resampler([""] * 8).mean([1.0] * 8)
    assert (found.low, found.high) == (pytest.approx(0.6756, abs=1e-4), 1.0)


def test_no_difference_is_not_certain() -> None:
    """Two systems that agree on 8 questions may differ on others, either way."""
    found = Resampler([""] * 8).difference([1.0] * 8, [1.0] * 8)
    assert found.value == 0
    assert found.high == -found.low == pytest.approx(1 - 0.6756, abs=1e-4)


def test_a_ratio_is_of_the_sums() -> None:
    """A figure made of two columns is made of their means in every draw."""
    right, added = np.array([1.0, 0.0, 2.0]), np.array([2.0, 2.0, 4.0])
    found = Resampler([""] * 3).statistic([right, added], lambda m: m[0] / m[1])
    assert found.value == pytest.approx(3 / 8)
    assert 0 <= found.low <= found.value <= found.high <= 0.5


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_interval_lies_within_the_values(values: list[float]) -> None:
    """No interval reaches beyond what was measured, but for values that are all 0 or all 1."""
    found = Resampler([""] * len(values), draws=100).mean(values)
    assert 0 <= found.low <= found.high <= 1
    if set(values) - {0.0} and set(values) - {1.0}:
        assert min(values) - 1e-6 <= found.low
        assert found.high <= max(values) + 1e-6


def test_resamplers_are_made_once() -> None:
    """Questions of the same clusters share their draws, so that differences are paired."""
    known = Resamplers()
    assert known.of(["a", "b"]) is known.of(["a", "b"])
    assert known.of(["a", "b"]) is not known.of(["a", "a"])


def test_percentiles_by_hand() -> None:
    """The nearest rank: the median of four is the second, the 95th percentile the last."""
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5).value == 2.0
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.95).value == 4.0
