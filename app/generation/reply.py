"""One streamed call of a chat model: its text in pieces, within deadlines, stopped at once.

The call runs in an event loop of its own thread, because only there can it be cancelled while
it waits for the provider: cancelling closes the connection. Whoever reads waits at a queue with
a clock of their own, so that a deadline holds even if that thread should hang.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import aclosing
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import cache
from typing import Literal

from app.generation.failures import CUT, FILTERED, PASSING, failure, translate, types_of
from app.generation.repetition import Watch
from app.generation.thoughts import Thoughts
from vectorstore.errors import ModelError

logger = logging.getLogger(__name__)

AGAIN = 0.05  # seconds after which a call that goes on is cancelled once more
HEARTBEAT = 0.5  # seconds of silence after which the reader gets a None
BACKOFF = 0.5  # seconds before a call is tried again, doubled each time, if the provider names none
LONGEST_TOKEN = 16  # characters: what is longer than all tokens allowed was not limited to them


@dataclass(frozen=True, slots=True)
class Usage:
    """What calls of the model took.

    Args:
        calls: Requests that were sent, repeated ones included.
        input_tokens: Tokens read, as the provider counts them; 0 where it does not.
        output_tokens: Tokens written, likewise.
        cost: In the currency of CITEWELL_LLM_PRICES; None without prices or counts.
        counted: Whether the provider counted.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    counted: bool = False

    def __add__(self, other: Usage) -> Usage:
        costs = [cost for cost in (self.cost, other.cost) if cost is not None]
        return Usage(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            sum(costs) if costs else None,
            self.counted or other.counted,
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """One event of a provider's stream: text, why it ended, tokens (read, written)."""

    text: str = ""
    finish: str | None = None
    tokens: tuple[int, int] | None = None


Stream = AsyncGenerator[Piece, None]
Places = asyncio.Semaphore  # for calls at once


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call may take, in seconds, and how much it may say, in tokens.

    `silence` holds before the first word, waiting for a place included, and between words.
    """

    silence: float
    seconds: float
    max_tokens: int
    retries: int
    concurrency: int
    prices: tuple[float, float] | None  # a million tokens read, written
    must_finish: bool  # whether a stream that does not say why it ended was broken off


class Reply:
    """The text of one call, to be iterated once; the call has begun.

    Yields pieces of text, and None about twice a second while the model is silent, so that
    whoever reads can see whether anybody listens. It ends the call when it is left.

    Attributes:
        cut: Whether the reply ended for its length, not by itself; known at the end.

    Raises (while iterated):
        ModelError: The model failed, was too slow or said what cannot be used.
    """

    def __init__(
        self, name: str, open_stream: Callable[[], Stream], limits: Limits, places: Places
    ) -> None:
        self.cut = False
        self._name = name
        self._open_stream = open_stream
        self._limits = limits
        self._places = places
        self._pieces: queue.SimpleQueue[str | ModelError | None] = queue.SimpleQueue()
        self._begun = time.monotonic()
        self._has_place = False
        self._has_spoken = False
        self._calls = 0
        self._tokens: tuple[int, int] | None = None
        self._is_closed = False
        self._task: asyncio.Task[None] | None = None
        self._loop = running_loop()
        # traces and logs of the call belong to the request that asked for it
        self._loop.call_soon_threadsafe(self._start, copy_context())

    @property
    def usage(self) -> Usage:
        """What the call took; known at the end."""
        read, written = self._tokens or (0, 0)
        prices = self._limits.prices
        cost = None
        if prices is not None and self._tokens is not None:
            cost = (read * prices[0] + written * prices[1]) / 1_000_000
        return Usage(self._calls, read, written, cost, self._tokens is not None)

    def close(self) -> None:
        """Stop the call at once, if it still runs: its connection is closed."""
        self._is_closed = True
        self._loop.call_soon_threadsafe(self._cancel)

    # -- the reader's side ---------------------------------------------------------------

    def __iter__(self) -> Iterator[str | None]:
        return self._read()

    def _read(self) -> Generator[str | None, None, None]:
        try:
            yield from self._listen()
        finally:
            self.close()

    def _listen(self) -> Iterator[str | None]:
        heard = told = self._begun  # when the model was heard, and whoever reads was told
        end = self._begun + self._limits.seconds
        has_text = False
        while True:
            until = min(end, heard + self._limits.silence)
            piece = self._next(min(until, told + HEARTBEAT))
            now = time.monotonic()
            if piece is None:
                return
            if piece or (has_text and piece == ""):
                has_text, heard = True, now
            if now >= min(end, heard + self._limits.silence):
                raise self._late(now >= end, has_text)
            if piece or now >= told + HEARTBEAT:
                yield piece or None
                told = time.monotonic()

    def _next(self, until: float) -> str | Literal[False] | None:
        """Return the next piece: None at the end, False if there is none by then."""
        try:
            piece = self._pieces.get(timeout=max(until - time.monotonic(), 0.0))
        except queue.Empty:
            return False
        if isinstance(piece, ModelError):
            raise piece
        return piece

    def _late(self, is_end: bool, has_text: bool) -> ModelError:
        silence, seconds = self._limits.silence, self._limits.seconds
        if not self._has_place:
            waited, places = min(silence, seconds), self._limits.concurrency
            said = f"no free place within {waited:g} s (CITEWELL_LLM_CONCURRENCY is {places})"
            return failure(self._name, "no_place", said)
        if is_end and (has_text or seconds < silence):
            return failure(self._name, "too_slow", f"no whole reply within {seconds:g} s")
        if not has_text:
            said = f"no first token within {min(silence, seconds):g} s"
            return failure(self._name, "no_first_token", said)
        return failure(self._name, "silent", f"it went silent for {silence:g} s")

    # -- the loop's side -----------------------------------------------------------------

    def _start(self, context: Context) -> None:
        if not self._is_closed:
            self._task = self._loop.create_task(self._run(), context=context)

    def _cancel(self) -> None:
        """Cancel the call, and again until it ends: Python 3.11's wait_for may swallow it."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            self._loop.call_later(AGAIN, self._cancel)

    async def _run(self) -> None:
        """Call the model and queue what it says, then how it ended."""
        error: ModelError | None
        try:
            # for those who neither read nor close; readers keep the time themselves
            async with asyncio.timeout(self._limits.seconds + HEARTBEAT), self._places:
                self._has_place = True
                error = await self._call()
        except TimeoutError:
            error = failure(self._name, "too_slow", "no whole reply in time")
            logger.warning("the chat model failed: %s", error.kind)
        self._pieces.put(error)

    async def _call(self) -> ModelError | None:
        while True:
            self._calls += 1
            try:
                await self._receive()
            except Exception as exc:
                error = translate(self._name, exc, self._has_spoken)
                logger.warning("the chat model failed: %s (%s)", error.kind, types_of(exc))
            else:
                return None
            pause = self._pause(error)
            if pause is None:
                return error
            logger.info("the chat model is asked again in %.1f s", pause)
            await asyncio.sleep(pause)

    def _pause(self, error: ModelError) -> float | None:
        """Return after how many seconds to try again; None if that is of no use."""
        if error.kind not in PASSING or self._has_spoken or self._is_closed:
            return None
        if self._calls > self._limits.retries:
            return None
        pause: float = BACKOFF * 2 ** (self._calls - 1)
        if error.retry_after is not None:
            pause = error.retry_after
        is_in_time = time.monotonic() + pause < self._begun + self._limits.silence
        return pause if is_in_time else None

    async def _receive(self) -> None:
        """Read one stream to its end, or as far as it is of use."""
        thoughts, watch = Thoughts(), Watch()
        room = self._limits.max_tokens * LONGEST_TOKEN
        finish: str | None = None
        async with aclosing(self._open_stream()) as stream:
            async for piece in stream:
                self._count(piece)
                finish = piece.finish or finish
                text = thoughts.without(piece.text)[: max(room, 0)]
                room -= len(text)
                self._say(text)
                if watch.add(text):
                    raise failure(self._name, "repetition", "it repeats itself without end")
                if room <= 0:
                    finish = "length"
                    break
        self._say(thoughts.rest())
        self._finish(finish)

    def _say(self, text: str) -> None:
        self._has_spoken = self._has_spoken or bool(text)
        self._pieces.put(text)  # an empty one is a sign of life

    def _count(self, piece: Piece) -> None:
        if piece.tokens is not None:
            read, written = self._tokens or (0, 0)
            self._tokens = (read + piece.tokens[0], written + piece.tokens[1])

    def _finish(self, finish: str | None) -> None:
        """Judge how a stream ended."""
        why = (finish or "").casefold()
        if why in FILTERED:
            raise failure(self._name, "filtered", "its content filter refused")
        self.cut = why in CUT
        if finish is None and self._limits.must_finish and self._has_spoken:
            raise failure(self._name, "broken", "it broke off")
        if not self._has_spoken:
            raise failure(self._name, "empty", "an empty reply")


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the loop in which chat models are called: one a process.

    LangChain shares HTTP clients between models of one address, and a client's connections
    belong to the loop that opened them.
    """
    with _starting:  # else two that come first would start one each
        return _start_loop()


_starting = threading.Lock()


@cache
def _start_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="chat-model", daemon=True).start()
    return loop
