"""As many answers are made at once as there are workers; the others wait."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from app.answering.answer import Done, Event, Started
from app.api.desk import WORKERS, Desk
from app.api.runtime import Runtime
from app.settings import Settings
from vectorstore.errors import BusyError
from vectorstore.types import Filter

PATIENCE = 10.0  # seconds


@pytest.mark.parametrize("workers", [1, 7])
def test_workers_answer_at_once(workers: int) -> None:
    """As many answers are in the making as the desk has workers, and none more."""
    release = threading.Event()
    begun: queue.Queue[int] = queue.Queue()

    def ask() -> Iterator[Event]:
        begun.put(1)
        yield Started("q1", "Why?", "Why?", Filter())
        assert release.wait(PATIENCE)
        yield Done("not_found", (), {"total": 1.0})

    desk = Desk(workers, 99, workers=workers)

    async def begin_all() -> None:
        for _ in range(2 * workers):
            desk.admit("user:ada")
            desk.begin("user:ada", ask, lambda _: None)
        for _ in range(workers):
            await asyncio.to_thread(begun.get, timeout=PATIENCE)
        await asyncio.sleep(0.1)
        assert begun.empty()
        release.set()
        for _ in range(workers):
            await asyncio.to_thread(begun.get, timeout=PATIENCE)

    try:
        asyncio.run(begin_all())
    finally:
        release.set()
        desk.close()


def test_what_is_too_much_counts_the_workers() -> None:
    """Questions are refused once as many are answered and wait as may."""
    desk = Desk(waiting=2, streams=99, workers=3)
    for _ in range(5):
        desk.admit("user:ada")
    with pytest.raises(BusyError):
        desk.admit("user:ada")
    desk.close()


@pytest.mark.parametrize(
    ("llm", "workers"), [({}, WORKERS), ({"llm": "ollama:m", "llm_concurrency": 9}, WORKERS + 9)]
)
def test_calls_of_a_chat_model_have_workers_of_their_own(
    llm: dict[str, object], workers: int, tmp_path: Path
) -> None:
    """With a chat model there is a worker for each of its calls, beside those there always are."""
    settings = Settings(data_dir=tmp_path, waiting=1, **llm)  # type: ignore[arg-type]
    runtime = Runtime(settings, FileLock(tmp_path / "lock"))
    for _ in range(workers + 1):
        runtime.desk.admit("local")
    with pytest.raises(BusyError):
        runtime.desk.refuse_if_full()
    runtime.desk.close()
    runtime.jobs.close()
    runtime.sight.close()
