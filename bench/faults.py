"""Faults planted in sentences that their sources bear out: one thing changed in each.

Seeded, and independent of the code that is to find them: own patterns, own lists.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "unit", "date", "name", "negation", "contrary", "foreign"]

_MONTHS = (
    "January February March April May June July August September October November December"
).split()
_YEAR = re.compile(r"(?<![\d$£€,.])\b(?:1[1-9]\d\d|20[0-2]\d)\b(?![,.]?\d|[-–/]\d|['’]?s\b)")
_MONTH = re.compile(rf"\b(?:{'|'.join(_MONTHS)})\b")
_IN_MONTH = "|".join(rf"(?<={month}\s)" for month in _MONTHS)
_DATED_DAY = re.compile(
    rf"\b\d{{1,2}}(?=\s(?:{'|'.join(_MONTHS)})\b)|(?:{_IN_MONTH})\d{{1,2}}\b(?![-–])"
)
_DIGITS = re.compile(
    r"(?<![\w.,:/'’#–-])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w:/,.–-]?\d|[A-Za-z])"
)
_WORDS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
).split()
_NUMBER_WORD = re.compile(rf"(?<![-\w])(?:{'|'.join(_WORDS)})(?![-\w])", re.IGNORECASE)

_UNITS = (
    ("million", "billion", "trillion"),
    ("kilometres", "miles", "metres", "feet", "yards"),
    ("kilometers", "miles", "meters", "feet", "yards"),
    ("kilometre", "mile", "metre", "yard"),
    ("km", "mi", "m", "ft"),
    ("km2", "acres", "hectares"),
    ("kg", "lb", "g"),
    ("tonnes", "kilograms", "pounds", "grams"),
    ("years", "months", "weeks", "days", "hours", "minutes", "decades"),
    ("year", "month", "week", "day", "hour", "decade"),
    ("percent", "percentage points"),
    ("%", " kg", " km"),
    ("$", "€", "£"),
    ("dollars", "euros", "pounds", "yen"),
    ("°C", "°F"),
)
_AUXILIARY = re.compile(
    r"\b(?:is|are|was|were|has|had|have|will|would|can|could|may|might|should|must)\b"
    r"(?!\s+(?:not|never|no)\b|n['’]t)"
)
_PAST = re.compile(r"(?<=[a-z]\s)(?<!\bthe\s)(?<!\ba\s)(?<!\ban\s)\b[a-z]{3,}ed\b(?=\s[a-zA-Z])")
_NEGATED = re.compile(r"\b(?:not|never)\s+(?!only\b)")
_CONTRARIES = (
    "increased decreased|increase decrease|rose fell|higher lower|highest lowest|largest smallest|"
    "larger smaller|more less|most least|before after|first last|won lost|north south|"
    "northern southern|east west|eastern western|began ended|opened closed|accepted rejected|"
    "approved rejected|supported opposed|early late|earlier later|older younger|public private|"
    "major minor|majority minority|success failure|successful unsuccessful|upper lower|"
    "joined left|gained lost|allowed forbade|included excluded|strong weak|positive negative"
).split("|")
_CONTRARY = {a: b for pair in _CONTRARIES for a, b in [pair.split(), pair.split()[::-1]]}
_CONTRARY_WORD = re.compile(rf"\b(?:{'|'.join(_CONTRARY)})\b")
_NAME = re.compile(
    r"(?<![.!?:“\"(]\s)(?<=\s)(?:[A-Z][a-zà-ÿ]+)(?:\s(?:(?:of|de|van|von)\s)?[A-Z][a-zà-ÿ]+)*\b"
)
_NOT_NAMES = frozenset(_MONTHS) | frozenset(
    "I The A An In On At It He She They We This That These Those And But As However Since His Her "
    "Thus Soon Before After Very Company Co Jr Limited Terrace Team Monday Tuesday Wednesday "
    "Thursday Friday Saturday Sunday".split()
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A sentence with one thing changed: at `start`, `was` became `now`."""

    kind: Kind
    text: str
    start: int
    was: str
    now: str


def names(sentence: str) -> list[str]:
    """Return the names inside a sentence, those at its start left out."""
    found = [match.group() for match in _NAME.finditer(sentence)]
    return [name for name in found if not _NOT_NAMES & set(name.split())]


def plant(kind: Kind, sentence: str, pool: Sequence[str], rng: random.Random) -> Fault | None:
    """Return the sentence with one fault of a kind, None where there is nothing to change.

    Args:
        kind: What to change.
        sentence: What is borne out as it is.
        pool: For "name", names of other articles; for "foreign", sentences of them.
        rng: Decides what is changed, and into what.
    """
    places = _PLACES[kind](sentence, pool, rng)
    if not places:
        return None
    start, was, now = rng.choice(places)
    return Fault(kind, sentence[:start] + now + sentence[start + len(was) :], start, was, now)


Place = tuple[int, str, str]  # where, what was there, what is there now


def _numbers(sentence: str, _: Sequence[str], rng: random.Random) -> list[Place]:
    taken = [m.span() for pattern in (_YEAR, _DATED_DAY) for m in pattern.finditer(sentence)]
    places = [
        (m.start(), m.group(), _other_digits(m.group(), rng))
        for m in _DIGITS.finditer(sentence)
        if not any(m.start() < end and start < m.end() for start, end in taken)
    ]
    for m in _NUMBER_WORD.finditer(sentence):
        word = rng.choice([w for w in _WORDS if w != m.group().lower()])
        places.append((m.start(), m.group(), word.title() if m.group()[0].isupper() else word))
    return places


def _other_digits(was: str, rng: random.Random) -> str:
    """Return another number that is written alike."""
    while True:
        now = "".join(
            (rng.choice("123456789") if n == 0 else rng.choice("0123456789")) if c.isdigit() else c
            for n, c in enumerate(was)
        )
        if now != was:
            return now


def _units(sentence: str, _: Sequence[str], rng: random.Random) -> list[Place]:
    places: list[Place] = []
    for family in _UNITS:
        for unit in family:
            for match in _unit_pattern(unit.strip()).finditer(sentence):
                now = rng.choice([other for other in family if other != unit])
                places.append((match.start("unit"), match["unit"], now))
    return list(dict.fromkeys(places))


def _unit_pattern(unit: str) -> re.Pattern[str]:
    number = rf"(?:\d|\b(?:{'|'.join(_WORDS)}|million|billion|hundred|thousand))"
    if unit in "$€£":
        return re.compile(rf"(?P<unit>{re.escape(unit)})(?=\d)")
    tail = r"(?!\w)" if unit[-1].isalnum() else ""
    return re.compile(rf"{number}[\s-]?(?P<unit>{re.escape(unit)}){tail}")


def _dates(sentence: str, _: Sequence[str], rng: random.Random) -> list[Place]:
    places = []
    for match in _YEAR.finditer(sentence):
        year = int(match.group()) + rng.choice([-11, -7, -3, -2, -1, 1, 2, 3, 7, 11])
        places.append((match.start(), match.group(), str(year)))
    for match in _MONTH.finditer(sentence):
        if match.group() in ("May", "March") and not _by_number(sentence, match):
            continue
        month = rng.choice([month for month in _MONTHS if month != match.group()])
        places.append((match.start(), match.group(), month))
    for match in _DATED_DAY.finditer(sentence):
        day = rng.choice([n for n in range(1, 29) if n != int(match.group())])
        places.append((match.start(), match.group(), str(day)))
    return places


def _by_number(sentence: str, match: re.Match[str]) -> bool:
    return bool(
        re.search(r"\d\s$", sentence[: match.start()]) or re.match(r"\s\d", sentence[match.end() :])
    )


def _names(sentence: str, pool: Sequence[str], rng: random.Random) -> list[Place]:
    places = []
    for match in _NAME.finditer(sentence):
        if _NOT_NAMES & set(match.group().split()):
            continue
        known = set(match.group().split())
        others = [name for name in pool if not known & set(name.split())]
        if others:
            places.append((match.start(), match.group(), rng.choice(others)))
    return places


def _negations(sentence: str, _: Sequence[str], rng: random.Random) -> list[Place]:
    """A negation taken out where there is one; else one put in."""
    if removed := [(m.start(), m.group(), "") for m in _NEGATED.finditer(sentence)]:
        return removed
    inserted = [(m.end(), "", " not") for m in _AUXILIARY.finditer(sentence)]
    return inserted or [(m.start(), "", "never ") for m in _PAST.finditer(sentence)]


def _flips(sentence: str, _: Sequence[str], rng: random.Random) -> list[Place]:
    """A word for its contrary."""
    return [(m.start(), m.group(), _CONTRARY[m.group()]) for m in _CONTRARY_WORD.finditer(sentence)]


def _foreign(sentence: str, pool: Sequence[str], _: random.Random) -> list[Place]:
    return [(0, sentence, other) for other in pool if other != sentence]


_PLACES: Mapping[Kind, Callable[[str, Sequence[str], random.Random], list[Place]]] = {
    "number": _numbers,
    "unit": _units,
    "date": _dates,
    "name": _names,
    "negation": _negations,
    "contrary": _flips,
    "foreign": _foreign,
}
KINDS = tuple(_PLACES)
