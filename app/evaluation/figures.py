"""From what each question got to figures with intervals, and to paired differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.evaluation.bootstrap import Interval, Resamplers, Values

OURS = "citewell"
REPORTED, ALL = "reported", "all"

Scores = Mapping[str, Mapping[str, float]]
"""System -> measure -> value."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one question got from every system, with what a report tells of it.

    `right` is what a score should tell: that the question can be answered, that a claim is
    supported; `chance` is that score of ours. `wanted` and `said` are for the reader.
    """

    key: str
    group: str
    cluster: str
    reported: bool
    question: str
    scores: Scores
    right: bool = True
    chance: float | None = None
    wanted: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value; where `against` names a system or a run, the difference to it.

    `part` is REPORTED (questions that nothing was fitted on) or ALL.
    """

    part: str
    group: str
    measure: str
    system: str
    interval: Interval
    against: str = ""


@dataclass(frozen=True, slots=True)
class Derived:
    """A figure made of the means of several columns, which are not shown themselves."""

    columns: tuple[str, ...]
    of: Callable[[list[Values]], Values]


def _ratio(means: list[Values]) -> Values:
    return np.divide(means[0], means[1], out=np.full_like(means[0], np.nan), where=means[1] > 0)


def _harmonic(means: list[Values]) -> Values:
    total = means[0] + means[1]
    return np.divide(2 * means[0] * means[1], total, out=np.zeros_like(total), where=total > 0)


ADDED, RIGHTLY = "words added", "words added rightly"
PRECISION, RECALL = "precision", "recall"
DERIVED: Mapping[str, Derived] = {
    "precision of added words": Derived((RIGHTLY, ADDED), _ratio),
    "F1": Derived((PRECISION, RECALL), _harmonic),
}
SCORE = "score"  # of which only the area under the curve is a figure
NOT_SHOWN = frozenset({ADDED, RIGHTLY, SCORE})


def parts_of(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Return the rows that are reported, and all rows where these are more."""
    reported = [row for row in rows if row.reported]
    if not reported or len(reported) == len(rows):
        return [(REPORTED, list(rows))]
    return [(REPORTED, reported), (ALL, list(rows))]


def groups_of(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return the rows of each group, in order of appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    return groups


def figures(rows: Sequence[Row], resamplers: Resamplers) -> list[Figure]:
    """Return every mean, by part, group, measure and system; then the paired differences."""
    found: list[Figure] = []
    for part, inside in parts_of(rows):
        for group, members in groups_of(inside).items():
            systems = list(dict.fromkeys(name for row in members for name in row.scores))
            measures = _measures(members)
            for measure in measures:
                for system in systems:
                    found += _figure(part, group, measure, system, members, resamplers)
            for measure in measures:
                for other in systems:
                    if other != OURS and measure not in DERIVED:
                        found += _difference(part, group, measure, other, members, resamplers)
    return found


def _measures(rows: Iterable[Row]) -> list[str]:
    names = dict.fromkeys(m for row in rows for values in row.scores.values() for m in values)
    derived = [name for name, each in DERIVED.items() if set(each.columns) <= names.keys()]
    return [name for name in names if name not in NOT_SHOWN] + derived


def _figure(
    part: str, group: str, measure: str, system: str, rows: Sequence[Row], resamplers: Resamplers
) -> list[Figure]:
    derived = DERIVED.get(measure)
    names = derived.columns if derived else (measure,)
    having = [row for row in rows if set(names) <= row.scores.get(system, {}).keys()]
    if not having:
        return []
    resampler = resamplers.of([row.cluster for row in having])
    columns: list[Values] = [
        np.array([row.scores[system][name] for row in having]) for name in names
    ]
    interval = resampler.statistic(columns, derived.of) if derived else resampler.mean(columns[0])
    if math.isnan(interval.value):
        return []
    return [Figure(part, group, measure, system, interval)]


def _difference(
    part: str, group: str, measure: str, other: str, rows: Sequence[Row], resamplers: Resamplers
) -> list[Figure]:
    both = [
        row
        for row in rows
        if measure in row.scores.get(OURS, {}) and measure in row.scores.get(other, {})
    ]
    if not both:
        return []
    interval = resamplers.of([row.cluster for row in both]).difference(
        [row.scores[OURS][measure] for row in both], [row.scores[other][measure] for row in both]
    )
    return [Figure(part, group, measure, OURS, interval, against=other)]


@dataclass(frozen=True, slots=True)
class Former:
    """What a former run had for a question of the same key."""

    question: str
    scores: Mapping[str, float] = field(default_factory=dict)


def against(
    rows: Sequence[Row], former: Mapping[str, Former], name: str, resamplers: Resamplers
) -> tuple[list[Figure], int]:
    """Return how our values differ from a former run's, paired by question.

    Returns:
        The differences, and how many questions have the same key but another text: those are
        left out.
    """
    known = {key: each for key, each in former.items()}
    changed = sum(row.key in known and known[row.key].question != row.question for row in rows)
    found: list[Figure] = []
    for part, inside in parts_of(rows):
        for group, members in groups_of(inside).items():
            pairs = [
                (row, known[row.key].scores)
                for row in members
                if row.key in known and known[row.key].question == row.question
            ]
            for measure in _measures(members):
                found += _to_former(part, group, measure, pairs, name, resamplers)
    return found, changed


def _to_former(
    part: str,
    group: str,
    measure: str,
    pairs: Sequence[tuple[Row, Mapping[str, float]]],
    name: str,
    resamplers: Resamplers,
) -> list[Figure]:
    both = [
        (row, old) for row, old in pairs if measure in old and measure in row.scores.get(OURS, {})
    ]
    if not both:
        return []
    interval = resamplers.of([row.cluster for row, _ in both]).difference(
        [row.scores[OURS][measure] for row, _ in both], [old[measure] for _, old in both]
    )
    return [Figure(part, group, measure, OURS, interval, against=name)]
