"""Numbers as they are written, in digits or words, with the units they are counted in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

_SMALL = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen".split()
    )
}
_TENS = {
    word: 10 * number
    for number, word in enumerate(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2
    )
}
_SCALES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1_000,
    "lakh": 100_000,
    "million": 1_000_000,
    "crore": 10_000_000,
    "billion": 1_000_000_000,
    "trillion": 1_000_000_000_000,
}
_ABBREVIATED = {"k": 1_000, "m": 1_000_000, "mn": 1_000_000, "mln": 1_000_000}
_ABBREVIATED |= {"b": 1_000_000_000, "bn": 1_000_000_000, "tn": 1_000_000_000_000}
_ORDINALS = {
    word: number
    for number, word in enumerate(
        "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
        "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth".split(),
        start=3,
    )
} | {"first": 1, "second": 2}

# Each unit's written forms, its dimension, and how many of the dimension's base it is. Only
# exact factors share a dimension: a mile and a kilometre do not.
_UNITS = (
    ("mm millimetre millimeter", "metre", "0.001"),
    ("cm centimetre centimeter", "metre", "0.01"),
    ("m metre meter", "metre", "1"),
    ("km kilometre kilometer", "metre", "1000"),
    ("inch inches", "foot", "1"),
    ("ft foot feet", "foot", "12"),
    ("yard yd", "foot", "36"),
    ("mile mi", "foot", "63360"),
    ("mg milligram", "gram", "0.001"),
    ("g gram gramme", "gram", "1"),
    ("kg kilogram kilo", "gram", "1000"),
    ("tonne", "gram", "1000000"),
    ("ton", "ton", "1"),
    ("lb pound", "pound", "1"),
    ("ounce oz", "ounce", "1"),
    ("hectare ha", "square metre", "10000"),
    ("km² km2 sq_km square_km square_kilometre square_kilometer", "square metre", "1000000"),
    ("m² m2 sq_m square_metre square_meter", "square metre", "1"),
    ("acre", "acre", "1"),
    ("square_mile sq_mi sq_mile", "square mile", "1"),
    ("square_foot square_feet sq_ft", "square foot", "1"),
    ("ml millilitre milliliter", "litre", "0.001"),
    ("l litre liter", "litre", "1"),
    ("cubic_metre cubic_meter m³", "litre", "1000"),
    ("gallon", "gallon", "1"),
    ("barrel", "barrel", "1"),
    ("km/h kmh kph kilometres_per_hour kilometers_per_hour", "km/h", "1"),
    ("mph miles_per_hour", "mph", "1"),
    ("knot", "knot", "1"),
    ("m/s", "m/s", "1"),
    ("second sec", "second", "1"),
    ("minute min", "second", "60"),
    ("hour hr", "second", "3600"),
    ("day", "second", "86400"),
    ("week", "second", "604800"),
    ("month", "month", "1"),
    ("year yr", "month", "12"),
    ("decade", "month", "120"),
    ("century centuries", "month", "1200"),
    ("% percent per_cent pct", "percent", "1"),
    ("percentage_point", "percentage point", "1"),
    ("$ US$ USD dollar", "dollar", "1"),
    ("€ EUR euro", "euro", "1"),
    ("£ GBP", "pound", "1"),  # "pounds" may be either: the word does not tell
    ("¥ JPY yen", "yen", "1"),
    ("₹ Rs rupee INR", "rupee", "1"),
    ("yuan renminbi", "yuan", "1"),
    ("rouble ruble ₽", "rouble", "1"),
    ("franc", "franc", "1"),
    ("krona kronor krone kroner", "krona", "1"),
    ("cent", "cent", "1"),
    ("°C degree_Celsius degrees_Celsius degrees_C", "celsius", "1"),
    ("°F degree_Fahrenheit degrees_Fahrenheit degrees_F", "fahrenheit", "1"),
    ("degree °", "degree", "1"),
    ("W watt", "watt", "1"),
    ("kW kilowatt", "watt", "1000"),
    ("MW megawatt", "watt", "1000000"),
    ("GW gigawatt", "watt", "1000000000"),
    ("kWh kilowatt_hour", "watt hour", "1000"),
    ("MWh megawatt_hour", "watt hour", "1000000"),
    ("GWh gigawatt_hour", "watt hour", "1000000000"),
    ("kB KB kilobyte", "byte", "1000"),
    ("MB megabyte", "byte", "1000000"),
    ("GB gigabyte", "byte", "1000000000"),
    ("TB terabyte", "byte", "1000000000000"),
    ("Hz hertz", "hertz", "1"),
    ("kHz kilohertz", "hertz", "1000"),
    ("MHz megahertz", "hertz", "1000000"),
    ("GHz gigahertz", "hertz", "1000000000"),
)


def _forms() -> Iterator[tuple[str, tuple[str, Decimal]]]:
    for written, dimension, factor in _UNITS:
        for form in written.split():
            unit = (dimension, Decimal(factor))
            yield form.replace("_", " "), unit
            if len(form) > 3 and form.isascii() and form.islower() and not form.endswith("s"):
                yield form.replace("_", " ") + "s", unit


_UNIT_OF = dict(_forms())
_UNIT_OF |= {"secs": _UNIT_OF["sec"], "mins": _UNIT_OF["min"], "hrs": _UNIT_OF["hr"]}
_UNIT_OF |= {"tons": _UNIT_OF["ton"], "days": _UNIT_OF["day"], "lbs": _UNIT_OF["lb"]}
_UNIT_OF |= {"yrs": _UNIT_OF["yr"], "inchs": _UNIT_OF["inch"]}
_LOWER_UNIT = {form.lower(): unit for form, unit in _UNIT_OF.items() if len(form) > 2}

_ONES = "|".join(list(_SMALL)[1:10])
_BELOW = rf"(?:(?:{'|'.join(_TENS)})(?:[\s-](?:{_ONES})\b)?|{'|'.join(_SMALL)})"  # a hundred
_SCALE = "|".join(_SCALES)
_IN_WORDS = (
    rf"(?:(?:{_BELOW}|(?:{_SCALE})(?!s))(?:[\s-](?:{_SCALE})\b)*"
    rf"(?:[\s-](?:and[\s-])?{_BELOW}\b(?:[\s-](?:{_SCALE})\b)+)*"
    rf"(?:(?:(?<=hundred)|(?<=thousand))[\s-](?:and[\s-])?{_BELOW}\b)?)"
)
_UNIT = "|".join(re.escape(f).replace(r"\ ", r"[\s-]") for f in sorted(_UNIT_OF, key=len)[::-1])
_NUMBER = re.compile(
    rf"""
    (?P<currency>(?:US|A|C|NZ|HK)?\$|[€£¥₹₽]|\bRs\.?|\b(?:USD|EUR|GBP)\b)?\s?
    (?:
      (?<![\w.,])(?P<digits>\d{{1,3}}(?:[,\u00a0\u202f ]\d{{3}})+(?:\.\d+)?(?![\d])|\d+(?:\.\d+)?)
        (?P<nth>st|nd|rd|th)?(?![A-Za-z]*\d)
      | \b(?P<ordinal>(?:(?:{"|".join(_TENS)})-)?(?:{"|".join(_ORDINALS)}))\b
      | \b(?P<words>{_IN_WORDS})\b
    )
    (?:[\s-]?(?P<scale>hundred|thousand|lakh|million|crore|billion|trillion|dozen)\b
      |\s?(?P<short>mn|mln|bn|tn|k|m|b)\b)?
    (?:(?:[\s-]|(?<=[\d])|(?<=\bbn))(?P<unit>{_UNIT})(?![A-Za-z²³])(?P<old>[\s-]old\b)?)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HEDGE = re.compile(
    r"(?P<about>\b(?:about|around|roughly|approximately|some|nearly|almost|circa|an?\s+estimated|"
    r"close\s+to|up\s+to)|~|≈)\s*$"
    r"|(?P<over>\b(?:over|more\s+than|above|at\s+least|exceed(?:s|ed|ing)|upwards\s+of)|>)\s*$"
    r"|(?P<under>\b(?:under|less\s+than|fewer\s+than|below|at\s+most)|<)\s*$",
    re.IGNORECASE,
)
NEAR = Decimal("0.1")  # how far "about" may be off
FAR = Decimal("0.25")  # how far "over" and "under" may be off


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in the base of its dimension, and where it stands in its text.

    `dimension` is None for a bare number, "ordinal" for a rank, "age" for years of age; `hedge` is
    "about", "over", "under" or None.
    """

    value: Decimal
    dimension: str | None
    hedge: str | None
    start: int
    end: int


def find_quantities(text: str) -> list[Quantity]:
    """Return the numbers of a text, in order. "One" alone is a pronoun as often, and is none.

    Example: "over 3.5 million km" -> 3,500,000,000 metres, "over"
    """
    found: list[Quantity] = []
    for match in _NUMBER.finditer(text):
        read = _read(match, text)
        if read is not None:
            found.append(read)
    return _shared_units(text, found)


def _read(match: re.Match[str], text: str) -> Quantity | None:
    value = _value(match)
    if value is None:
        return None
    dimension: str | None = None
    if match["nth"] or match["ordinal"]:
        dimension = "ordinal"
    else:
        unit = _unit(match)
        if match["old"] and match["unit"].lower().startswith("y"):
            dimension = "age"
        elif unit is not None:
            dimension, value = unit[0], value * unit[1]
        elif match["words"] and match["words"].lower() == "one" and not match["scale"]:
            return None
    start = match.start() + len(match.group()) - len(match.group().lstrip())
    hedge = _HEDGE.search(text[max(0, start - 20) : start])
    return Quantity(value, dimension, hedge.lastgroup if hedge else None, start, match.end())


def _value(match: re.Match[str]) -> Decimal | None:
    if match["digits"]:
        try:
            value = Decimal(re.sub(r"[^\d.]", "", match["digits"]))
        except InvalidOperation:  # digits of another script mixed in
            return None
    elif match["words"]:
        value = _in_words(match["words"].lower())
    else:
        value = Decimal(sum(_TENS.get(w, 0) + _ORDINALS.get(w, 0) for w in _parts(match)))
    if match["scale"]:
        return value * _SCALES[match["scale"].lower()]
    if _shortened(match):
        return value * _ABBREVIATED[match["short"].lower()]
    return value


def _parts(match: re.Match[str]) -> list[str]:
    return str(match["ordinal"]).lower().split("-")


def _shortened(match: re.Match[str]) -> bool:
    """Whether "m" and the like mean a million: with a currency, or where no unit is so short."""
    short = match["short"]
    return bool(short and match["digits"] and (match["currency"] or short.lower() not in "mb"))


def _in_words(words: str) -> Decimal:
    """Example: "two hundred and five thousand" -> 205,000."""
    total, current = 0, 0
    for word in re.split(r"[\s-]+", words):
        if word in _SMALL:
            current += _SMALL[word]
        elif word in _TENS:
            current += _TENS[word]
        elif word in ("hundred", "dozen"):
            current = max(current, 1) * _SCALES[word]
        elif word in _SCALES:
            total, current = total + max(current, 1) * _SCALES[word], 0
    return Decimal(total + current)


def _unit(match: re.Match[str]) -> tuple[str, Decimal] | None:
    written = match["currency"] or match["unit"]
    if not written and match["short"] and not _shortened(match):
        written = match["short"]
    if not written:
        return None
    form = re.sub(r"[\s-]", " ", written.strip().rstrip("."))
    if form.endswith("$"):
        form = "$"
    return _UNIT_OF.get(form) or _LOWER_UNIT.get(form.lower())


def _shared_units(text: str, found: list[Quantity]) -> list[Quantity]:
    """Give "5" of "5 to 10 km" the unit of the number that follows."""
    shared = list(found)
    for index in range(len(found) - 2, -1, -1):
        here, after = found[index], shared[index + 1]
        between = text[here.end : after.start].strip().lower()
        if here.dimension is None and between in ("to", "-", "–", "—", "and", "or", "("):
            unit = _unit_at(text, after)
            if unit is not None:
                value = here.value * unit[1]
                shared[index] = Quantity(value, unit[0], here.hedge, here.start, here.end)
    return shared


def _unit_at(text: str, quantity: Quantity) -> tuple[str, Decimal] | None:
    match = _NUMBER.search(text, quantity.start)
    return _unit(match) if match else None


def quantity_supported(claimed: Quantity, told: Iterable[Quantity]) -> bool:
    """Whether one of the numbers told is the claimed one; if it is hedged, near enough.

    A number told without a unit bears out no unit; a number claimed without one is borne
    out whatever its unit.
    """
    return any(_same_unit(claimed, each) and _same_value(claimed, each) for each in told)


def _same_unit(claimed: Quantity, told: Quantity) -> bool:
    if claimed.dimension == told.dimension:
        return True
    if claimed.dimension in ("age", "ordinal"):  # "Smith, 36, said", "grade 9"
        return told.dimension is None
    return claimed.dimension is None and told.dimension != "ordinal"


def _same_value(claimed: Quantity, told: Quantity) -> bool:
    if claimed.value == told.value:
        return True
    if claimed.hedge == "about":
        return abs(claimed.value - told.value) <= NEAR * told.value
    if claimed.hedge == "over":
        return claimed.value <= told.value <= claimed.value * (1 + FAR)
    if claimed.hedge == "under":
        return claimed.value * (1 - FAR) <= told.value <= claimed.value
    return False
