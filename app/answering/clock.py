"""How long an answer takes, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from app.answering.answer import Event, SentenceReleased

Returned = TypeVar("Returned")


class Clock:
    """Counts milliseconds from its making, and those of stages."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._stages: dict[str, float] = {}

    def add(self, stages: Mapping[str, float]) -> None:
        """Add milliseconds to stages."""
        for name, took in stages.items():
            self._stages[name] = self._stages.get(name, 0.0) + took

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is done in the context as a stage."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.add({name: (time.perf_counter() - begun) * 1e3})

    def heard(self, events: Generator[Event, None, Returned]) -> Generator[Event, None, Returned]:
        """Yield the events, and note when the first sentence comes; return what they return."""
        try:
            while True:
                event = next(events)
                if isinstance(event, SentenceReleased):
                    self._stages.setdefault("first_sentence", self._since())
                yield event
        except StopIteration as stopped:
            returned: Returned = stopped.value
            return returned
        finally:
            events.close()

    def told(self) -> dict[str, float]:
        """Return all stages, and the whole time so far as `total`."""
        return {**self._stages, "total": self._since()}

    def _since(self) -> float:
        return (time.perf_counter() - self._start) * 1e3
