"""95 % intervals, by drawing questions with replacement.

The percentile bootstrap (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13),
over clusters: questions about the same article or conversation are drawn together, because each
tells little that the others have not told. Two systems are compared over the same draws (Sakai
2006), so that a difference has the interval of the differences. The draws have a fixed seed: the
same figures have the same intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEED = 20
DRAWS = 2_000
LEVEL = 0.95
_Z = 1.959964  # of the normal distribution, for LEVEL

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the interval that holds it at LEVEL; `n` is how many questions it is of."""

    n: int
    value: float
    low: float
    high: float


class Resampler:
    """Draws the questions of one group again and again.

    Args:
        clusters: The cluster of each question; the empty string for one on its own.
        draws: How many times.
    """

    def __init__(self, clusters: Sequence[str], draws: int = DRAWS) -> None:
        names = [cluster or f"\0{at}" for at, cluster in enumerate(clusters)]
        _, codes = np.unique(np.array(names), return_inverse=True)
        self.n = len(names)
        self._codes = codes.astype(np.intp)
        self.clusters = int(codes.max()) + 1 if self.n else 0
        random = np.random.default_rng(SEED)
        shares = np.full(self.clusters, 1 / max(1, self.clusters))
        self._counts = random.multinomial(self.clusters, shares, size=draws).astype(np.float32)

    def mean(self, values: Sequence[float] | Values) -> Interval:
        """Return the mean of one value a question.

        Where all are 0 or all are 1 no draw differs, and the interval is Wilson's (1927), over
        the clusters.
        """
        array = np.asarray(values, dtype=np.float64)
        if self.n and (np.all(array == 0) or np.all(array == 1)):
            return _wilson(float(array[0]), self.clusters, self.n)
        return self.statistic([array], lambda means: means[0])

    def difference(self, ours: Sequence[float], theirs: Sequence[float]) -> Interval:
        """Return the mean difference of two values in [0, 1] a question.

        Where no question differs, neither does any draw: the interval then says how large a share
        of questions could differ, either way, and not have been seen (Wilson).
        """
        array = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
        if self.n and not array.any():
            most = _wilson(0.0, self.clusters, self.n).high
            return Interval(self.n, 0.0, -most, most)
        return self.statistic([array], lambda means: means[0])

    def statistic(
        self, columns: Sequence[Values], of: Callable[[list[Values]], Values]
    ) -> Interval:
        """Return a function of the means of several values a question.

        Args:
            columns: Each of shape (n,).
            of: Maps the means, each of shape (m,), to the figure, of shape (m,); NaN where it
                has none.
        """
        value = float(of([np.array([column.mean()]) for column in columns])[0])
        if math.isnan(value):
            return Interval(self.n, math.nan, math.nan, math.nan)
        sizes = self._counts @ self._per_cluster(np.ones(self.n))
        means = [(self._counts @ self._per_cluster(column)) / sizes for column in columns]
        low, high = np.nanquantile(of(means), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Interval(self.n, value, float(low), float(high))

    def _per_cluster(self, column: Values) -> Values:
        sums = np.bincount(self._codes, weights=column, minlength=self.clusters)
        return sums.astype(np.float64)

    def weights(self, draw: int) -> Values:
        """Return how often each question was drawn, shape (n,)."""
        drawn: Values = self._counts[draw].astype(np.float64)[self._codes]
        return drawn

    @property
    def draws(self) -> int:
        """How many times the questions were drawn."""
        return len(self._counts)


class Resamplers:
    """One Resampler for each list of clusters: drawing takes longer than averaging."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], Resampler] = {}

    def of(self, clusters: Sequence[str]) -> Resampler:
        """Return the resampler of these clusters."""
        key = tuple(clusters)
        if key not in self._known:
            self._known[key] = Resampler(clusters)
        return self._known[key]


def _wilson(share: float, trials: int, n: int) -> Interval:
    middle = (share + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    half = (_Z / (1 + _Z**2 / trials)) * math.sqrt(
        share * (1 - share) / trials + _Z**2 / (4 * trials**2)
    )
    return Interval(n, share, max(0.0, middle - half), min(1.0, middle + half))


def percentile(values: Sequence[float], share: float) -> Interval:
    """Return a percentile of independent values (nearest rank), for latencies.

    Example: values [1, 2, 3, 4], share .5 -> 2
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    at = max(0, math.ceil(share * len(ordered)) - 1)
    random = np.random.default_rng(SEED)
    drawn = np.sort(random.choice(ordered, size=(DRAWS, len(ordered))), axis=1)[:, at]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(len(ordered), float(ordered[at]), float(low), float(high))
