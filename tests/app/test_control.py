"""Commands reach the server through a socket that only its owner can open."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.control import Remote, _lines, _read, is_running, listen, short_path
from ingest.report import Progress
from vectorstore.errors import QuestionError, ServerError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder whose path is too long for a socket."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    return deep


def test_a_long_path_has_a_short_way(folder: Path) -> None:
    """A socket in a deep folder can be listened on and reached, and lies in the folder."""
    with listen(folder):
        assert (folder / "socket").is_socket()
        assert is_running(folder)


def test_only_the_owner_may_open_it(folder: Path) -> None:
    """The socket's mode gives nothing to group and others."""
    with listen(folder):
        assert stat.S_IMODE((folder / "socket").stat().st_mode) == 0o600


def test_a_socket_of_a_dead_process_is_no_server(folder: Path) -> None:
    """A socket that nobody listens on does not count, and is replaced by the next server."""
    listen(folder).close()
    assert (folder / "socket").exists()
    assert not is_running(folder)
    with listen(folder):
        assert is_running(folder)


def test_without_a_socket_nothing_runs(tmp_path: Path) -> None:
    """A folder without a socket has no server; neither has one that does not exist."""
    assert not is_running(tmp_path)
    assert not is_running(tmp_path / "none")


def test_short_paths_are_used_as_they_are(tmp_path: Path) -> None:
    """No scratch link is made where the path fits."""
    short = Path("/tmp") / f"cw{os.getpid()}"  # noqa: S108 (only a short name)
    short.mkdir()
    try:
        with short_path(short) as path:
            assert path == str(short / "socket")
    finally:
        short.rmdir()


def test_progress_and_result_travel() -> None:
    """What a command reports arrives in order, then its result."""

    def run(emit: object) -> dict[str, int]:
        emit(Progress(1, 2, "a"))  # type: ignore[operator]
        return {"x": 1}

    seen: list[Progress] = []
    assert _read(iter(_lines(run)), seen.append) == {"x": 1}
    assert seen == [Progress(1, 2, "a")]


def test_an_error_keeps_its_kind() -> None:
    """An error of ours is raised again on the other side, with its message."""

    def run(_: object) -> None:
        msg = "Ask something."
        raise QuestionError(msg)

    with pytest.raises(QuestionError, match="Ask something"):
        _read(iter(_lines(run)), print)


def test_a_reply_that_breaks_off_is_told() -> None:
    """A stream without a result is a ServerError."""
    lines = iter([json.dumps({"progress": {"done": 1, "total": 2, "name": "a"}})])
    with pytest.raises(ServerError, match="too early"):
        _read(lines, lambda _: None)


@pytest.fixture
def rude_server(folder: Path) -> Iterator[Path]:
    """A server that hangs up on every request."""
    listener = listen(folder)

    def hang_up() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.close()

    threading.Thread(target=hang_up, daemon=True).start()
    yield folder
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_server_that_hangs_up_is_told(rude_server: Path) -> None:
    """A connection that breaks is a ServerError that names the folder."""
    with pytest.raises(ServerError, match=rude_server.name):
        Remote(rude_server).execute("ask", {}, lambda _: None)
