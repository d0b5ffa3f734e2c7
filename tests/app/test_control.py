"""Commands reach the server through a socket that only its owner can open."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient

from app.commands import COMMANDS, OFFLINE
from app.control import Remote, _lines, _read, control_app, is_running, listen, short_path
from app.service import Service
from app.settings import Settings
from ingest.report import Progress
from vectorstore.errors import QuestionError, ServerError, StoreError

PATIENCE = 30.0  # seconds


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


def test_a_command_ends_when_nobody_listens() -> None:
    """After the reply was abandoned the command's next sign of progress is an error."""
    left, ended = threading.Event(), threading.Event()
    errors: list[ServerError] = []

    def run(emit: Callable[[Progress], None]) -> None:
        emit(Progress(1, 2, "a"))
        left.wait(PATIENCE)
        try:
            emit(Progress(2, 2, "b"))
        except ServerError as exc:
            errors.append(exc)
            raise
        finally:
            ended.set()

    lines = cast("Any", _lines(run))
    assert json.loads(next(lines))["progress"]["name"] == "a"
    lines.close()
    left.set()
    assert ended.wait(PATIENCE)
    assert "has left" in str(errors[0])


class House:
    """A host without a service, which notes what was done while its store was closed."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data_dir=folder)
        self.replaced: list[object] = []

    def service(self) -> Service:
        """Return what no test here asks anything of."""
        return cast("Service", None)

    def replace_store(self, change: Callable[[], object]) -> object:
        """Note the change and what it returns."""
        self.replaced.append(change())
        return self.replaced[-1]


@pytest.fixture
def house(folder: Path) -> Iterator[House]:
    """A host whose socket is open."""
    house = House(folder)
    server = uvicorn.Server(uvicorn.Config(control_app(house), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listen(folder)]})
    thread.start()
    yield house
    server.should_exit = True
    thread.join()


def test_a_terminal_that_goes_away_ends_its_command(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the connection is closed the command in the server ends, though it had more to do."""
    ended = threading.Event()

    def endless(_: object, emit: Callable[[Progress], None], __: object) -> None:
        try:
            for number in count():
                emit(Progress(number, number, "a"))
                ended.wait(0.01)
        finally:
            ended.set()

    monkeypatch.setitem(COMMANDS, "ingest", endless)
    with short_path(house.settings.data_dir) as path:
        transport = httpx.HTTPTransport(uds=path)
        with (
            httpx.Client(transport=transport, timeout=PATIENCE) as client,
            client.stream("POST", "http://citewell/commands/ingest", json={}) as reply,
        ):
            assert "progress" in next(reply.iter_lines())
            assert not ended.is_set()
    assert ended.wait(PATIENCE)


def test_a_restore_works_on_a_closed_store(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs the store closed is checked first, then run by the host, which closes it."""
    house = House(folder)
    client = TestClient(control_app(house))
    asked = {"source": str(tmp_path / "nothing"), "replace": True}
    refused = client.post("/commands/restore", json=asked)
    with pytest.raises(StoreError, match=r"nothing is no.* backup"):
        _read(refused.iter_lines(), lambda _: None)
    assert house.replaced == []

    def prepare(at: Path, arguments: dict[str, object]) -> Callable[[], object]:
        return lambda: {"folder": str(at), **arguments}

    monkeypatch.setitem(OFFLINE, "restore", prepare)
    done = client.post("/commands/restore", json=asked)
    result = _read(done.iter_lines(), lambda _: None)
    assert house.replaced == [result] == [{"folder": str(folder), **asked}]


def test_an_unknown_command_is_told(house: House) -> None:
    """A command of another version is an error that tells to restart the server."""
    with pytest.raises(QuestionError, match=r"'fly'.*Restart"):
        Remote(house.settings.data_dir).execute("fly", {}, lambda _: None)
