"""From a question to the stream of its answer: quotations, or what a writer makes of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from app.answering.answer import (
    AnswerSentence,
    Degraded,
    Done,
    Event,
    Generation,
    Outcome,
    PassagesFound,
    SentenceReleased,
    Started,
    period_text,
)
from app.answering.citations import Numbering
from app.answering.clock import Clock
from app.answering.conversation import Exchange, points_back
from app.answering.extractive import LISTED, SHOWN, Candidate, rank_sentences
from app.answering.foreign import Foreign
from app.answering.forms import article_named
from app.answering.parts import Part, Understood, understand
from app.answering.quotes import Quotes
from app.answering.reading import reader_of
from app.answering.recency import timely_passages, timely_sentences
from app.answering.refusal import probability
from app.answering.replies import WHICH_ARTICLE, own_reply
from app.answering.summary import opening, summarise, unsearched
from app.answering.ties import tied
from app.answering.times import Time, read_time, utc_today
from app.answering.writing import Task, Writer
from vectorstore.language import language_of
from vectorstore.retriever import Retrieved, Retriever, check_query
from vectorstore.store import Store
from vectorstore.types import ArticleHead, Filter, Passage

TOP_K = 10
CLOSEST = 3


class Engine:
    """Answers questions from an open store.

    Args:
        store: Where the articles are.
        retriever: Finds the passages in it.
        threshold: How probable it must be, in [0, 1], that the best sentence answers;
            below it the answer is that the articles do not say.
        today: Tells the day from which "last week" is counted.
        multilingual: Whether the encoder reads other languages than English as well.
        writer: Writes the answers; without one they are quotations.
    """

    def __init__(
        self,
        store: Store,
        retriever: Retriever,
        threshold: float,
        today: Callable[[], date] = utc_today,
        multilingual: bool = False,
        writer: Writer | None = None,
    ) -> None:
        self._store = store
        self._retriever = retriever
        self._threshold = threshold
        self.today = today
        self._multilingual = multilingual
        self._writer = writer

    @property
    def writes(self) -> bool:
        """Whether answers are written, and so depend on the whole talk before them."""
        return self._writer is not None

    def time_of(self, question: str) -> Time:
        """Return what a question that stands alone says of time, as it is understood today."""
        return read_time(question, self.today())

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
        condition = condition or Filter()
        return self.events(asked, self.understand(asked, condition, history), condition, history)

    def understand(
        self, question: str, condition: Filter, history: Sequence[Exchange] = ()
    ) -> Understood:
        """Return what a question asks, where it leans on the turns before.

        The encoder reads it with them, and the articles tell whether it goes on from them.
        """
        meant = understand(question, history, reader_of(self._retriever.encoder))
        return tied(meant, history, self._store, condition) if history else meant

    def events(
        self,
        asked: str,
        meant: Understood,
        condition: Filter,
        history: Sequence[Exchange] = (),
    ) -> Iterator[Event]:
        """Yield the answer's events for a question that was understood; see `stream`."""
        foreign = Foreign(self._multilingual)
        return foreign.beside(self._events(asked, meant, history, condition, foreign))

    def _events(
        self,
        asked: str,
        meant: Understood,
        history: Sequence[Exchange],
        condition: Filter,
        foreign: Foreign,
    ) -> Iterator[Event]:
        clock = Clock()
        meant, before, failure = yield from self._rewritten(asked, meant, history, clock)
        reply = own_reply(meant.question, lambda: self._store.catalogue.heads(condition))
        timeless = bool(reply) or meant.summary is not None
        when = Time() if timeless else self.time_of(meant.question)
        narrowed = narrow(condition, when)
        is_dated = narrowed == condition or self._has_dates(condition)
        condition = narrowed if is_dated else condition
        yield Started(new_answer_id(), asked, meant.question, condition)
        if reply:
            yield from _service_sentences(reply)
            yield Done("answered", (), clock.told())
            return
        if failure:
            yield Degraded(failure, passing=True)
        if not is_dated:
            yield Degraded(f"No article has a date: those {period_text(narrowed)} cannot be told.")
        task = Task(meant.question, (), history, before=before)
        if meant.summary is not None:
            head = self._to_summarise(meant, condition)
            if head is not None:
                yield from self._summary(head, task, clock)
                return
            if not meant.summary:
                yield from _service_sentences([WHICH_ARTICLE])
                yield Done("answered", (), clock.told())
                return
        language = language_of(meant.question)
        yield from foreign.told(language)
        task = replace(task, language=language)
        yield from self._answer(meant, condition, when, task, clock)

    def _rewritten(
        self, asked: str, meant: Understood, history: Sequence[Exchange], clock: Clock
    ) -> Generator[Event, None, tuple[Understood, Generation | None, str]]:
        """Return what is meant, what a model did for that, and why it could not."""
        leans = points_back(asked, history) or any(part.added for part in meant.parts)
        if self._writer is None or meant.summary is not None or not leans:
            return meant, None, ""
        with clock.stage("rewrite"):
            told = yield from self._writer.standalone(asked, history)
        if told.question:
            return understand(told.question), told.generation, ""
        taken = "taken as it stands" if meant.question == asked else "completed by rules"
        return meant, told.generation, f"{told.failure}; the question was {taken}"

    def _answer(
        self, meant: Understood, condition: Filter, when: Time, task: Task, clock: Clock
    ) -> Iterator[Event]:
        found = [
            self._retriever.retrieve(part.query, TOP_K, condition, task.language)
            for part in meant.parts
        ]
        passing = any(each.passing for each in found)
        for reason in dict.fromkeys(reason for each in found for reason in each.degraded):
            yield Degraded(reason, passing)
        passages = timely_passages(merged([each.passages for each in found]), when)
        earlier = self._earlier(task.history, condition, passages) if self._writer else ()
        yield PassagesFound(passages + earlier)
        for retrieved in found:
            clock.add(retrieved.timings)
        judged = [_judge(*pair, when) for pair in zip(meant.parts, found, strict=True)]
        able = [each for each in judged if each.chance >= self._threshold]
        lacking = tuple(each.part.text for each in judged if each.chance < self._threshold)
        if not able:
            yield Done("not_found", closest(passages), clock.told(), generation=task.before)
            return

        def quote(quotes: Quotes) -> Generator[Event, None, None]:
            for each in able:
                name = each.part.text if len(judged) > 1 else ""
                yield from quotes.sentences(each.ranked, LISTED if meant.many else SHOWN, name)

        if self._writer is None:
            yield from clock.heard(quote(Quotes(Numbering())))
            yield Done("partial" if lacking else "answered", (), clock.told(), lacking)
            return
        given = timely_passages(merged([each.retrieved.passages for each in able]), when)
        task = replace(task, passages=given + earlier)
        yield from self._written(self._writer, task, quote, lacking, clock)

    def _written(
        self,
        writer: Writer,
        task: Task,
        quote: Callable[[Quotes], Generator[Event, None, None]],
        lacking: tuple[str, ...],
        clock: Clock,
    ) -> Iterator[Event]:
        """Have an answer written; where that fails, quotations take over."""
        numbering = Numbering()
        with clock.stage("generate"):
            written = yield from clock.heard(writer.write(task, numbering))
        if written.refused:
            told = clock.told()
            yield Done("not_found", closest(task.passages), told, generation=written.generation)
            return
        if written.failure:
            yield Degraded(f"{written.failure}; the articles are quoted instead", passing=True)
            yield from clock.heard(quote(Quotes(numbering, written.sentences)))
        lacking += tuple(part for part in written.missing if part not in lacking)
        outcome: Outcome = "partial" if lacking else "answered"
        yield Done(outcome, (), clock.told(), lacking, written.generation)

    def _earlier(
        self, history: Sequence[Exchange], condition: Filter, given: Sequence[Passage]
    ) -> tuple[Passage, ...]:
        """Return what the last answer cited and is not given yet, where it may be seen still."""
        known = {passage.chunk.id for passage in given}
        places = [place for each in history[-1:] for place in each.evidence]
        hits = [
            hit
            for article in dict.fromkeys(article for article, _ in places)
            for hit in self._store.catalogue.located_in(article)
            if hit.chunk.id not in known
            and any(of == article and hit.chunk.start <= at < hit.chunk.end for of, at in places)
        ]
        exact = self._store.vectors.exact
        seen = exact.seen([hit.number for hit in hits], exact.spell_out(condition))
        visible = [hit for hit in hits if hit.number in seen]
        return tuple(unsearched(hit, rank) for rank, hit in enumerate(visible, len(given) + 1))

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

    def _summary(self, head: ArticleHead, task: Task, clock: Clock) -> Iterator[Event]:
        hits = opening(self._store.catalogue.located_in(head.id))
        found = summarise(hits)
        if self._writer is not None and found:
            given = tuple(unsearched(hit, rank) for rank, hit in enumerate(hits, start=1))
            yield PassagesFound(given)
            task = replace(task, passages=given)
            yield from self._written(
                self._writer, task, lambda quotes: quotes.summary(found, head.title), (), clock
            )
            return
        yield PassagesFound(tuple(dict.fromkeys(each.passage for each in found)))
        yield from Quotes(Numbering()).summary(found, head.title)
        yield Done("answered" if found else "not_found", (), clock.told())


@dataclass(frozen=True, slots=True)
class _Judged:
    """A part of the question, its sentences, best first, and how probable an answer is."""

    part: Part
    retrieved: Retrieved
    ranked: Sequence[Candidate]
    chance: float


def _judge(part: Part, retrieved: Retrieved, when: Time) -> _Judged:
    ranked = rank_sentences(part.query, replace(retrieved, idf=part.weights(retrieved.idf)))
    chance = probability(ranked, retrieved.searched) if ranked else -1.0
    return _Judged(part, retrieved, timely_sentences(ranked, when), chance)


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


def closest(passages: Sequence[Passage]) -> tuple[ArticleHead, ...]:
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


def _service_sentences(texts: list[str]) -> Iterator[SentenceReleased]:
    for index, text in enumerate(texts):
        sentence = AnswerSentence(text, (), None, "service", "Citewell speaks of itself")
        yield SentenceReleased(index, sentence, ())
