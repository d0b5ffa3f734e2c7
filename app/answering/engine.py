"""From a question to the stream of its answer, with verbatim sentences and no chat model."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from app.answering.alike import repeats
from app.answering.answer import (
    AnswerSentence,
    Citation,
    Degraded,
    Done,
    Event,
    PassagesFound,
    SentenceReleased,
    Started,
    period_text,
)
from app.answering.citations import Numbering
from app.answering.conflict import disagreeing, told_apart
from app.answering.conversation import Exchange, is_english
from app.answering.extractive import (
    LISTED,
    SHOWN,
    Candidate,
    also_said,
    choose,
    rank_sentences,
)
from app.answering.features import Read
from app.answering.forms import article_named
from app.answering.parts import Understood, understand
from app.answering.reading import reader_of
from app.answering.recency import timely_passages, timely_sentences
from app.answering.refusal import probability
from app.answering.replies import WHICH_ARTICLE, own_reply
from app.answering.summary import summarise
from app.answering.times import Time, read_time, utc_today
from vectorstore.retriever import Retriever, check_query
from vectorstore.store import Store
from vectorstore.types import ArticleHead, Filter, Passage

TOP_K = 10
CLOSEST = 3
WEAK_LANGUAGE = "language: the encoder reads English; in this language only words are matched well"


class Engine:
    """Answers questions from an open store.

    Args:
        store: Where the articles are.
        retriever: Finds the passages in it.
        threshold: How probable it must be, in [0, 1], that the best sentence answers;
            below it the answer is that the articles do not say.
        today: Tells the day from which "last week" is counted.
        multilingual: Whether the encoder reads other languages than English as well.
    """

    def __init__(
        self,
        store: Store,
        retriever: Retriever,
        threshold: float,
        today: Callable[[], date] = utc_today,
        multilingual: bool = False,
    ) -> None:
        self._store = store
        self._retriever = retriever
        self._threshold = threshold
        self._today = today
        self._multilingual = multilingual

    def time_of(self, question: str) -> Time:
        """Return what a question that stands alone says of time, as it is understood today."""
        return read_time(question, self._today())

    def stream(
        self, question: str, condition: Filter | None = None, history: Sequence[Exchange] = ()
    ) -> Iterator[Event]:
        """Yield the answer's events; sentences are whole and numbered when they come.

        Args:
            question: What was asked.
            condition: Which articles may answer.
            history: The turns before, oldest first, which the question may lean on.

        Raises:
            QuestionError: The question is empty or too long; raised before the first event.
        """
        asked = check_query(question)
        return self.events(asked, self.understand(asked, history), condition or Filter())

    def understand(self, question: str, history: Sequence[Exchange] = ()) -> Understood:
        """Return what a question asks, read by the encoder where it leans on the turns before."""
        return understand(question, history, reader_of(self._retriever.encoder))

    def events(self, asked: str, meant: Understood, condition: Filter) -> Iterator[Event]:
        """Yield the answer's events for a question that was understood; see `stream`."""
        start = time.perf_counter()
        reply = own_reply(meant.question, lambda: self._store.catalogue.heads(condition))
        timeless = bool(reply) or meant.summary is not None
        when = Time() if timeless else self.time_of(meant.question)
        narrowed = narrow(condition, when)
        is_dated = narrowed == condition or self._has_dates(condition)
        condition = narrowed if is_dated else condition
        yield Started(new_answer_id(), asked, meant.question, condition)
        if reply:
            yield from _service_sentences(reply)
            yield Done("answered", (), {"total": _since(start)})
            return
        if not is_dated:
            yield Degraded(f"No article has a date: those {period_text(narrowed)} cannot be told.")
        if meant.summary is not None:
            head = self._to_summarise(meant, condition)
            if head is not None:
                yield from self._summary(head, start)
                return
            if not meant.summary:
                yield from _service_sentences([WHICH_ARTICLE])
                yield Done("answered", (), {"total": _since(start)})
                return
        yield from self._answer(meant, condition, when, start)

    def _answer(
        self, meant: Understood, condition: Filter, when: Time, start: float
    ) -> Iterator[Event]:
        found = [self._retriever.retrieve(part.query, TOP_K, condition) for part in meant.parts]
        if not self._multilingual and not is_english(meant.question, ""):
            yield Degraded(WEAK_LANGUAGE)
        for reason in dict.fromkeys(reason for each in found for reason in each.degraded):
            yield Degraded(reason)
        passages = timely_passages(merged([each.passages for each in found]), when)
        yield PassagesFound(passages)
        timings = _summed([each.timings for each in found])
        release = _Release()
        unanswered = []
        for part, retrieved in zip(meant.parts, found, strict=True):
            ranked = rank_sentences(part.query, retrieved)
            if not ranked or probability(ranked, retrieved.searched) < self._threshold:
                unanswered.append(part.text)
                continue
            ranked = timely_sentences(ranked, when)
            name = part.text if len(meant.parts) > 1 else ""
            for event in release.sentences(ranked, LISTED if meant.many else SHOWN, name):
                timings.setdefault("first_sentence", _since(start))
                yield event
        timings["total"] = _since(start)
        if len(unanswered) == len(meant.parts):
            yield Done("not_found", closest(passages), timings)
        elif unanswered:
            yield Done("partial", (), timings, tuple(unanswered))
        else:
            yield Done("answered", (), timings)

    def _has_dates(self, condition: Filter) -> bool:
        """Whether one of the articles that may be seen has a publication date."""
        first = condition.published_from or date.min
        return self._store.vectors.exact.count(replace(condition, published_from=first)) > 0

    # -- summaries -----------------------------------------------------------------------

    def _to_summarise(self, meant: Understood, condition: Filter) -> ArticleHead | None:
        """Return the article that is meant, of those the reader may see."""
        heads = self._store.catalogue.heads(condition)
        if meant.summary:
            return article_named(meant.summary, heads)
        if len(heads) == 1:
            return heads[0]
        visible = {head.id: head for head in heads}
        return next((visible[each] for each in meant.cited if each in visible), None)

    def _summary(self, head: ArticleHead, start: float) -> Iterator[Event]:
        found = summarise(self._store.catalogue.located_in(head.id))
        yield PassagesFound(tuple(dict.fromkeys(each.passage for each in found)))
        numbering = Numbering()
        for index, each in enumerate(found):
            yield _quoted(index, [numbering.cite(each.passage, each.sentence)], None, head.title)
        yield Done("answered" if found else "not_found", (), {"total": _since(start)})


class _Release:
    """Numbers the sentences of an answer, and releases each once."""

    def __init__(self) -> None:
        self._numbering = Numbering()
        self._released: list[Read] = []
        self._index = 0

    def sentences(
        self, ranked: Sequence[Candidate], most: int, part: str
    ) -> Iterator[SentenceReleased]:
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

    def _is_new(self, candidate: Candidate) -> bool:
        return not any(
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


def narrow(condition: Filter, time: Time) -> Filter:
    """Return the filter with the period that a question asks for, where it asks for one."""
    if time.only is None:
        return condition
    firsts = (day for day in (condition.published_from, time.only.first) if day)
    lasts = (day for day in (condition.published_to, time.only.last) if day)
    first, last = max(firsts, default=None), min(lasts, default=None)
    return replace(condition, published_from=first, published_to=last)


def new_answer_id() -> str:
    """Return an id that no other answer has."""
    return f"q{uuid.uuid4().hex}"


def closest(passages: tuple[Passage, ...]) -> tuple[ArticleHead, ...]:
    """Return the articles of the best passages, each once, at most CLOSEST."""
    return tuple(dict.fromkeys(passage.article for passage in passages))[:CLOSEST]


def merged(lists: Sequence[tuple[Passage, ...]]) -> tuple[Passage, ...]:
    """Return passages of several lists as one: the first of each, the second of each, ..."""
    if len(lists) == 1:
        return lists[0]
    ranked = sorted((p for passages in lists for p in passages), key=lambda p: p.rank)
    best: dict[str, Passage] = {}
    for passage in ranked:
        best.setdefault(passage.chunk.id, passage)
    return tuple(replace(p, rank=rank) for rank, p in enumerate(best.values(), start=1))


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


def _summed(timings: Sequence[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for each in timings:
        for stage, took in each.items():
            total[stage] = total.get(stage, 0.0) + took
    return total


def _service_sentences(texts: list[str]) -> Iterator[SentenceReleased]:
    for index, text in enumerate(texts):
        sentence = AnswerSentence(text, (), None, "service", "Citewell speaks of itself")
        yield SentenceReleased(index, sentence, ())


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3
