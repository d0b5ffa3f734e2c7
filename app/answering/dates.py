"""Dates as they are written, and those that "last week" means in an article of a known day."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

MONTHS = (
    "january february march april may june july august september october november december"
).split()
WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()

_MONTH = (
    r"(?:Jan(?:uary|\b\.?)|Feb(?:ruary|\b\.?)|Mar(?:ch|\b\.?)|Apr(?:il|\b\.?)|May|June?|July?"
    r"|Aug(?:ust|\b\.?)|Sept?(?:ember|\b\.?)|Oct(?:ober|\b\.?)|Nov(?:ember|\b\.?)"
    r"|Dec(?:ember|\b\.?)|JANUARY|FEBRUARY|MARCH|APRIL|MAY|JUNE|JULY|AUGUST|SEPTEMBER|OCTOBER"
    r"|NOVEMBER|DECEMBER)"
)
_YEAR = r"(?:1\d{3}|20\d{2})"
_DAY = r"(?:3[01]|[12]\d|0?[1-9])"
_NTH = r"(?:st|nd|rd|th)?"
_DASH = r"\s?[-–—/]\s?"
_BEFORE_MONTH = (
    r"(?<=\b(?:in|of|by|to)\s)|(?<=\b(?:mid|and|for)[\s-])|(?<=\b(?:from|late|last|this|next|till)\s)"
    r"|(?<=\b(?:since|until|early)\s)|(?<=\bduring\s)|(?<=\bthrough\s)"
)

_DATES = re.compile(
    rf"""
      (?P<iso>\b(?P<iy>{_YEAR})[-./](?P<im>0?[1-9]|1[0-2])[-./](?P<id>{_DAY})(?!\d))
    | (?P<slash>\b(?P<sa>\d{{1,2}})[/.](?P<sb>\d{{1,2}})[/.](?P<sy>{_YEAR})\b)
    | (?P<dm>\b(?P<dd>{_DAY}){_NTH}(?:(?:{_DASH}|\s(?:and|to)\s)(?P<de>{_DAY}){_NTH})?
        \s(?:of\s)?(?P<dmon>{_MONTH})\b\.?(?:,?\s(?:of\s)?(?P<dy>{_YEAR})\b)?)
    | (?P<md>(?:\b|(?<=[a-z]))(?P<mmon>{_MONTH})\s(?:the\s)?(?P<md1>{_DAY})(?!\d){_NTH}\b
        (?:(?:{_DASH}|\s(?:and|to)\s)(?P<md2>{_DAY})(?!\d){_NTH}\b)?(?:,?\s(?P<my>{_YEAR})\b)?)
    | (?P<mony>(?:\b|(?<=[a-z]))(?P<nmon>{_MONTH}),?\s(?:of\s)?(?P<ny>{_YEAR})\b)
    | (?P<decade>(?:\b(?P<cy>{_YEAR})['’]?s\b|['’](?P<cd>\d0)['’]?s\b))
    | (?P<century>\b(?P<cn>\d{{1,2}}(?:st|nd|rd|th)|{"|".join(_ORDINALS)})[\s-]century\b)
    | (?P<years>\b(?P<y1>{_YEAR})[-–—/](?P<y2>{_YEAR}|\d\d)(?!\d))
    | (?P<year>(?<![\d$€£¥#.,:])(?<![\d][-–])\b{_YEAR}\b(?![,.]?\d|\s?(?:%|percent\b|per\scent\b)))
    | (?P<month>(?:\b(?:January|February|April|June|July|August|September|October|November
        |December)\b|(?:{_BEFORE_MONTH})(?:March|May|Jan|Feb|Apr|Aug|Sept?|Oct|Nov|Dec)\b))
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Date:
    """A date as far as it is told, and where it stands in its text.

    `span` is how many years it covers from `year` on: 1, 10 for a decade, 100 for a century.
    """

    year: int | None
    month: int | None
    day: int | None
    start: int
    end: int
    span: int = 1

    def __str__(self) -> str:
        parts = (self.day, self.month and MONTHS[self.month - 1].title(), self.year)
        return " ".join(str(part) for part in parts if part is not None)


def find_dates(text: str) -> list[Date]:
    """Return the dates of a text, in order; one that can be read in two ways comes twice.

    Example: "opened on 4 July 2017" -> [Date(2017, 7, 4, 10, 21)]
    """
    return [found for match in _DATES.finditer(text) for found in _read(match)]


def _read(match: re.Match[str]) -> Iterator[Date]:
    yield from _READERS[_kind(match)](match)


def _kind(match: re.Match[str]) -> str:
    return next(name for name in _READERS if match.group(name) is not None)


def _month(name: str) -> int:
    return 1 + next(n for n, month in enumerate(MONTHS) if month.startswith(name[:3].lower()))


def _date(
    match: re.Match[str], year: str | None, month: int | None, day: str | None, span: int = 1
) -> Date:
    return Date(
        int(year) if year else None,
        month,
        int(day) if day else None,
        match.start(),
        match.end(),
        span,
    )


def _iso(match: re.Match[str]) -> Iterator[Date]:
    yield _date(match, match["iy"], int(match["im"]), match["id"])


def _slash(match: re.Match[str]) -> Iterator[Date]:
    for day, month in ((match["sa"], match["sb"]), (match["sb"], match["sa"])):
        if 1 <= int(month) <= 12 and 1 <= int(day) <= 31:
            yield _date(match, match["sy"], int(month), day)


def _day_month(match: re.Match[str]) -> Iterator[Date]:
    for day in filter(None, (match["dd"], match["de"])):
        yield _date(match, match["dy"], _month(match["dmon"]), day)


def _month_day(match: re.Match[str]) -> Iterator[Date]:
    for day in filter(None, (match["md1"], match["md2"])):
        yield _date(match, match["my"], _month(match["mmon"]), day)


def _month_year(match: re.Match[str]) -> Iterator[Date]:
    yield _date(match, match["ny"], _month(match["nmon"]), None)


def _decade(match: re.Match[str]) -> Iterator[Date]:
    year = match["cy"] or f"19{match['cd']}"
    yield _date(match, year, None, None, 100 if year.endswith("00") and year < "2000" else 10)


def _century(match: re.Match[str]) -> Iterator[Date]:
    word = match["cn"].lower()
    nth = _ORDINALS.index(word) + 1 if word in _ORDINALS else int(word[:-2])
    yield _date(match, str(nth * 100 - 99), None, None, 100)


def _years(match: re.Match[str]) -> Iterator[Date]:
    first, last = match["y1"], match["y2"]
    yield _date(match, first, None, None)
    yield _date(match, last if len(last) == 4 else first[:2] + last, None, None)


def _year(match: re.Match[str]) -> Iterator[Date]:
    yield _date(match, match.group(), None, None)


def _bare_month(match: re.Match[str]) -> Iterator[Date]:
    yield _date(match, None, _month(match.group()), None)


_READERS: Mapping[str, Callable[[re.Match[str]], Iterator[Date]]] = {
    "iso": _iso,
    "slash": _slash,
    "dm": _day_month,
    "md": _month_day,
    "mony": _month_year,
    "decade": _decade,
    "century": _century,
    "years": _years,
    "year": _year,
    "month": _bare_month,
}

_RELATIVE = re.compile(
    r"\b(?:(?P<day>today|tonight|this\s+(?:morning|afternoon|evening)|yesterday|last\s+night"
    r"|tomorrow)|(?P<which>last|this|next|earlier\s+this|later\s+this|past|previous|coming)\s+"
    r"(?P<unit>week|month|year|spring|summer|autumn|fall|winter|season)"
    rf"|(?P<weekday>(?:{'|'.join(WEEKDAYS)}))"
    r"|(?P<count>\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten)\s+"
    r"(?P<ago>day|week|month|year)s?\s+(?:ago|earlier))\b",
    re.IGNORECASE,
)
_NUMBERS = "zero one two three four five six seven eight nine ten".split()


def is_relative(text: str) -> bool:
    """Whether a text tells a time that depends on the day it was written: "last year"."""
    return _RELATIVE.search(text) is not None


def relative_dates(text: str, published: date) -> list[Date]:
    """Return what "yesterday", "last year", "on Tuesday" mean in an article of that day.

    A weekday is one of the week before or of the week after, since news tells of both.
    """
    return [
        Date(year, month, day, match.start(), match.end())
        for match in _RELATIVE.finditer(text)
        for year, month, day in _meant(match, published)
    ]


def _meant(match: re.Match[str], published: date) -> Iterator[tuple[int, int | None, int | None]]:
    if match["day"]:
        word = match["day"].lower()
        step = -1 if word.startswith(("yes", "last")) else 1 if word == "tomorrow" else 0
        yield _moved(published, days=step)
    elif match["weekday"]:
        ahead = (WEEKDAYS.index(match["weekday"].lower()) - published.weekday()) % 7
        for step in (ahead, ahead - 7):
            yield _moved(published, days=step)
    elif match["unit"]:
        yield from _period(match["which"].lower(), match["unit"].lower(), published)
    else:
        word = match["count"].lower()
        count = int(word) if word.isdigit() else _NUMBERS.index(word) if word in _NUMBERS else 1
        yield from _ago(count, match["ago"].lower(), published)


def _period(which: str, unit: str, published: date) -> Iterator[tuple[int, int | None, int | None]]:
    step = -1 if which in ("last", "past", "previous") else 1 if which in ("next", "coming") else 0
    if unit == "week":
        monday = published - timedelta(days=published.weekday()) + timedelta(weeks=step)
        for day in range(7):
            yield _moved(monday, days=day)
    elif unit == "month":
        year, month = divmod(published.year * 12 + published.month - 1 + step, 12)
        yield year, month + 1, None
    else:  # a season: of this year or, where it is past or to come, of a neighbouring one
        yield published.year + step, None, None
        if unit != "year" and step:
            yield published.year, None, None


def _ago(count: int, unit: str, published: date) -> Iterator[tuple[int, int | None, int | None]]:
    if unit == "year":
        yield published.year - count, None, None
    elif unit == "month":
        year, month = divmod(published.year * 12 + published.month - 1 - count, 12)
        yield year, month + 1, None
    else:
        yield _moved(published, days=-count * (7 if unit == "week" else 1))


def _moved(day: date, days: int) -> tuple[int, int, int]:
    moved = date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal()))
    return moved.year, moved.month, moved.day


def date_supported(claimed: Date, told: Iterable[Date], years: Collection[int]) -> bool:
    """Whether one of the dates told says all that the claimed one says.

    Args:
        claimed: The date of the sentence.
        told: The dates of the evidence.
        years: Those in which an evidence's date without a year may lie.
    """
    return any(_covers(claimed, each, years) for each in told)


def _covers(claimed: Date, told: Date, years: Collection[int]) -> bool:
    if claimed.month is not None and claimed.month != told.month:
        return False
    if claimed.day is not None and claimed.day != told.day:
        return False
    if claimed.year is None:
        return True
    if told.year is None:
        return claimed.year in years
    inside = claimed.year <= told.year
    return inside and told.year + told.span <= claimed.year + claimed.span
