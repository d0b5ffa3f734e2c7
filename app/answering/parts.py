"""A question that asks several things, as the things it asks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.answering.features import PRONOUNS
from app.answering.words import tokens
from vectorstore.lexical import content_terms

MOST = 3
_ASKING = r"(?:who|whom|whose|what|when|where|why|which|how)"
_AUXILIARY = (
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|many|much|long|"
    r"far|old|often|fast|high|tall|deep|big|large)"
)
_END = re.compile(r"(?<=[?？؟])\s+(?=\S)")
# "and who led it", "and in which year"; not "how and why did …", where nothing is asked yet
_NEXT = rf"(?=(?:(?:in|at|on|by|for|from|to|with)\s+)?{_ASKING}\s+\w+)"
_JOINT = re.compile(rf"\s*[,;]?\s+and\s+{_NEXT}|\s*;\s*{_NEXT}", re.IGNORECASE)
_COMMA = re.compile(rf"\s*,\s*{_NEXT}", re.IGNORECASE)  # joins parts where "and" joins the last
_STARTS = re.compile(
    rf"^\W*(?:(?:in|at|on|by|for|from|to|with|and)\s+)?(?:{_ASKING}|{_AUXILIARY})\b", re.IGNORECASE
)
_PREDICATE = re.compile(rf"\b{_AUXILIARY}\b|\w+ed\b", re.IGNORECASE)
_LEAST = 2  # content words with which a part stands alone


@dataclass(frozen=True, slots=True)
class Part:
    """One thing asked: its words, and the query that finds passages for it."""

    text: str
    query: str


def split(question: str) -> tuple[Part, ...]:
    """Return the parts of a question, one if it asks one thing; at most MOST.

    A part that leans on the first one ("and who led it?") is looked for with the first one's
    words of content beside its own.

    Example: "When did it open, and who led it?" -> "When did it open?", "who led it?"
    """
    pieces = [
        piece.strip(" ,;")
        for sentence in _END.split(question.strip())
        for piece in _split_sentence(sentence)
    ]
    if not 1 < len(pieces) <= MOST or not all(map(_STARTS.match, pieces)):
        return (Part(question, question),)
    texts = [piece if piece.endswith(("?", "？", "؟")) else f"{piece}?" for piece in pieces]
    first = texts[0]
    return (Part(first, first), *(Part(text, _alone(text, first)) for text in texts[1:]))


def _split_sentence(sentence: str) -> list[str]:
    """Split at joints that have a whole question on both sides."""
    *before, last = _JOINT.split(sentence)
    pieces = [piece for part in before for piece in _COMMA.split(part)] + [last]
    whole = all(_STARTS.match(piece) and len(piece.split()) > 1 for piece in pieces)
    return pieces if whole and _PREDICATE.search(pieces[0]) else [sentence]


def _alone(text: str, first: str) -> str:
    """Return a query for a part: its own words, with the first part's where it leans on them."""
    leaning = any(token.word.lower in PRONOUNS for token in tokens(text))
    if not leaning and len(content_terms(text)) >= _LEAST:
        return text
    own = {token.word.lower for token in tokens(text)}
    added = [
        first[token.start : token.end]
        for token in tokens(first)
        if not token.word.stop and token.word.lower not in own
    ]
    return f"{text} {' '.join(added)}".strip()
