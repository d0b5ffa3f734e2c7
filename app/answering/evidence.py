"""Cited passages, read once for all the sentences that cite them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache

from app.answering.citations import sentence_text
from app.answering.dates import Date, find_dates, relative_dates
from app.answering.names import Vocabulary
from app.answering.polarity import Polarity
from app.answering.quantities import Quantity, find_quantities
from app.answering.wording import Quoted
from vectorstore.analysis import content_terms
from vectorstore.types import Passage, SentenceVectors

KEPT = 64  # passages read a moment ago
_SPLIT = re.compile(r"(?<=[.!?])[\"”’)]*\s+(?=[\"“‘(]?[A-Z0-9])|\n+")
_DATELINE = 80  # characters that a line with the day of publication has at most
_POSTED = re.compile(r"\b(?:posted|published|updated)\b", re.IGNORECASE)
_TOP = 60  # lines from the top in which a bare date is that day


@dataclass(frozen=True, slots=True)
class Evidence:
    """A cited passage, and what its reader knows of the article.

    `sentences` are the text's own, in order; without them it is split at full stops and line
    ends. `vectors` are theirs. `published` resolves "last year" and dates without a year;
    `language` is a tag, None if unknown.
    """

    text: str
    title: str = ""
    published: date | None = None
    language: str | None = None
    sentences: tuple[str, ...] = ()
    vectors: SentenceVectors | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, passage: Passage) -> Evidence:
        """Return a retrieved passage as evidence."""
        return cls(
            text=passage.chunk.text,
            title=passage.article.title,
            published=passage.article.published,
            language=passage.article.language,
            sentences=tuple(sentence_text(passage, s) for s in passage.chunk.sentences),
            vectors=passage.sentence_vectors,
        )


class Line:
    """A sentence of the evidence; each thing is read from it when it is first asked for."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def terms(self) -> frozenset[str]:
        """The content terms."""
        return frozenset(content_terms(self.text))

    @cached_property
    def polarity(self) -> Polarity:
        """What it negates."""
        return Polarity(self.text)

    @cached_property
    def dates(self) -> list[Date]:
        """The dates that are written out."""
        return find_dates(self.text)

    @cached_property
    def quantities(self) -> list[Quantity]:
        """The numbers, those of dates among them."""
        return find_quantities(self.text)


class Reading:
    """A passage with its sentences read, as far as any check asked for it."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.lines = [Line(text) for text in evidence.sentences or _split(evidence.text)]
        self.title = Line(evidence.title)

    @cached_property
    def quoted(self) -> Quoted:
        """Its sentences, word for word."""
        return Quoted([line.text for line in self.lines])

    @cached_property
    def names(self) -> Vocabulary:
        """The words that names may consist of: the title's too, to which pronouns refer."""
        return Vocabulary([*(line.text for line in self.lines), self.evidence.title])

    @cached_property
    def day(self) -> date | None:
        """The day of publication: as given, or as a short line says."""
        if self.evidence.published is not None:
            return self.evidence.published
        for at, line in enumerate(self.lines):
            if len(line.text) > _DATELINE or (at >= _TOP and not _POSTED.search(line.text)):
                continue
            for found in line.dates:
                if found.year and found.month and found.day:
                    return _day(found)
        return None

    def dates(self, line: Line) -> list[Date]:
        """Return the dates of one of its lines, with what "last week" means there."""
        return line.dates + (relative_dates(line.text, self.day) if self.day else [])


def _day(found: Date) -> date | None:
    try:
        return date(found.year or 0, found.month or 0, found.day or 0)
    except ValueError:  # 31 February
        return None


def _split(text: str) -> Sequence[str]:
    return [part for part in _SPLIT.split(text) if part.strip()]


@lru_cache(maxsize=KEPT)
def read(evidence: Evidence) -> Reading:
    """Return the reading of a passage, the same for as long as it is kept."""
    return Reading(evidence)
