"""What kind of answer a question asks for, and the words of a sentence that are of that kind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from vectorstore.lexical import STOP_WORDS, analyze

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
            rf"hot|cold|few|close)\b|\b(?:what|which)\s+(?:\w+\s+){{0,3}}?(?:{_MEASURES})\b",
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


@lru_cache(maxsize=20_000)
def _terms(word: str) -> tuple[str, ...]:
    """Return the index's terms of one word; the same few thousand come again and again."""
    return tuple(analyze(word))


class SpanFinder:
    """Finds the words of a sentence that answer one question."""

    def __init__(self, question: str, weights: Mapping[str, float]) -> None:
        self.kind = expected_kind(question)
        self._weights = weights  # idf of the question's content terms
        self._asked = frozenset(analyze(question))

    def find(self, sentence: str) -> Span | None:
        """Return the answering words as offsets, None if there are none of the kind.

        Of several candidates the one nearest to the question's own words wins; words that
        the question has already are no answer.
        """
        candidates = list(self._candidates(sentence))
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        anchors = list(self._anchors(sentence))

        def pull(candidate: Span) -> float:
            # Each of the question's words pulls with its weight, less so from farther away.
            middle = sum(candidate) / 2
            return sum(weight / (20 + abs(middle - at)) for at, weight in anchors)

        return max(candidates, key=pull)

    def _anchors(self, sentence: str) -> Iterator[tuple[float, float]]:
        """Yield where the question's words stand in the sentence, and their weights."""
        for match in _WORD.finditer(sentence):
            known = [self._weights[t] for t in _terms(match.group()) if t in self._weights]
            if known:
                yield (match.start() + match.end()) / 2, max(known)

    def _candidates(self, sentence: str) -> Iterator[Span]:
        if self.kind not in _PATTERNS:
            return  # a guess at "what" or "how" would mislead more often than help
        for match in _PATTERNS[self.kind].finditer(sentence):
            name = "name" if "name" in match.re.groupindex else 0
            start, end = match.span(name)
            text = match.group(name)
            new = set(analyze(text)) - self._asked - _EMPTY
            if not new or (self.kind == "person" and _is_sentence_start(sentence, start, text)):
                continue
            yield start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())


def _is_sentence_start(sentence: str, start: int, text: str) -> bool:
    """Whether a capital is owed to the sentence's start and not to a name."""
    return start == 0 and text.lower() in STOP_WORDS


_EMPTY = frozenset(analyze("the a an of in on at and it he she they this that"))
