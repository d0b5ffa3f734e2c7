"""What the kept answers tell together: what is asked, what is missing, how it goes.

Functions take `days`, the length of the time looked back on, and `now`, in seconds since 1970.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Integer, cast, func, select

from app.records.database import Database
from app.records.feedback import VERDICTS
from app.records.schema import answers, feedback

DAY = 24 * 3600  # seconds
OUTCOMES = ("answered", "partial", "not_found")
UNANSWERED = ("not_found", "partial")
MEASURED = 2_000  # answers, the newest, of which latencies are read
STAGES = ("first_sentence", "total")
AT_ONCE = 500  # ids in one query


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with how often it was asked, in its newest spelling; `last` is a moment."""

    question: str
    count: int
    last: float


@dataclass(frozen=True, slots=True)
class Gap:
    """A question that the articles do not answer, or only in part.

    `closest` are the titles of the articles that came nearest when it was asked last.
    """

    question: str
    count: int
    not_found: int
    partial: int
    last: float
    closest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """A day, in UTC, with how many answers were given and how many of them were not_found."""

    day: date
    answers: int
    not_found: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds within which half, and 95 of 100, answers came; None where there are none."""

    p50: float | None
    p95: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Stats:
    """How it went; `people` are those who asked, `outcomes` and `verdicts` are counts."""

    days: int
    answers: int
    people: int
    outcomes: Mapping[str, int]
    verdicts: Mapping[str, int]
    reasons: Mapping[str, int]
    latency: Mapping[str, Latency]
    by_day: tuple[Day, ...]


class Insight:
    """The questions about the kept answers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stats(self, days: int, now: float | None = None) -> Stats:
        """Return how it went."""
        since = _since(days, now)
        recent = answers.c.asked >= since
        people = self._database.row(
            select(func.count(answers.c.owner.distinct()).label("people")).where(recent)
        )
        given = feedback.c.given >= since
        outcomes = self._counts(answers.c.outcome, recent)
        verdicts = self._counts(feedback.c.verdict, given)
        return Stats(
            days,
            sum(outcomes.values()),
            people.people if people is not None else 0,
            {name: outcomes.get(name, 0) for name in OUTCOMES},
            {name: verdicts.get(name, 0) for name in VERDICTS},
            self._counts(feedback.c.reason, given & feedback.c.reason.is_not(None)),
            self.latency(days, now),
            self.by_day(days, now),
        )

    def oldest(self) -> float | None:
        """Return when the oldest answer that is kept was given."""
        row = self._database.row(select(func.min(answers.c.asked).label("asked")))
        return None if row is None else row.asked

    def most_asked(self, days: int, limit: int, now: float | None = None) -> list[Asked]:
        """Return the questions that were asked most often, in whatever spelling."""
        query = (
            select(
                answers.c.question,
                func.count().label("times"),
                func.max(answers.c.asked).label("last"),
            )
            .where(answers.c.asked >= _since(days, now))
            .group_by(answers.c.question)
        )
        found: dict[str, Asked] = {}
        for row in self._database.rows(query):
            key = normalised(row.question)
            same = found.get(key, Asked(row.question, 0, row.last))
            newest = row.question if row.last > same.last else same.question
            found[key] = Asked(newest, same.count + row.times, max(row.last, same.last))
        return sorted(found.values(), key=_weight)[:limit]

    def gaps(self, days: int, limit: int | None = None, now: float | None = None) -> list[Gap]:
        """Return what was asked and is not in the articles, most asked first."""
        query = (
            select(
                answers.c.id,
                answers.c.question,
                answers.c.outcome,
                answers.c.asked,
                answers.c.body.is_not(None).label("is_whole"),
            )
            .where(answers.c.outcome.in_(UNANSWERED), answers.c.asked >= _since(days, now))
            .order_by(answers.c.asked)
        )
        groups: dict[str, _Group] = {}
        for row in self._database.rows(query):
            groups.setdefault(normalised(row.question), _Group()).add(row)
        found = sorted(groups.values(), key=_weight)[:limit]
        closest = self._closest([group.whole for group in found if group.whole is not None])
        return [
            Gap(
                group.question,
                group.count,
                group.outcomes["not_found"],
                group.outcomes["partial"],
                group.last,
                closest.get(group.whole or "", ()),
            )
            for group in found
        ]

    def latency(self, days: int, now: float | None = None) -> dict[str, Latency]:
        """Return how long the newest answers took, at most MEASURED of them."""
        timings = func.json_extract(answers.c.body, "$.timings_ms").label("timings")
        query = (
            select(timings)
            .where(answers.c.asked >= _since(days, now), answers.c.body.is_not(None))
            .order_by(answers.c.asked.desc())
            .limit(MEASURED)
        )
        found = [json.loads(row.timings) for row in self._database.rows(query)]
        return {stage: _latency(t[stage] for t in found if stage in t) for stage in STAGES}

    def by_day(self, days: int, now: float | None = None) -> tuple[Day, ...]:
        """Return every day, oldest first; the first one is cut off where the time begins."""
        now = time.time() if now is None else now
        number = cast(answers.c.asked, Integer) // DAY
        query = (
            select(number.label("day"), answers.c.outcome, func.count().label("times"))
            .where(answers.c.asked >= _since(days, now))
            .group_by(number, answers.c.outcome)
        )
        rows = self._database.rows(query)
        counts = {(row.day, row.outcome): row.times for row in rows}
        last = int(now) // DAY
        return tuple(
            Day(
                date(1970, 1, 1) + timedelta(days=day),
                sum(counts.get((day, outcome), 0) for outcome in OUTCOMES),
                counts.get((day, "not_found"), 0),
            )
            for day in range(int(_since(days, now)) // DAY, last + 1)
        )

    def _counts(self, name: Column[Any], where: ColumnElement[bool]) -> dict[str, int]:
        query = select(name.label("name"), func.count().label("times")).where(where).group_by(name)
        return {row.name: row.times for row in self._database.rows(query)}

    def _closest(self, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return for each answer the titles of its closest articles, or of those it found."""
        found: dict[str, tuple[str, ...]] = {}
        for start in range(0, len(ids), AT_ONCE):
            some = answers.c.id.in_(ids[start : start + AT_ONCE])
            for row in self._database.rows(select(answers.c.id, answers.c.body).where(some)):
                body = json.loads(row.body) if row.body else {"closest": [], "passages": []}
                heads = body["closest"] or body["passages"]
                found[row.id] = tuple(dict.fromkeys(head["title"] for head in heads))[:3]
        return found


class _Group:
    """Askings of one question, added oldest first."""

    def __init__(self) -> None:
        self.question = ""
        self.count = 0
        self.last = 0.0
        self.outcomes: Counter[str] = Counter()
        self.whole: str | None = None  # the newest answer whose body is still there

    def add(self, row: Any) -> None:  # noqa: ANN401 (a row of `gaps`)
        self.question, self.last = row.question, row.asked
        self.count += 1
        self.outcomes[row.outcome] += 1
        if row.is_whole:
            self.whole = row.id


def normalised(question: str) -> str:
    """Return what is the same in spellings of a question.

    Example: "  When did it  OPEN?!" -> "when did it open"
    """
    return " ".join(question.casefold().split()).rstrip(" .?!…。？！؟")


def moment_of(seconds: float) -> datetime:
    """Return a moment of the records, in UTC."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def _weight(found: Asked | _Group) -> tuple[int, float]:
    return -found.count, -found.last


def _since(days: int, now: float | None) -> float:
    return (time.time() if now is None else now) - days * DAY


def _latency(values: Iterable[float]) -> Latency:
    ordered = sorted(values)
    if not ordered:
        return Latency(None, None, 0)
    return Latency(_percentile(ordered, 50), _percentile(ordered, 95), len(ordered))


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the least value that so many percent do not exceed (nearest rank)."""
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]
