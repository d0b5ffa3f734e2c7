"""What kind of answer a question asks for, and which words of a sentence are of that kind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from app.answering.words import terms
from vectorstore.analysis import analyze
from vectorstore.stopwords import STOP_WORDS

Span = tuple[int, int]

_MONTH = (
    r"(?:jan(?:uary|\.)?|feb(?:ruary|\.)?|mar(?:ch|\.)?|apr(?:il|\.)?|may|june?|july?|"
    r"aug(?:ust|\.)?|sept?(?:ember|\.)?|oct(?:ober|\.)?|nov(?:ember|\.)?|dec(?:ember|\.)?)"
)
_YEAR = r"(?:1\d{3}|20\d{2})"
_DATE = re.compile(
    rf"\b(?:(?:\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?)?{_MONTH}(?:\s+\d{{1,2}}(?:st|nd|rd|th)?)?"
    rf"(?:,?\s+(?:of\s+)?{_YEAR})|\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}"
    rf"|{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?|{_YEAR}-\d\d-\d\d|(?:early|mid|late)?[\s-]?{_YEAR}s?"
    r"|\d{1,4}\s*(?:AD|BC|BCE|CE)\b|\d{1,2}(?:st|nd|rd|th)[\s-]century"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day(?:\s+(?:morning|afternoon|evening|night))?"
    r"|(?:yesterday|today|tomorrow|last\s+(?:week|month|year|night|summer|winter|spring|autumn)))",
    re.IGNORECASE,
)
_NUMBER_WORD = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|"
    r"sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|"
    r"hundreds?|thousands?|dozens?|half|twice|once|million|billion|trillion)"
)
_UNIT = (
    r"(?:%|percent|per\s+cent|percentage\s+points|[kcm]?m²?|km²|km/h|mph|kg|mg|g|tonnes?|tons?|"
    r"kilomet(?:re|er)s?|met(?:re|er)s?|centimet(?:re|er)s?|miles?|feet|foot|inches|acres|hectares|"
    r"litres?|degrees?|°\s?[CF]?|hours?|minutes?|seconds?|days?|weeks?|months?|years?|decades?|"
    r"centuries|dollars|euros|pounds|people|times|[GMk]?W|[GMT]B)"
)
_NUMBER = re.compile(
    rf"(?:[$€£¥]\s?)?(?:\b\d[\d,.]*\d|\b\d|\b{_NUMBER_WORD}\b)"
    rf"(?:[\s-](?:{_NUMBER_WORD})\b)*(?:[\s-]?{_UNIT}(?![A-Za-z]))?",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?:[A-ZÀ-Þ][\w’'.-]*\w|[A-Z](?:\.[A-Z])*\.?)"
    r"(?:\s+(?:(?:of|the|de|del|van|von|der|la|le|and|bin|al)\s+){0,2}"
    r"(?:[A-ZÀ-Þ][\w’'.-]*\w|[A-Z](?:\.[A-Z])*\.?))*"
)
_PLACE = re.compile(
    rf"\b(?:in|at|on|from|to|near|outside|inside|across|into|of|around|between|via)\s+"
    rf"(?:the\s+|a\s+|an\s+)?(?:\w+\s+){{0,2}}?(?P<name>{_NAME.pattern})"
)
_REASON = re.compile(
    r"\b(?:because(?:\s+of)?|due\s+to|owing\s+to|thanks\s+to|since|as\s+a\s+result\s+of|"
    r"in\s+order\s+to|so\s+that|to\s+(?=[a-z]+\b))\s*(?P<name>[^.;]+)"
)
_WORD = re.compile(r"[^\W_]+(?:[’'.,-][^\W_]+)*")

_PERSON_NOUNS = (
    "person|man|woman|president|king|queen|emperor|pope|minister|leader|author|writer|artist|"
    "singer|actor|player|scientist|chemist|physicist|engineer|inventor|composer|director|general|"
    "officer|coach|professor|philosopher|company|team|organi[sz]ation|group|agency|name"
)
_PLACE_NOUNS = (
    "city|country|state|place|town|region|continent|island|river|location|site|village|capital|"
    "county|province|street|building|university|school|nation|area"
)
_TIME_NOUNS = "year|date|day|month|decade|century|time|season"
_MEASURES = (
    "percentage|percent|proportion|number|amount|share|fraction|population|distance|height|"
    "length|speed|temperature|price|cost|age|weight|rate|score|size|area|depth|quantity"
)

_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("date", re.compile(rf"\b(?:when|(?:what|which)\s+(?:\w+\s+)?(?:{_TIME_NOUNS}))\b", re.I)),
    (
        "number",
        re.compile(
            r"\bhow\s+(?:many|much|long|far|old|tall|high|big|large|often|fast|deep|wide|heavy|"
            rf"hot|cold|few|close)\b|\b(?:what|which)\s+(?:\w+\s+){{0,3}}?(?:{_MEASURES})\b"
            r"|\bwhat\s+(?:do|does|did|will|would)\b[^?]*\b(?:cost|pay|earn|weigh|measure)\s*\??$",
            re.I,
        ),
    ),
    ("person", re.compile(rf"\b(?:who|whom|whose|(?:what|which)\s+(?:{_PERSON_NOUNS}))\b", re.I)),
    ("place", re.compile(rf"\b(?:where|(?:what|which)\s+(?:{_PLACE_NOUNS}))\b", re.I)),
    ("reason", re.compile(r"\bwhy\b", re.I)),
)

_PATTERNS: Mapping[str, re.Pattern[str]] = {
    "date": _DATE,
    "number": _NUMBER,
    "person": _NAME,
    "place": _PLACE,
    "reason": _REASON,
}


def expected_kind(question: str) -> str:
    """Return `date`, `number`, `person`, `place`, `reason`, or `other`.

    Example: "In which year did it open?" -> "date"
    """
    for kind, pattern in _KINDS:
        if pattern.search(question):
            return kind
    return "other"


KINDS = (*_PATTERNS, "other")


def of_kind(kind: str, sentence: str) -> Iterator[Span]:
    """Yield where a sentence has words of the kind; nothing for `other`."""
    if kind not in _PATTERNS:
        return
    for match in _PATTERNS[kind].finditer(sentence):
        start, end = match.span("name" if "name" in match.re.groupindex else 0)
        if not start and kind == "person" and match.group().lower() in STOP_WORDS:
            continue  # the capital is owed to the sentence's start and not to a name
        yield start, end


def has_kind(kind: str, sentence: str, asked: frozenset[str]) -> bool:
    """Whether a sentence has words of the kind that are not all among those `asked`."""
    return any(
        terms(sentence[start:end]) - asked - _EMPTY for start, end in of_kind(kind, sentence)
    )


_ASKED_NOUN = re.compile(
    r"\b(?:what|which)\s+(?:(?:is|was|are|were)\s+)?(?:(?:the|a|an|type|kind|sort|name|form)\s+"
    r"|of\s+)*(?P<noun>(?!(?:do|does|did|is|was|are|were|has|have|had|can|will|would)\b)\w+"
    r"(?:\s+(?!(?:do|does|did|is|was|are|were|has|have|had|can|could|will|would|of|in|on|at|to|for"
    r"|that|which|who|with|from|by)\b)\w+)?)",
    re.IGNORECASE,
)


def asked_noun(question: str) -> str:
    """Return what a question with "what" or "which" names as the sort of its answer, or "".

    Example: "Which metal is the bridge made of?" -> "metal"
    """
    match = _ASKED_NOUN.search(question)
    return match.group("noun") if match else ""


_EMPTY = frozenset(analyze("the a an of in on at and it he she they this that"))
