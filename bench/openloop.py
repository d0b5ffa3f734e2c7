"""Requests that come when they come, whether the former ones were answered or not.

Arrivals are a Poisson process, and each request is timed from the moment at which it was due,
so that a server that stands still is charged for all who came meanwhile. A connection that is
free is used again; where none is, another one is opened.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import uvloop

PATIENCE = 30.0  # seconds after which a request without an end counts as an error
TAIL = 32  # bytes that are looked at again, because a name may be cut in two
HEAD = re.compile(rb"^HTTP/1\.1 (\d{3}) ")
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


@dataclass(slots=True)
class Asked:
    """One request: when it was due, and the seconds from then on until something came.

    `first` is the first sentence, or the end where the articles do not say; `refused` is the
    end of a 429 or 503. What is neither has an error.
    """

    due: float
    first: float | None = None
    refused: float | None = None
    status: int = 0
    error: str = ""


class _Connection(asyncio.Protocol):
    """One connection, which asks one question at a time."""

    def __init__(self, free: list[_Connection]) -> None:
        self._free = free
        self._transport: asyncio.Transport | None = None
        self._asked: Asked | None = None
        self._ended: asyncio.Future[None] | None = None
        self._seen = b""
        self._left = -1  # bytes to come of a body whose length was told
        self._clock: Callable[[], float] = asyncio.get_running_loop().time

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def ask(self, request: bytes, asked: Asked) -> asyncio.Future[None]:
        self._asked, self._seen, self._left = asked, b"", -1
        self._ended = asyncio.get_running_loop().create_future()
        if self._transport is None or self._transport.is_closing():
            self._end("the connection was closed")
        else:
            self._transport.write(request)
        return self._ended

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        asked = self._asked
        if asked is None:
            return
        seen = self._seen + data
        if not asked.status:
            head, mark, body = seen.partition(b"\r\n\r\n")
            if not mark:
                self._seen = seen
                return
            found = HEAD.match(head)
            asked.status = int(found.group(1)) if found else -1
            told = LENGTH.search(head + b"\r\n")
            self._left = int(told.group(1)) if told else -1
            data = body
            seen = body
        if asked.status == 200:
            self._read(asked, seen)
        if self._left >= 0:
            self._left -= len(data)
        if self._left == 0 or (self._left < 0 and seen.endswith(b"0\r\n\r\n")):
            self._finish(asked)
        self._seen = seen[-TAIL:]

    def _read(self, asked: Asked, seen: bytes) -> None:
        if asked.first is None and (b"event: sentence\n" in seen or b"event: done\n" in seen):
            asked.first = self._clock() - asked.due
        if b"event: error\n" in seen:
            asked.error = "an error in the stream"

    def _finish(self, asked: Asked) -> None:
        if asked.status in (429, 503):
            asked.refused = self._clock() - asked.due
        elif asked.status != 200:
            asked.error = f"status {asked.status}"
        elif asked.first is None:
            asked.error = asked.error or "the stream ended before an answer"
        self._asked = None
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        if self._transport is not None and not self._transport.is_closing():
            self._free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._free:
            self._free.remove(self)
        if self._asked is not None:
            self._end(f"the connection broke: {exc!r}")

    def _end(self, why: str) -> None:
        if self._asked is not None and self._asked.refused is None:
            self._asked.error = self._asked.error or why
        self._asked = None
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)


@dataclass
class Generator:
    """Asks distinct questions of a server, at any rate."""

    port: int
    questions: Iterator[str]
    _free: list[_Connection] = field(default_factory=list)
    _chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311

    def run(self, rate: float, seconds: float, then: float = 0.0, rest: float = 0.0) -> list[Asked]:
        """Ask at a rate for some seconds, `then` at another for the rest; return all, by due."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self._run(rate, seconds, then, rest))

    async def _run(self, rate: float, seconds: float, then: float, rest: float) -> list[Asked]:
        loop = asyncio.get_running_loop()
        begun = loop.time() + 0.2
        asked: list[Asked] = []
        tasks: list[asyncio.Task[None]] = []
        due = 0.0
        while True:
            due += self._chance.expovariate(rate if due < seconds else then)
            if due > seconds and (not then or due > seconds + rest):
                break
            each = Asked(begun + due)
            asked.append(each)
            request = self._request(next(self.questions))
            if (wait := each.due - loop.time()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(self._ask(request, each)))
        await asyncio.gather(*tasks)
        for connection in self._free:
            connection.close()
        self._free.clear()
        for each in asked:
            each.due -= begun
        return asked

    async def _ask(self, request: bytes, asked: Asked) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                connection = self._free.pop() if self._free else await self._connect()
                await connection.ask(request, asked)
        except TimeoutError:
            asked.error = f"no end after {PATIENCE:.0f} s"
        except OSError as exc:
            asked.error = f"no connection: {exc}"

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        made = await loop.create_connection(lambda: _Connection(self._free), "127.0.0.1", self.port)
        return made[1]

    def _request(self, question: str) -> bytes:
        body = json.dumps({"question": question}).encode()
        return (
            b"POST /api/v1/answers HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n"
            b"content-type: application/json\r\naccept: text/event-stream\r\n"
            b"content-length: %d\r\n\r\n" % (self.port, len(body))
        ) + body
