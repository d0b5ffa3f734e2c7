"""What a sentence says that its evidence does not: quotations, dates, numbers, names, negations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Literal

from app.answering.dates import WEEKDAYS, Date, date_supported, find_dates, is_relative
from app.answering.evidence import Line, Reading
from app.answering.names import Name, Vocabulary, find_names
from app.answering.polarity import (
    Polarity,
    contrary_word,
    left_out_negation,
    unsupported_negation,
)
from app.answering.quantities import Quantity, find_quantities, quantity_supported
from app.answering.wording import edit, missing_quotation
from vectorstore.analysis import content_terms

NEAREST = 8  # sentences in which a number or a date may stand, with the neighbours of the best
CLOSEST = 3  # sentences that decide on negation
COUNTED = 10  # things that a writer counts for himself
LACKING = 3  # words of a name for each that may not be missing
ALIKE = 0.5  # share of the sentence's words in one other, from which on that one may contradict it

FaultKind = Literal["quotation", "number", "date", "name", "negation"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Words of a sentence that its evidence does not bear out, and why, for people."""

    kind: FaultKind
    words: str
    reason: str


@dataclass(frozen=True, slots=True)
class Place:
    """A sentence of the evidence and the passage it stands in."""

    reading: Reading
    line: Line


@dataclass(frozen=True, slots=True)
class Told:
    """The evidence as one sentence sees it.

    `places` are all its sentences, `ranked` their indexes, those that share most first; `best`
    is the share, in [0, 1], that the first holds.
    """

    readings: Sequence[Reading]
    places: Sequence[Place]
    ranked: Sequence[int]
    best: float

    def nearest(self) -> list[Place]:
        """Return where its numbers and dates may stand: titles, too."""
        chosen = set(self.ranked[:NEAREST])
        for index in self.ranked[:CLOSEST]:
            chosen |= {index - 1, index + 1} & set(range(len(self.places)))
        titles = [Place(reading, reading.title) for reading in self.readings]
        return [*(self.places[index] for index in sorted(chosen)), *titles]

    def closest(self) -> list[Place]:
        """Return the sentences that decide whether it says the contrary."""
        return [self.places[index] for index in self.ranked[:CLOSEST]]


def find_faults(sentence: str, told: Told, about: str, *, english: bool) -> Iterator[Fault]:
    """Yield what the evidence does not bear out, in the order in which it is checked.

    Args:
        sentence: The sentence to check.
        told: What it cites.
        about: What the text around it is about; its names are known to the reader.
        english: Whether names and negations can be checked, too.
    """
    yield from _quotations(sentence, told)
    dates = find_dates(sentence)
    nearest = told.nearest()
    if not _undated(told):
        yield from _dates(sentence, dates, nearest)
    yield from _numbers(sentence, dates, nearest)
    if english:
        yield from _weekdays(sentence, nearest)
        yield from _names(sentence, told, about)
        yield from _contraries(sentence, told)
        yield from _edits(sentence, told)


def _quotations(sentence: str, told: Told) -> Iterator[Fault]:
    texts = [t for r in told.readings for t in (r.evidence.text, r.evidence.title)]
    words = missing_quotation(sentence, texts)
    if words is not None:
        yield Fault("quotation", words, f"“{words}” is not in the passage in these words")


# -- dates and numbers -------------------------------------------------------------------


def _undated(told: Told) -> bool:
    """Whether the closest sentences tell a time by a day of publication that nobody knows."""
    return any(
        place.reading.day is None and is_relative(place.line.text) for place in told.closest()
    )


def _dates(sentence: str, dates: Sequence[Date], nearest: Sequence[Place]) -> Iterator[Fault]:
    if not dates:
        return
    there = [found for place in nearest for found in place.reading.dates(place.line)]
    days = [place.reading.day for place in nearest if place.reading.day]
    there += [Date(day.year, day.month, day.day, 0, 0) for day in dict.fromkeys(days)]
    years = {found.year for found in there if found.year}
    numbers = {number.value for place in nearest for number in place.line.quantities}
    for (start, end), readings in groupby(dates, lambda found: (found.start, found.end)):
        either = any if "/" in sentence[start:end] else all  # 4/5/2019 can be read in two ways
        if not either(_told_date(found, there, years, numbers) for found in readings):
            words = sentence[start:end]
            yield Fault("date", words, f"the date {words} is not in the passage")


def _told_date(found: Date, there: Sequence[Date], years: set[int], numbers: set[Decimal]) -> bool:
    if date_supported(found, there, years):
        return True
    return found.month is None and found.span == 1 and found.year in numbers


def _numbers(sentence: str, dates: Sequence[Date], nearest: Sequence[Place]) -> Iterator[Fault]:
    numbers = [
        number
        for number in find_quantities(sentence)
        if not any(number.start < found.end and found.start < number.end for found in dates)
    ]
    if not numbers:
        return
    there = [number for place in nearest for number in place.line.quantities]
    years = {found.year for place in nearest for found in place.line.dates}
    for number in numbers:
        words = sentence[number.start : number.end]
        if quantity_supported(number, there) or (not number.dimension and number.value in years):
            other = _other_number(sentence, number, nearest)
            if other is not None and number.dimension != "ordinal":
                yield Fault("number", words, f"the passage has {other} in the place of {words}")
            continue
        if _is_count(number) and not any(
            _is_count(each) and each.dimension == number.dimension for each in there
        ):
            continue  # counted from what the passage lists, as "both" would be
        yield Fault("number", words, _why_not(number, words, there))


def _other_number(sentence: str, number: Quantity, nearest: Sequence[Place]) -> str | None:
    """Return the number that the passage has of the things of which the sentence has another."""
    things = _beside(sentence, number)
    other = None
    for place in nearest:
        text = place.line.text
        of_them = [each for each in place.line.quantities if things & _beside(text, each)]
        if quantity_supported(number, of_them):
            return None
        for each in of_them:
            if other is None and each.dimension == number.dimension:
                other = text[each.start : each.end]
    return other


def _beside(text: str, number: Quantity) -> frozenset[str]:
    """Return the terms of the words right before and after a number: "Series 8", "eight songs"."""
    before, after = _WORD.findall(text[: number.start])[-1:], _WORD.findall(text[number.end :])[:1]
    return frozenset(content_terms(" ".join([*before, *after])))


def _is_count(number: Quantity) -> bool:
    return number.dimension in (None, "ordinal") and number.value <= COUNTED


def _why_not(number: Quantity, words: str, there: Sequence[Quantity]) -> str:
    bare = Quantity(number.value, None, None, number.start, number.end)
    if number.dimension and quantity_supported(bare, there):
        return f"the passage has the number of {words} with another unit"
    return f"the number {words} is not in the passage"


_WORD = re.compile(r"[^\W\d_]+")
_WEEKDAY = re.compile(rf"\b(?:{'|'.join(day.title() for day in WEEKDAYS)})\b")


def _weekdays(sentence: str, nearest: Sequence[Place]) -> Iterator[Fault]:
    named = _WEEKDAY.findall(sentence)
    if not named:
        return
    told: set[int] = set()
    for place in nearest:
        words = place.line.text.lower()
        told |= {n for n, day in enumerate(WEEKDAYS) if re.search(rf"\b{day[:3]}", words)}
        told |= {found.weekday() for found in _days(place)}
    for day in named:
        if WEEKDAYS.index(day.lower()) not in told:
            yield Fault("date", day, f"the day {day} is not in the passage")


def _days(place: Place) -> Iterator[date]:
    if place.reading.day:
        yield place.reading.day
    for found in place.line.dates:
        try:
            yield date(found.year or 0, found.month or 0, found.day or 0)
        except ValueError:  # not a whole date
            continue


# -- names and negations -----------------------------------------------------------------


def _names(sentence: str, told: Told, about: str) -> Iterator[Fault]:
    names = find_names(sentence)
    if not names:
        return
    books = [reading.names for reading in told.readings] + [Vocabulary([about])]
    for name in names:
        lost = set(name.words).intersection(*(book.missing(name) for book in books))
        if _matters(name, lost):
            yield Fault("name", name.text, f"the name {name.text} is not in the passage")


def _matters(name: Name, lost: set[str]) -> bool:
    """Whether so much of a name is missing that it names another."""
    return bool(lost) and len(name.words) <= LACKING * len(lost)


def _contraries(sentence: str, told: Told) -> Iterator[Fault]:
    mine = Polarity(sentence)
    theirs = [place.line.polarity for place in told.closest()]
    words = unsupported_negation(mine, theirs)
    if words is not None:
        yield Fault("negation", words, f"the passage does not say “{words}”")
        return
    flipped = contrary_word(mine, theirs)
    if flipped is not None:
        word, contrary = flipped
        yield Fault("negation", word, f"the passage says “{contrary}”, not “{word}”")
        return
    if theirs and told.best >= ALIKE:
        left_out = left_out_negation(mine, theirs[0])
        if left_out is not None:
            yield Fault("negation", left_out, f"the sentence leaves out the passage’s “{left_out}”")


def _edits(sentence: str, told: Told) -> Iterator[Fault]:
    """What a sentence that is nearly one of the evidence's has in another's place."""
    if told.best < ALIKE or any(place.line.text == sentence for place in told.closest()):
        return
    for place in told.closest():
        found = edit(sentence, place.line.text)
        if found is None:
            continue
        if not found.told:
            reason = f"“{found.said}” is put into what the passage says"
        elif not found.said:
            reason = f"the sentence leaves out the passage’s “{found.told}”"
        else:
            reason = f"the passage has “{found.told}” in the place of “{found.said}”"
        yield Fault(found.kind, found.said or found.told, reason)
        return
