"""The socket in the data folder through which commands reach the running server.

Only the owner may open it. One request is one command of `app.commands`; the reply is a
stream of JSON lines: any number of {"progress": …}, then {"result": …} or {"error": …}.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ingest.report import Progress
from vectorstore import errors
from vectorstore.errors import CitewellError, ServerError

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from app.service import Service
    from app.settings import Settings

NAME = "socket"
LONGEST_PATH = 100  # bytes; the system's limit for a socket's path is 104 to 108


@contextmanager
def short_path(folder: Path) -> Iterator[str]:
    """Yield a path of the folder's socket that is short enough for the system."""
    path = folder.resolve() / NAME
    if len(os.fsencode(path)) <= LONGEST_PATH:
        yield str(path)
        return
    with tempfile.TemporaryDirectory(prefix="citewell-") as scratch:
        link = Path(scratch) / "d"
        link.symlink_to(folder.resolve(), target_is_directory=True)
        yield str(link / NAME)


def listen(folder: Path) -> socket.socket:
    """Return a listening socket in the folder, readable by its owner only.

    The caller owns the store, so a socket that is already there was left by a dead process.
    """
    (folder / NAME).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        with short_path(folder) as path:
            listener.bind(path)
    finally:
        os.umask(mask)
    listener.listen()
    return listener


class Host(Protocol):
    """What holds the service: the server's runtime."""

    settings: Settings

    def service(self) -> Service:
        """Return the open service, waiting until it is there."""

    def replace_store(self, change: Callable[[], Any]) -> Any:  # noqa: ANN401 (what it returns)
        """Close the service while `change` works on its folder."""


def control_app(host: Host) -> Starlette:
    """Return the application that runs commands for whoever may open the socket."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async def command(request: Request) -> StreamingResponse:
        arguments = await request.json()

        # heavy, and needed with the first command only
        from app.commands import OFFLINE, execute

        name = request.path_params["name"]

        def run(emit: Callable[[Progress], None]) -> Any:  # noqa: ANN401 (JSON)
            if name in OFFLINE:
                prepared = OFFLINE[name](host.settings.data_dir, arguments)
                return host.replace_store(prepared)
            return execute(host.service(), name, arguments, emit)

        return StreamingResponse(_lines(run), media_type="application/x-ndjson")

    return Starlette(routes=[Route("/commands/{name}", command, methods=["POST"])])


def _lines(run: Callable[[Callable[[Progress], None]], Any]) -> Iterator[str]:
    """Run a command in a thread of its own and yield what it says, line by line.

    When nobody listens any more the command ends at its next sign of progress.
    """
    lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
    deserted = threading.Event()

    def emit(progress: Progress) -> None:
        if deserted.is_set():
            msg = "Whoever gave the command has left. What was done so far stays."
            raise ServerError(msg)
        lines.put({"progress": asdict(progress)})

    def work() -> None:
        try:
            lines.put({"result": run(emit)})
        except CitewellError as exc:
            lines.put({"error": {"type": type(exc).__name__, "detail": str(exc)}})
        except Exception as exc:
            lines.put({"error": {"type": "ServerError", "detail": f"The server failed: {exc!r}"}})
            raise
        finally:
            lines.put(None)

    threading.Thread(target=work, name="command", daemon=True).start()
    try:
        while (line := lines.get()) is not None:
            yield json.dumps(line, ensure_ascii=False) + "\n"
    finally:
        deserted.set()


class Remote:
    """The commands of the server that has the data folder open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def execute(
        self, name: str, arguments: dict[str, Any], emit: Callable[[Progress], None]
    ) -> Any:  # noqa: ANN401 (JSON)
        """Run a command in the server and return its JSON result.

        Raises:
            ServerError: The server cannot be reached or broke off.
            CitewellError: What the command raised there.
        """
        import httpx

        url = f"http://citewell/commands/{name}"
        patience = httpx.Timeout(5, read=None)  # an ingest may say nothing for a while
        with short_path(self._folder) as path, ExitStack() as stack:
            try:
                transport = httpx.HTTPTransport(uds=path)
                client = stack.enter_context(httpx.Client(transport=transport, timeout=patience))
                reply = stack.enter_context(client.stream("POST", url, json=arguments))
                reply.raise_for_status()
                return _read(reply.iter_lines(), emit)
            except httpx.HTTPError as exc:
                msg = f"The server that has {self._folder} open broke off: {exc}. See its log."
                raise ServerError(msg) from exc


def _read(lines: Iterator[str], emit: Callable[[Progress], None]) -> Any:  # noqa: ANN401 (JSON)
    for text in lines:
        line = json.loads(text)
        if "progress" in line:
            emit(Progress(**line["progress"]))
        elif "error" in line:
            kind = getattr(errors, line["error"]["type"], ServerError)
            raise kind(line["error"]["detail"])
        else:
            return line["result"]
    msg = "The server ended the reply too early. See its log."
    raise ServerError(msg)


def is_running(folder: Path) -> bool:
    """Whether a server listens on the folder's socket; one left by a dead process does not."""
    if not (folder / NAME).exists():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            with short_path(folder) as path:
                probe.connect(path)
        except OSError:
            return False
    return True
