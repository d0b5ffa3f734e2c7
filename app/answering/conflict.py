"""Articles that disagree on a figure: the same thing told with another number or date.

Both are shown, the newest first. Only what is plain is called a disagreement: the question asks
for a number or a date, and a sentence of another article says the same as the first one but for
one figure, which is of the same kind and stands beside the same words. What tells of other names
or has two other figures is another matter, and no disagreement. bench/dated.py measures both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from app.answering.answer import day_text
from app.answering.dates import Date, find_dates
from app.answering.extractive import Candidate
from app.answering.features import names
from app.answering.quantities import Quantity, find_quantities
from app.answering.recency import newest_day
from app.answering.words import Token

FEWEST = 3  # words with content that a sentence must have beside its figures
ALIKE = 0.8  # the share of the shorter sentence's words that the other one has
BESIDE = 2  # words with content on either side of a figure, of which one must be the same
LOOKED_AT = 20  # sentences behind the first
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """A number or date of a sentence: `value` is comparable within a `kind`."""

    kind: str
    value: object
    start: int
    end: int


def disagreeing(ranked: Sequence[Candidate]) -> list[Candidate]:
    """Return the first sentence and those that tell a figure of it otherwise, newest first.

    Empty where none does. Of one article only its best sentence counts.
    """
    if not ranked or ranked[0].asked.kind not in ("number", "date"):
        return []
    lead = ranked[0]
    ours = figures(lead.text)
    apart = {lead.passage.article.id: lead}
    for other in ranked[1 : LOOKED_AT + 1]:
        if len(apart) < SHOWN and other.passage.article.id not in apart:
            if _tells_otherwise(lead, ours, other):
                apart[other.passage.article.id] = other
    if len(apart) == 1:
        return []
    return sorted(apart.values(), key=lambda each: _day(each) or date.min, reverse=True)


def told_apart(disagreeing: Sequence[Candidate]) -> str:
    """Return the sentence that says so, with the days of the articles."""
    newest, *older = (
        day_text(day) if (day := _day(each)) else "without a date" for each in disagreeing
    )
    return (
        f"The articles disagree on a figure; the newest comes first ({newest}, then "
        f"{', then '.join(older)})."
    )


def _day(candidate: Candidate) -> date | None:
    return newest_day(candidate.passage.article)


def figures(text: str) -> list[Figure]:
    """Return the numbers and dates of a sentence; a number inside a date is none."""
    dates = find_dates(text)
    found = [Figure(_precision(d), (d.year, d.month, d.day, d.span), d.start, d.end) for d in dates]
    for quantity in find_quantities(text):
        if not any(quantity.start < d.end and d.start < quantity.end for d in dates):
            found.append(_figure(quantity))
    return found


def _precision(found: Date) -> str:
    known = (found.year, found.month, found.day)
    return "date " + "".join("01"[part is not None] for part in known)


def _figure(quantity: Quantity) -> Figure:
    return Figure(quantity.dimension or "number", quantity.value, quantity.start, quantity.end)


def _tells_otherwise(lead: Candidate, ours: Sequence[Figure], other: Candidate) -> bool:
    """Whether a sentence says the same as the first one, but for one figure.

    It may leave figures out; one that has two others tells of another case.
    """
    asked = lead.read.held & lead.asked.weights.keys()
    head = other.passage.article
    if not asked <= other.read.held | other.asked.terms_of(head.title, head.language):
        return False  # it leaves out what the question is about
    theirs = figures(other.text)
    known = {figure.value for figure in ours}
    new = [figure for figure in theirs if figure.value not in known]
    if len(new) != 1 or not _same_matter(lead, ours, other, theirs):
        return False
    kept = {figure.value for figure in theirs}
    around = _neighbours(other.read.tokens, new[0])
    return any(
        figure.kind == new[0].kind and figure.value not in kept
        for figure in ours
        if around & _neighbours(lead.read.tokens, figure)
    )


def _same_matter(
    lead: Candidate, ours: Sequence[Figure], other: Candidate, theirs: Sequence[Figure]
) -> bool:
    """Whether two sentences say the same but for their figures, and what one of them leaves out."""
    one, two = _content(lead.read.tokens, ours), _content(other.read.tokens, theirs)
    fewer = min(len(one), len(two))
    if fewer < FEWEST or len(one & two) < ALIKE * fewer:
        return False
    mine, their = _named(lead.read.tokens, one), _named(other.read.tokens, two)
    return not (mine - two and their - one)


def _content(tokens: Iterable[Token], found: Sequence[Figure]) -> frozenset[str]:
    return frozenset(
        term
        for token in tokens
        if not token.word.stop
        and not any(f.start < token.end and token.start < f.end for f in found)
        for term in token.word.terms
    )


def _named(tokens: Sequence[Token], content: frozenset[str]) -> frozenset[str]:
    return names(tokens, dict.fromkeys(content, 1.0))


def _neighbours(tokens: Sequence[Token], figure: Figure) -> frozenset[str]:
    """Return the terms of the words with content that stand next to a figure."""
    plain = [token for token in tokens if not token.word.stop and not token.word.digit]
    before = [token for token in plain if token.end <= figure.start][-BESIDE:]
    after = [token for token in plain if token.start >= figure.end][:BESIDE]
    return frozenset(term for token in before + after for term in token.word.terms)
