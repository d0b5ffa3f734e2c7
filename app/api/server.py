"""`citewell serve`: answers /healthz at once, the page next, questions when all is warm."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

import uvicorn
from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.guard import Guard, path_of
from app.api.protocol import KEEP_ALIVE, Network, careful
from app.api.runtime import Runtime
from app.control import control_app, listen
from app.sight.watch import Watch
from vectorstore.errors import CitewellError, ServerError
from vectorstore.lock import acquire_lock

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.settings import Settings

TURN = 0.0005  # seconds that a thread keeps Python's lock while others want it: 5 ms is its default
GRACE = 3  # seconds that open streams are given at the end

STARTING = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta http-equiv="refresh" content="1"><title>Citewell</title>
<p>Citewell is starting …</p></html>"""


class Front:
    """The outermost application: health itself, all else by the page once it is built."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._inner: FastAPI | None = None
        self._stopping: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._page: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if path_of(scope) == "/":
            # Gradio fails on parameters it reserves (?page=1); ours has one page, which needs none.
            scope = {**scope, "query_string": b""}
        await self._choose(scope)(scope, receive, send)

    def _choose(self, scope: Scope) -> ASGIApp:
        if path_of(scope) == "/healthz":
            return JSONResponse({"status": "ok"})
        if path_of(scope) == "/version":
            return JSONResponse({"version": version("citewell")})
        if path_of(scope) == "/readyz":
            state = {"ready": self._runtime.ready, **self._runtime.done}
            return JSONResponse(state, status_code=200 if self._runtime.ready else 503)
        if self._inner is not None:
            return self._inner
        return HTMLResponse(STARTING, status_code=503, headers={"Retry-After": "1"})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._stopping.set()
        if self._page is not None:
            await self._page
        await send({"type": "lifespan.shutdown.complete"})

    def attach(self, inner: FastAPI) -> None:
        """Serve `inner` from now on; called from another thread."""
        if self._loop is None:
            msg = "the server was not started"
            raise RuntimeError(msg)
        asyncio.run_coroutine_threadsafe(self._begin(inner), self._loop).result()

    async def _begin(self, inner: FastAPI) -> None:
        begun = asyncio.Event()
        self._page = asyncio.create_task(self._live(inner, begun))
        await begun.wait()

    async def _live(self, inner: FastAPI, begun: asyncio.Event) -> None:
        """Hold the page's own lifespan, on which Gradio's queue depends, in one task."""
        try:
            async with inner.router.lifespan_context(inner):
                self._inner = inner
                begun.set()
                if self._stopping is not None:
                    await self._stopping.wait()
        finally:
            begun.set()


def build(runtime: Runtime) -> FastAPI:
    """Return the application: the reader's API with the chat mounted on it."""
    from app.api.login import add_login
    from app.api.rest import rest_app
    from app.mcp_server import mount_mcp
    from app.web.chat import mount_chat

    app = add_login(rest_app(runtime), runtime)
    mount_mcp(app, runtime)
    return mount_chat(app, runtime)


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        ServerError: The port is taken or not allowed.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        taken = exc.errno == errno.EADDRINUSE
        why = "is taken. Stop what uses it, or choose" if taken else f"({exc.strerror}). Choose"
        msg = f"Port {port} on {host} {why} another: --port 7861"
        raise ServerError(msg) from exc
    listener.listen(4096)
    return listener


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then close the store cleanly.

    Raises:
        StoreLockedError: Another process has the data folder.
        ServerError: The port is taken, or the service could not be started.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
    sys.setswitchinterval(TURN)
    listener = bind(settings.host, settings.port)
    # where any free port was asked for, it is known now: tokens are made out to our address
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    runtime = Runtime(settings, acquire_lock(settings.data_dir))
    front = Front(runtime)
    guard = Guard(
        Watch(front, runtime.sight),
        settings,
        runtime.access.identify,
        runtime.is_portal,
        runtime.admit,
        runtime.sight.refused,
    )
    runtime.sight.log()
    # A proxy on this machine may say for whom it asks. Where a proxy is believed by its address,
    # that must be the connection's own, whatever headers say.
    served = config(guard, "on", settings.proxy_addresses, forwarded=settings.auth != "proxy")
    server = uvicorn.Server(served)
    # Commands may come from now on; they wait until the service is there.
    control = uvicorn.Server(config(control_app(runtime), "off"))
    commands = threading.Thread(
        target=control.run, kwargs={"sockets": [listen(settings.data_dir)]}, daemon=True
    )

    def stop(*_: object) -> None:
        server.should_exit = True

    # uvicorn raises the signal that ended it once more: it must not end us before we have closed.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    def build_page() -> None:
        while not server.started and not server.should_exit:
            threading.Event().wait(0.01)
        front.attach(build(runtime))
        _say(f"Citewell is at http://{settings.host}:{listener.getsockname()[1]}")

    def settle() -> None:
        """Spare the libraries' objects from collections: one of all stops us for half a second."""
        with suppress(CitewellError):
            runtime.service()
            gc.freeze()

    _say("Starting Citewell …")
    commands.start()
    threading.Thread(target=settle, name="settle", daemon=True).start()
    runtime.start(build_page, stop)
    try:
        server.run(sockets=[listener])
    finally:
        control.should_exit = True
        runtime.close()  # a command that is under way ends with an error of the closed store
        commands.join(2 * GRACE)
    if runtime.failure:
        raise ServerError(runtime.failure)


def config(
    app: ASGIApp,
    lifespan: Literal["on", "off"],
    proxies: Iterable[Network] = (),
    forwarded: bool = False,
) -> uvicorn.Config:
    """Return how an application is served.

    `proxies` may open as many connections as they like; with `forwarded` one on this machine may
    say for which address it asks.
    """
    return uvicorn.Config(
        app,
        proxy_headers=forwarded,
        log_config=None,  # `app.sight.logs` has set it up
        loop="uvloop",
        http=careful(proxies),
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        lifespan=lifespan,
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 (the operator's terminal)
