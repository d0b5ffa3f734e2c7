"""Answers in the making: how many at once, who hears them, and when nobody does any more."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

from app.answering.answer import Event, Started, Waiting, gather
from app.answering.wire import Json, answer_json, event_json
from app.identity import LOCAL
from vectorstore.errors import BusyError, CitewellError

logger = logging.getLogger(__name__)

WORKERS = 4  # one encodes a batch of what the others were asked; more keep the lock from the loop
HEARTBEAT = 15.0  # seconds of silence after which a stream says that it is alive
PATIENCE = 5.0  # seconds without a listener after which an answer is given up
KEPT = 60.0  # seconds for which a finished stream can be resumed from memory

Keep = Callable[[Json], None]
Tell = Callable[[Json, str], None]


class Work:
    """One answer while it is made; its frames can be heard from any point, by any number."""

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: str) -> None:
        self.owner = owner
        self.answer_id: str | None = None
        self.frames: list[tuple[str, Json]] = []
        self.is_done = False
        self.ended = 0.0
        self.answer: Json | None = None
        self.error: CitewellError | None = None
        self._loop = loop
        self._listeners = 0
        self._deserted = time.monotonic()
        self._news: set[asyncio.Event] = set()

    def push(self, name: str, data: Json, last: bool = False) -> None:
        """Add a frame; called by the worker's thread."""
        self.frames.append((name, data))
        if last:
            self.ended = time.monotonic()
            self.is_done = True
        self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        for event in self._news:
            event.set()

    @property
    def is_deserted(self) -> bool:
        """Whether nobody has listened for a while."""
        return not self._listeners and time.monotonic() - self._deserted > PATIENCE

    async def listen(self, after: int = -1) -> AsyncGenerator[tuple[int, str, Json] | None, None]:
        """Yield (number, name, data) of every frame after a number; None when all is silent."""
        news = asyncio.Event()
        self._news.add(news)
        self._listeners += 1
        number = after + 1
        try:
            while True:
                news.clear()
                is_done = self.is_done  # read before the frames: the last is there by then
                while number < len(self.frames):
                    yield number, *self.frames[number]
                    number += 1
                if is_done:
                    return
                try:
                    await asyncio.wait_for(news.wait(), HEARTBEAT)
                except TimeoutError:
                    yield None
        finally:
            self._news.discard(news)
            self._listeners -= 1
            self._deserted = time.monotonic()


class Desk:
    """Takes questions in, up to a limit, and has them answered by a few threads.

    Args:
        waiting: Questions that may wait; when as many do, later ones are refused at once.
        streams: Answers that one owner may have in the making.
        on_answer: Is told of every finished answer, by its JSON, and whose it is.
        workers: Answers that are made at once.
    """

    def __init__(
        self,
        waiting: int,
        streams: int,
        on_answer: Tell = lambda _answer, _owner: None,
        workers: int = WORKERS,
    ) -> None:
        self._waiting = waiting
        self._streams = streams
        self._on_answer = on_answer
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="answer")
        self._recorder = ThreadPoolExecutor(1, thread_name_prefix="record")
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()
        self._works: dict[str, Work] = {}

    @property
    def load(self) -> int:
        """How many answers are being made or waited for."""
        return self._open.total()

    def refuse_if_full(self) -> None:
        """Refuse a question before anything is known of it.

        Raises:
            BusyError: As many are being answered and wait as may.
        """
        if self.load >= self._waiting + self._workers:
            msg = "Too many questions are waiting. Ask again in a moment."
            raise BusyError(msg, overloaded=True)

    def admit(self, owner: str) -> None:
        """Take a place for an owner; `begin` gives it back.

        Raises:
            BusyError: The owner has too many answers open, or everybody together has.
        """
        with self._lock:
            self.refuse_if_full()
            if owner != LOCAL.subject and self._open[owner] >= self._streams:
                msg = f"You have {self._streams} answers open already. Wait for one of them."
                raise BusyError(msg)
            self._open[owner] += 1

    def leave(self, owner: str) -> None:
        """Give an owner's place back, where nothing was begun."""
        with self._lock:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]

    @contextmanager
    def place(self, owner: str) -> Iterator[None]:
        """Hold a place for an owner whose answer is made elsewhere.

        Raises:
            BusyError: As `admit`.
        """
        self.admit(owner)
        try:
            yield
        finally:
            self.leave(owner)

    def begin(self, owner: str, ask: Callable[[], Iterator[Event]], keep: Keep) -> Work:
        """Have a question answered whose owner was admitted; called on the event loop."""
        work = Work(asyncio.get_running_loop(), owner)
        # what is logged and traced of the answer belongs to the request that asked for it
        self._pool.submit(copy_context().run, self._make, work, ask, keep)
        return work

    def find(self, answer_id: str, owner: str) -> Work | None:
        """Return an answer in the making, or one that ended a moment ago."""
        work = self._works.get(answer_id)
        return work if work is not None and work.owner == owner else None

    def _make(self, work: Work, ask: Callable[[], Iterator[Event]], keep: Keep) -> None:
        events: list[Event] = []
        try:
            for event in ask():
                if work.is_deserted:
                    logger.info("an answer was given up: nobody listens")
                    work.is_done = True
                    return
                if isinstance(event, Waiting):
                    continue
                events.append(event)
                if isinstance(event, Started):
                    self._remember(work, event.answer_id)
                name, data = event_json(event)
                if name == "done":
                    work.answer = answer_json(gather(events))
                    self._tell(work)
                    self._recorder.submit(copy_context().run, self._finish, work, name, data, keep)
                else:
                    work.push(name, data)
        except CitewellError as exc:
            self._fail(work, exc)
        except Exception:
            logger.exception("an answer failed")
            self._fail(work, CitewellError("The answer failed; the server's log says why."))
        finally:
            self.leave(work.owner)

    def _tell(self, work: Work) -> None:
        try:
            if work.answer is not None:
                self._on_answer(work.answer, work.owner)
        except Exception:  # whoever watches must not spoil the answer
            logger.exception("an answer could not be counted")

    def _finish(self, work: Work, name: str, data: Json, keep: Keep) -> None:
        """Keep an answer, then end its stream: who hears the end finds it in the records."""
        try:
            if work.answer is not None:
                keep(work.answer)
        except CitewellError as exc:
            logger.error("an answer could not be kept: %s", exc)
        work.push(name, data, last=True)

    def _fail(self, work: Work, error: CitewellError) -> None:
        work.error = error
        data = {"type": type(error).__name__, "title": "The answer failed", "detail": str(error)}
        work.push("error", data, last=True)

    def _remember(self, work: Work, answer_id: str) -> None:
        work.answer_id = answer_id
        now = time.monotonic()
        with self._lock:
            while self._works:  # the oldest first
                oldest = next(iter(self._works))
                known = self._works[oldest]
                if not known.is_done or now - known.ended <= KEPT:
                    break
                del self._works[oldest]
            self._works[answer_id] = work

    def close(self) -> None:
        """Wait for what is being made."""
        self._pool.shutdown(cancel_futures=True)
        self._recorder.shutdown()


def frame(number: int, name: str, data: Json) -> str:
    """Return an event in the form of the HTML standard, section 9.2."""
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


async def frames(work: Work, after: int = -1) -> AsyncIterator[str]:
    """Yield what is sent of an answer: its events, and a comment when all is silent."""
    async for found in work.listen(after):
        yield ": waiting\n\n" if found is None else frame(*found)


def replay(body: Json) -> list[tuple[str, Json]]:
    """Return the frames of an answer that was kept, numbered as they were streamed."""
    told: list[tuple[str, Json]] = [
        ("start", {
            "answer_id": body["id"], "question": body["question"],
            "question_used": body["question_used"], "filters": body["filters"],
        })
    ]  # fmt: skip
    if body["passages"] or not body["sentences"]:
        told.append(("passages", {"passages": body["passages"]}))
    cited: dict[int, Any] = {each["number"]: each for each in body["citations"]}
    for index, sentence in enumerate(body["sentences"]):
        whole = [cited[number] for number in sentence["citations"]]
        told.append(("sentence", {"index": index, **sentence, "citations": whole}))
    body.setdefault("unanswered", [])  # answers kept before there were parts
    body.setdefault("generation", None)  # or chat models
    names = ("outcome", "closest", "unanswered", "generation", "timings_ms")
    told.append(("done", {name: body[name] for name in names}))
    reasons = body["degraded"]
    places = body.get("degraded_at", range(1, 1 + len(reasons)))  # they all came first once
    for place, reason in zip(places, reasons, strict=True):
        told.insert(place, ("degraded", {"reason": reason}))
    return told
