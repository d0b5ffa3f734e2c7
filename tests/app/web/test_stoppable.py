"""A slow step keeps nobody waiting who wants to leave."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest

from app.web.stoppable import stoppable


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """One thread."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


async def read(pool: ThreadPoolExecutor, steps: Generator[int, None, None]) -> list[int]:
    """Return all that is made."""
    return [made async for made in stoppable(pool, steps)]


def test_all_steps_come_in_order(pool: ThreadPoolExecutor) -> None:
    """What is made comes whole and in order, a falsy value too."""
    assert asyncio.run(read(pool, (number for number in range(3)))) == [0, 1, 2]


def test_a_step_that_fails_is_told(pool: ThreadPoolExecutor) -> None:
    """An exception reaches whoever waits for the step."""
    with pytest.raises(ZeroDivisionError):
        asyncio.run(read(pool, (1 // number for number in (1, 0))))


def test_who_leaves_does_not_wait_for_the_step(pool: ThreadPoolExecutor) -> None:
    """A cancelled reader is gone while the step lasts; the thread ends it and then closes."""
    begun, let_go, closed, told = (threading.Event() for _ in range(4))

    def steps() -> Generator[int, None, None]:
        try:
            begun.set()
            assert let_go.wait(60)
            yield 1
            told.set()
        finally:
            closed.set()

    async def leave() -> None:
        reading = asyncio.create_task(read(pool, steps()))
        assert await asyncio.to_thread(begun.wait, 60)
        reading.cancel()
        await asyncio.wait({reading}, timeout=30)
        assert reading.cancelled()
        assert not closed.is_set()

    try:
        asyncio.run(leave())
    finally:
        let_go.set()
    assert closed.wait(60)
    assert not told.is_set()


def test_who_leaves_while_waiting_for_a_thread_begins_nothing(pool: ThreadPoolExecutor) -> None:
    """A step that no thread has begun is never made."""
    let_go, begun = threading.Event(), threading.Event()

    def steps() -> Generator[int, None, None]:
        begun.set()
        yield 1

    async def leave() -> None:
        reading = asyncio.create_task(read(pool, steps()))
        await asyncio.sleep(0)  # the task waits for its first step
        reading.cancel()
        await asyncio.wait({reading}, timeout=30)
        assert reading.cancelled()

    pool.submit(let_go.wait, 60)
    try:
        asyncio.run(leave())
    finally:
        let_go.set()
    pool.shutdown()
    assert not begun.is_set()


def test_who_leaves_between_two_steps_closes_them(pool: ThreadPoolExecutor) -> None:
    """Closing the reader closes what it reads."""
    closed = threading.Event()

    def steps() -> Generator[int, None, None]:
        try:
            yield 1
            yield 2
        finally:
            closed.set()

    async def leave() -> None:
        async with aclosing(stoppable(pool, steps())) as made:
            assert await anext(made) == 1

    asyncio.run(leave())
    assert closed.is_set()
