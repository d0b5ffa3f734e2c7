"""A question that asks several things, as the things it asks.

"Who founded the observatory and when did it close?" asks two. What follows an "and" is a part only
if a question could begin with it; "who also led it" behind a relative clause goes on with that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.answering.conversation import Exchange, standalone
from app.answering.dependence import has_pronoun, is_fragment
from app.answering.forms import compared, is_list, summary_of
from app.answering.reading import Reader
from vectorstore.analysis import content_terms

MOST = 3  # parts; what asks more is looked for as a whole
ADDED = 0.25  # of a word's weight; chosen of .25, .5 and 1 on talks about the example articles
_AUXILIARY = (
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might|must)"
)
_ASKING = r"(?:who|whom|whose|what|when|where|why|which|how)"
_BEFORE = r"(?:(?:in|at|on|by|for|from|to|with|of|since|until)\s+)?"
_PRONOUN = r"(?:it|he|she|they|this|that|these|those|there)"
_ABOUT = rf"(?:{_PRONOUN}|the|its|his|her|their|any)"
_NEXT = rf"(?={_BEFORE}{_ASKING}\s+\w+|{_AUXILIARY}\s+{_ABOUT}\b)"
_END = re.compile(r"(?<=[?？؟])\s+(?=\S)")
_JOINT = re.compile(rf"\s*[,;]?\s+and\s+(?:also\s+)?{_NEXT}|\s*;\s*{_NEXT}", re.IGNORECASE)
_COMMA = re.compile(rf"\s*,\s*{_NEXT}", re.IGNORECASE)  # joins parts where "and" joins the last
_STARTS = re.compile(
    rf"^\W*(?:and\s+|but\s+|so\s+)?{_BEFORE}(?:{_ASKING}|{_AUXILIARY})\b", re.IGNORECASE
)
_PREDICATE = re.compile(rf"\b{_AUXILIARY}\b|\w+ed\b|^\W*who\s+\w+", re.IGNORECASE)
# A clause that begins so may go on with a noun instead of asking.
_RELATIVE = re.compile(r"^(?:who|whom|whose|where|which)\b", re.IGNORECASE)
_INVERTED = re.compile(
    rf"^(?:where|whom|whose\s+\w+|which\s+(?!{_AUXILIARY}\b)\w+(?:\s+\w+)?)\s+{_AUXILIARY}\b",
    re.IGNORECASE,
)
_CLOSED = re.compile(rf"^\W*{_AUXILIARY}\b", re.IGNORECASE)  # asks for yes or no
_OF_IT = re.compile(rf"^{_AUXILIARY}\s+{_PRONOUN}\b", re.IGNORECASE)
_SUBJECT = re.compile(rf"^(?:who|which\s+(?!{_AUXILIARY}\b)\w+)\s+\w+", re.IGNORECASE)
_CLAUSE = re.compile(r"\w\W+(?:who|whom|whose|which|that|where)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One thing asked: its words, and the query that finds passages for it."""

    text: str
    query: str

    @property
    def added(self) -> str:
        """What the talk before adds to the text, in brackets; "" for nothing."""
        return self.query.removeprefix(self.text) if self.query.startswith(self.text) else ""

    def weights(self, idf: Mapping[str, float]) -> dict[str, float]:
        """Return what the query's words count in the choice of sentences: those added, less.

        What the talk adds tells where to look; the reader's own words, what for.
        """
        own = set(content_terms(self.text)) if self.added else ()
        return {
            term: weight * (ADDED if own and term not in own else 1.0)
            for term, weight in idf.items()
        }


@dataclass(frozen=True, slots=True)
class Understood:
    """What is asked: `question` as a whole, and its parts, at least one.

    `many`: several things are asked for. `summary` names what to summarise, if anything; where it
    is "", that is the first of `cited`: the ids of the articles last cited in the conversation.
    """

    question: str
    parts: tuple[Part, ...]
    many: bool = False
    summary: str | None = None
    cited: tuple[str, ...] = ()


def understand(
    question: str, history: Sequence[Exchange] = (), reader: Reader | None = None
) -> Understood:
    """Return what a question asks, each part as it can be asked alone.

    `reader`, if there is one, reads a follow-up question together with the talk before it.

    Example: "When did the Lyra Dome open, and who led it?" -> "When did the Lyra Dome open?",
    "who led it? (Lyra Dome)"
    """
    summary = summary_of(question)
    if summary is not None:
        cited = next((each.cited for each in reversed(history) if each.cited), ())
        part = Part(question, question)
        return Understood(question, (part,), summary=summary, cited=() if summary else cited)
    meant = standalone(question, history, reader=reader)
    if sides := compared(meant.question):
        return Understood(meant.question, tuple(Part(s, f"What is {s}?") for s in sides))
    if meant.why in ("accepts", "again"):  # another question is meant than was written
        question, history = meant.question, ()
    pieces = split(question)
    parts = [Part(question, meant.question)]
    if len(pieces) > 1:
        parts, said = [], list(history)
        for piece in pieces:
            # In a breath with another thing "the symphony" is no part of that; "it" is.
            leans = has_pronoun(piece) or is_fragment(piece)
            alone = standalone(piece, said if leans else history, reader=reader)
            parts.append(Part(piece, alone.question))
            said.append(Exchange(piece))
    whole = " ".join(part.query for part in parts)
    return Understood(whole, tuple(parts), is_list(meant.question))


def split(question: str) -> tuple[str, ...]:
    """Return the parts in the reader's words, each ending in a question mark; at most MOST."""
    pieces = [
        piece.strip(" ,;")
        for sentence in _END.split(question.strip())
        for piece in _split_sentence(sentence)
    ]
    if not 1 < len(pieces) <= MOST or not all(map(_STARTS.match, pieces)):
        return (question,)
    return tuple(piece if piece.endswith(("?", "？", "؟")) else f"{piece}?" for piece in pieces)


def _split_sentence(sentence: str) -> list[str]:
    """Split at joints that have a whole question on both sides."""
    *before, last = _JOINT.split(sentence)
    pieces = [piece for part in before for piece in _COMMA.split(part)] + [last]
    whole = all(_STARTS.match(piece) and len(piece.split()) > 1 for piece in pieces)
    if not whole or not _PREDICATE.search(pieces[0]):
        return [sentence]
    asked = all(_asks(piece, pieces[:n]) for n, piece in enumerate(pieces) if n)
    return pieces if asked else [sentence]


def _asks(piece: str, before: Sequence[str]) -> bool:
    """Whether a piece asks, rather than going on with a clause of what is before it."""
    if _CLOSED.match(piece):  # "and is the subject of" has a predicate of what is before it
        return bool(_OF_IT.match(piece) or _CLOSED.match(before[0]))
    if not _RELATIVE.match(piece) or _INVERTED.match(piece):
        return True
    return bool(_SUBJECT.match(piece)) and not any(map(_CLAUSE.search, before))
