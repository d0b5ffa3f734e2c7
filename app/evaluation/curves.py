"""How well a score tells two kinds apart: ROC curve, its area, and calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.evaluation.bootstrap import LEVEL, Interval, Resampler, Values

BINS = 10
POINTS = 200  # of a curve, at most: a plot shows no more


@dataclass(frozen=True, slots=True)
class Point:
    """At `threshold`: the share of the right ones let through and of the wrong ones refused."""

    threshold: float
    answered: float
    refused: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Questions whose score is in [low, high): the mean score, and the share that is right."""

    low: float
    high: float
    n: int
    score: float
    share: Interval


def area(scores: Values, right: NDArray[np.bool_], weights: Values | None = None) -> float:
    """Return the area under the ROC curve: how often a right one scores above a wrong one.

    Ties count half (Hanley and McNeil 1982). NaN where one kind is missing.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    levels, codes = np.unique(scores, return_inverse=True)
    good = np.bincount(codes, weights=weights * right, minlength=len(levels))
    bad = np.bincount(codes, weights=weights * ~right, minlength=len(levels))
    total = good.sum() * bad.sum()
    if not total:
        return math.nan
    below = np.cumsum(bad) - bad
    return float((good * (below + bad / 2)).sum() / total)


def area_interval(scores: Sequence[float], right: Sequence[bool], resampler: Resampler) -> Interval:
    """Return the area with its interval over the resampler's draws."""
    array, kinds = np.asarray(scores, dtype=np.float64), np.asarray(right, dtype=np.bool_)
    drawn = [area(array, kinds, resampler.weights(draw)) for draw in range(resampler.draws)]
    return _quantiles(len(array), area(array, kinds), drawn)


def area_difference(
    ours: Sequence[float], theirs: Sequence[float], right: Sequence[bool], resampler: Resampler
) -> Interval:
    """Return how much larger the area under one score is than under another, paired."""
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    kinds = np.asarray(right, dtype=np.bool_)
    drawn = []
    for draw in range(resampler.draws):
        weights = resampler.weights(draw)
        drawn.append(area(a, kinds, weights) - area(b, kinds, weights))
    return _quantiles(len(a), area(a, kinds) - area(b, kinds), drawn)


def _quantiles(n: int, value: float, drawn: Sequence[float]) -> Interval:
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(n, value, float(low), float(high))


def curve(scores: Sequence[float], right: Sequence[bool]) -> list[Point]:
    """Return the ROC curve, by rising threshold; a score at the threshold is let through."""
    array, kinds = np.asarray(scores, dtype=np.float64), np.asarray(right, dtype=np.bool_)
    yes, no = np.sort(array[kinds]), np.sort(array[~kinds])
    levels = np.unique(array)
    if len(levels) > POINTS:
        levels = np.unique(np.quantile(levels, np.linspace(0, 1, POINTS)))
    return [
        Point(
            float(level),
            1 - np.searchsorted(yes, level) / max(1, len(yes)),
            float(np.searchsorted(no, level) / max(1, len(no))),
        )
        for level in levels
    ]


def threshold_at(scores: Sequence[float], share: float) -> float:
    """Return the highest threshold that refuses at most `share` of these scores."""
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered) + 1e-9))])


def calibration(
    scores: Sequence[float], right: Sequence[bool], clusters: Sequence[str]
) -> list[Bin]:
    """Return BINS bins of equal width over [0, 1], the empty ones left out."""
    array, kinds = np.asarray(scores, dtype=np.float64), np.asarray(right, dtype=np.float64)
    codes = np.minimum((array * BINS).astype(int), BINS - 1)
    bins = []
    for code in range(BINS):
        inside = np.flatnonzero(codes == code)
        if len(inside):
            share = Resampler([clusters[int(at)] for at in inside], draws=500).mean(kinds[inside])
            low, high = code / BINS, (code + 1) / BINS
            bins.append(Bin(low, high, len(inside), float(array[inside].mean()), share))
    return bins


def expected_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error: the mean gap of score and share, by bin size.

    Naeini et al. 2015.
    """
    total = sum(each.n for each in bins)
    return sum(each.n * abs(each.score - each.share.value) for each in bins) / max(1, total)
