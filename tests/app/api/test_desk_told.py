"""Whoever watches is told of each finished answer, in the request that asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.answering.answer import Done, Event, Started
from app.api.desk import Desk
from app.api.guard import request_id
from vectorstore.errors import StoreError
from vectorstore.types import Filter

Tell = Callable[[dict[str, Any], str], None]


def events() -> Iterator[Event]:
    """Return an answer's events."""
    yield Started("q1", "Why?", "Why?", Filter())
    yield Done("not_found", (), {"total": 1.0})


def broken() -> Iterator[Event]:
    """Return the events of an answer that fails."""
    yield Started("q1", "Why?", "Why?", Filter())
    raise StoreError("closed")


def names(tell: Tell, ask: Callable[[], Iterator[Event]] = events) -> list[str]:
    """Return the names of the frames of one answer."""
    desk = Desk(4, 4, tell)

    async def listen() -> list[str]:
        request_id.set("r-5")
        desk.admit("user:ada")
        work = desk.begin("user:ada", ask, lambda _: None)
        return [found[1] async for found in work.listen() if found is not None]

    try:
        return asyncio.run(listen())
    finally:
        desk.close()


def test_a_finished_answer_is_told() -> None:
    """It is told once, with whose it is, where the request's id is known, before the end."""
    told: list[tuple[str, str, str, str]] = []

    def tell(answer: dict[str, Any], owner: str) -> None:
        told.append((answer["id"], answer["outcome"], owner, request_id.get()))

    assert names(tell) == ["start", "done"]
    assert told == [("q1", "not_found", "user:ada", "r-5")]


def test_a_failed_answer_is_not_told() -> None:
    """What fails is no finished answer."""
    told: list[str] = []
    assert names(lambda answer, _: told.append(answer["id"]), broken) == ["start", "error"]
    assert told == []


def test_who_watches_spoils_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An error of who is told is logged, and the answer ends as it should."""

    def tell(*_: object) -> None:
        raise RuntimeError

    assert names(tell) == ["start", "done"]
    assert "could not be counted" in caplog.text
