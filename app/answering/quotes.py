"""Sentences released word for word, each with its citations, none twice."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from app.answering.alike import repeats
from app.answering.answer import AnswerSentence, Citation, SentenceReleased
from app.answering.citations import Numbering
from app.answering.conflict import disagreeing, told_apart
from app.answering.extractive import Candidate, also_said, choose
from app.answering.features import Read
from app.answering.summary import Central

Released = Generator[SentenceReleased, None, None]


class Quotes:
    """Numbers the sentences of an answer, and releases each once.

    Args:
        numbering: Of the whole answer.
        before: The sentences that the answer has already.
    """

    def __init__(self, numbering: Numbering, before: Sequence[str] = ()) -> None:
        self._numbering = numbering
        self._before = frozenset(before)
        self._released: list[Read] = []
        self._index = len(before)

    def sentences(self, ranked: Sequence[Candidate], most: int, part: str) -> Released:
        """Yield those that answer; where articles disagree, these lead, and it is said."""
        apart = disagreeing(ranked)
        others = [each for each in choose(ranked, most) if not any(each is one for one in apart)]
        for place, candidate in enumerate([*apart, *others][:most], start=1):
            if self._is_new(candidate):  # an earlier part may have it
                yield self._quote(candidate, ranked, part)
            if place == len(apart):
                reason = "the articles disagree"
                said = AnswerSentence(told_apart(apart), (), None, "service", reason, part)
                yield SentenceReleased(self._next(), said, ())

    def summary(self, found: Sequence[Central], title: str) -> Released:
        """Yield the sentences of a summary, in its order."""
        for each in found:
            cited = [self._numbering.cite(each.passage, each.sentence)]
            yield _quoted(self._next(), cited, None, title)

    def _is_new(self, candidate: Candidate) -> bool:
        return candidate.text not in self._before and not any(
            read.text == candidate.text or repeats(candidate.read, read) for read in self._released
        )

    def _quote(
        self, candidate: Candidate, ranked: Sequence[Candidate], part: str
    ) -> SentenceReleased:
        cited = [
            self._numbering.cite(read.passage, read.sentence)
            for read in (candidate.read, *also_said(candidate, ranked))
        ]
        self._released.append(candidate.read)
        return _quoted(self._next(), cited, candidate.span(), part)

    def _next(self) -> int:
        self._index += 1
        return self._index - 1


def _quoted(
    index: int, citations: Sequence[Citation], span: tuple[int, int] | None, part: str
) -> SentenceReleased:
    """Release the quote of the first citation; the others say the same."""
    sentence = AnswerSentence(
        text=citations[0].quote,
        citations=tuple(citation.number for citation in citations),
        span=span,
        support="verbatim",
        reason="quoted word for word",
        part=part,
    )
    return SentenceReleased(index, sentence, tuple(citations))
