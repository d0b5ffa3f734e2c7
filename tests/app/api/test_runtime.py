"""The store of a running server can be taken away and given back."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NoReturn

import pytest

from app.api.runtime import Runtime
from app.service import Service
from vectorstore.errors import ServerError, StoreError, StoreLockedError
from vectorstore.lock import acquire_lock

PATIENCE = 30.0  # seconds


def fail() -> NoReturn:
    """Fail as a change may."""
    msg = "The backup is damaged."
    raise StoreError(msg)


def test_the_folder_is_the_changes_own(runtime: Runtime) -> None:
    """The change finds the store closed and the folder locked; then another service answers."""
    before = runtime.service()

    def change() -> str:
        assert runtime.done == {"page": True, "store": False, "encoder": False}
        assert not runtime.ready
        with pytest.raises(StoreLockedError):
            acquire_lock(runtime.settings.data_dir)
        with pytest.raises(StoreError, match="closed"):
            before.ingest([str(runtime.settings.data_dir)])
        return "changed"

    assert runtime.replace_store(change) == "changed"
    assert runtime.ready
    assert runtime.service() is not before
    assert len(runtime.service().articles()) == 2


def test_questions_wait_for_the_new_store(runtime: Runtime) -> None:
    """Whoever asks for the service meanwhile gets the one that is opened afterwards."""
    before = runtime.service()
    with ThreadPoolExecutor() as threads:

        def change() -> None:
            waiting.append(threads.submit(runtime.service))
            with pytest.raises(TimeoutError):
                waiting[0].result(0.1)

        waiting: list[Future[Service]] = []
        runtime.replace_store(change)
        assert waiting[0].result(PATIENCE) is runtime.service() is not before


def test_a_change_that_fails_leaves_the_store_as_it_was(runtime: Runtime) -> None:
    """The error of the change is passed on, and the service answers again."""
    with pytest.raises(StoreError, match="damaged"):
        runtime.replace_store(fail)
    assert (runtime.ready, runtime.failure) == (True, None)
    assert len(runtime.service().articles()) == 2


def test_a_store_that_cannot_be_opened_again_is_told(runtime: Runtime) -> None:
    """Whoever gave the command and whoever asks afterwards are told why nothing answers."""

    def spoil() -> None:
        (runtime.settings.data_dir / "catalogue.sqlite3").write_bytes(b"no database" * 1000)

    with pytest.raises(StoreError, match=r"catalogue\.sqlite3"):
        runtime.replace_store(spoil)
    assert not runtime.ready
    assert "catalogue.sqlite3" in str(runtime.failure)
    with pytest.raises(StoreError, match=r"catalogue\.sqlite3"):
        runtime.service()


@pytest.mark.parametrize("broken", ["app.api.runtime.acquire_lock", "app.service.Service.warm_up"])
def test_whatever_prevents_the_opening_nobody_waits_for_ever(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """An error that nobody has thought of ends the waiting too, with one of ours."""

    def break_down(*_: object) -> NoReturn:
        raise RuntimeError

    monkeypatch.setattr(broken, break_down)
    with pytest.raises(ServerError, match="RuntimeError"):
        runtime.replace_store(lambda: None)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(runtime.service)
        with pytest.raises(ServerError, match="RuntimeError"):
            asked.result(PATIENCE)
    assert runtime.failure


def test_closing_waits_until_the_store_is_replaced(runtime: Runtime) -> None:
    """A server that is told to end while a store is replaced closes the new one cleanly."""
    begun, told = threading.Event(), threading.Event()
    with ThreadPoolExecutor() as threads:
        replaced = threads.submit(runtime.replace_store, lambda: (begun.set(), told.wait(PATIENCE)))
        assert begun.wait(PATIENCE)
        closed = threads.submit(runtime.close)
        with pytest.raises(TimeoutError):
            closed.result(0.3)
        told.set()
        replaced.result(PATIENCE)
        closed.result(PATIENCE)
    acquire_lock(runtime.settings.data_dir).release()
    service = runtime.service()
    with pytest.raises(StoreError, match="closed"):
        service.ingest([str(runtime.settings.data_dir)])
