"""Answers given a moment ago, told again while nothing has changed that they rest on.

An answer is a function of the question as it stands alone, of the days that it means by "last
week", of the articles that may answer, and of the state of the store. A publication ends a
state, and with it every answer that is kept. What was lacking only at that moment, as a reranker
that ran out of time, is not told again: such an answer is not kept. Where a chat model writes, the
talk before counts as well, so that only answers to first questions are kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from app.answering.answer import (
    Degraded,
    Done,
    Event,
    Generation,
    PassagesFound,
    SentenceReleased,
    Started,
    Waiting,
)
from app.answering.conversation import Exchange
from app.answering.engine import Engine, new_answer_id
from app.answering.kept import Kept
from app.answering.parts import Understood
from app.answering.times import Time
from vectorstore.retriever import check_query
from vectorstore.store import Store
from vectorstore.types import Filter

KEPT = 512  # answers, about 10 KB each

Key = tuple[Understood, Filter, Time, date | None]


class AnswerCache:
    """Answers by `engine`, or with what it answered before.

    Who may see different articles has a different filter, and shares no answer.
    """

    def __init__(self, engine: Engine, store: Store, kept: int = KEPT) -> None:
        self._engine = engine
        self._kept: Kept[Key, tuple[Event, ...]] = Kept(store, kept)

    def stream(
        self, question: str, condition: Filter, history: Sequence[Exchange] = ()
    ) -> Iterator[Event]:
        """Yield the answer's events, under an id of its own each time.

        Raises:
            QuestionError: The question is empty or too long; raised before the first event.
        """
        return self._events(check_query(question), condition, history)

    def _events(
        self, question: str, condition: Filter, history: Sequence[Exchange]
    ) -> Iterator[Event]:
        if history and self._engine.writes:
            yield from self._engine.stream(question, condition, history)
            return
        start = time.perf_counter()
        state = self._kept.state()
        meant = self._engine.understand(" ".join(question.split()), condition, history)
        # what a chat model writes, it writes on a day
        day = self._engine.today() if self._engine.writes else None
        key = (meant, condition, self._engine.time_of(meant.question), day)
        kept = self._kept.find(state, key)
        if kept is not None:
            yield from _again(kept, question, start)
            return
        events: list[Event] = []
        for event in self._engine.events(question, meant, condition):
            if not isinstance(event, Waiting):
                events.append(_lean(event))
            if isinstance(event, Done) and not any(map(_is_passing, events)):
                self._kept.keep(state, key, tuple(events))
            yield event


def _again(events: tuple[Event, ...], question: str, start: float) -> Iterator[Event]:
    first: dict[str, float] = {}
    for event in events:
        match event:
            case SentenceReleased(index=0):
                first = {"first_sentence": (time.perf_counter() - start) * 1e3}
                yield event
            case Started():
                yield replace(event, answer_id=new_answer_id(), question=question)
            case Done():
                took = (time.perf_counter() - start) * 1e3
                timings = {"cached": took, **first, "total": took}
                yield replace(event, timings=timings, generation=_unspent(event.generation))
            case _:
                yield event


def _unspent(generation: Generation | None) -> Generation | None:
    """Return what a chat model did as it is told again: nothing was spent this time."""
    if generation is None:
        return None
    cost = None if generation.cost is None else 0.0
    return replace(generation, calls=0, input_tokens=0, output_tokens=0, cost=cost)


def _is_passing(event: Event) -> bool:
    return isinstance(event, Degraded) and event.passing


def _lean(event: Event) -> Event:
    """Return an event without the vectors of its passages, which nobody needs again."""
    if not isinstance(event, PassagesFound):
        return event
    return PassagesFound(tuple(replace(each, sentence_vectors=None) for each in event.passages))
