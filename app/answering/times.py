"""What a question says of time: the newest, the articles of a period, or what a period tells of.

A question may name the time of an event or that of the articles, and only the latter may filter:
"Who won the election in 1936?" is answered by articles of any year. So a filter needs a time
that is told from today on ("last June", "yesterday"), or one that stands beside the articles
themselves ("news from 2023"). Every other time only raises the rank of the articles of then.

English only; a month without a year is the last one that has begun. Days are those of UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from date_wrangler import DateMatch

REACH = 5  # years: what lies further back is told by articles of later

_NEWEST = re.compile(
    r"\b(?:latest|newest|most\s+recent(?:ly)?|up[\s-]to[\s-]date)\b", re.IGNORECASE
)
_CURRENT = re.compile(
    r"\b(?:recent(?:ly)?|current(?:ly)?|nowadays|today|now|at\s+present|so\s+far"
    r"|this\s+(?:week|month|year))\b",
    re.IGNORECASE,
)
# Without one of these there is no time to read, and the reader need not be loaded.
_HINT = re.compile(
    r"\d|\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|(?:mon|tues|wednes|thurs|fri|satur"
    r"|sun)day|weekend|today|yesterday|last|past|this|ago)s?\b",
    re.IGNORECASE,
)
_FROM_TODAY = re.compile(r"\b(?:last|past|this|yesterday|ago)\b(?!.*\bquarter)", re.IGNORECASE)
_UP_TO_NOW = re.compile(
    r"\b(?:last|past)\s+(?:\d+|[a-z]+)\s+\w+s$|\bpast\s+\w+$", re.IGNORECASE
)  # "the last 3 months" and "the past month" end today, "last month" does not
_OWNED = re.compile(r"(?:\b(?:its|his|her|their|my|your|our|whose)|['’]s)\s+$", re.IGNORECASE)
_PART = re.compile(r"\s+of\b", re.IGNORECASE)  # "the last year of the war"
# "Sporting News" is a name.
_ARTICLES = r"(?:articles|^news|(?-i:news)|stories|coverage|headlines|posts|newsletters)"
_TOLD = r"(?:published|written|reported|posted|dated)"
_BESIDE = re.compile(
    rf"\b(?:{_ARTICLES}(?:\s+{_TOLD})?|what\s+(?:was|were|has\s+been|have\s+been)\s+{_TOLD}"
    rf"|{_ARTICLES}(?:\s+\S+){{0,8}}?\s+(?:from|{_TOLD}))"
    r"(?:\s+(?:from|of|in|on|for|during|within|the)){0,3}\s*$",
    re.IGNORECASE,
)
_BEHIND = re.compile(rf"(?:['’]s?)?\s+{_ARTICLES}\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both included; None where it is open."""

    first: date | None
    last: date | None

    def holds(self, day: date | None) -> bool:
        """Whether a day is one of them; a day that is not known is none."""
        if day is None:
            return False
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class Time:
    """What a question says of time.

    `only`: articles of that period are asked for, and no others. `near`: periods whose articles
    are likelier to tell. `newest`: the newer an article, the better it answers.
    """

    only: Period | None = None
    near: tuple[Period, ...] = ()
    newest: bool = False
    current: bool = False

    @property
    def ranks(self) -> bool:
        """Whether it bears on the order of what is found."""
        return self.newest or self.current or bool(self.near)


def utc_today() -> date:
    """Return the day that it is in UTC."""
    return datetime.now(UTC).date()


def read_time(question: str, today: date) -> Time:
    """Return what a question says of time, seen from `today`.

    Several periods are compared, not picked from: they filter nothing.

    Example: "What was reported last June?" on 24 November 2026 -> only 1 to 30 June 2026
    """
    newest, current = (found.search(question) is not None for found in (_NEWEST, _CURRENT))
    if not _HINT.search(question):
        return Time(newest=newest, current=current)
    from date_wrangler import parse  # takes 0.6 s to load

    named: dict[Period, bool] = {}  # whether it is that of the articles
    for match in parse(question, today=today):
        period = _period(match, today)
        is_filter = _is_of_articles(question, match, period, today)
        if is_filter or match.text.lower() != "today":  # which mostly means "as things are"
            named[period] = named.get(period, False) or is_filter
    if len(named) == 1 and all(named.values()):
        return Time(only=next(iter(named)), newest=newest, current=current)
    return Time(near=tuple(named), newest=newest, current=current)


def _period(match: DateMatch, today: date) -> Period:
    from date_wrangler import Anchor, Grain, WranglerConfig, parse_one

    found = match.range
    if _UP_TO_NOW.search(match.text):
        rolled = parse_one(match.text, today=today, config=WranglerConfig(anchor=Anchor.ROLLING))
        if rolled and rolled.range.start:
            return Period(rolled.range.start, today)
    if not re.search(r"\d{4}", match.text) and found.start and found.start > today:
        if found.grain is Grain.MONTH:
            found = found.shift(-1, Grain.YEAR)
    return Period(found.start, found.end and found.end - timedelta(days=1))


def _is_of_articles(question: str, match: DateMatch, period: Period, today: date) -> bool:
    """Whether a time is that of the articles, and not that of what they tell of."""
    if period.first is not None and period.first > today:
        return False  # nothing was published then
    before, after = question[: match.span[0]], question[match.span[1] :]
    if _BESIDE.search(before) or _BEHIND.match(after):
        return True
    if not _FROM_TODAY.search(match.text) or _OWNED.search(before) or _PART.match(after):
        return False
    return period.last is None or today.year - period.last.year <= REACH
