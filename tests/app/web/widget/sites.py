"""Two sites over HTTPS: a portal with a strict policy, and what stands before the service."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp

from app.api.server import bind

PATIENCE = 30.0  # seconds
MODULE = "/widget/1.0.0/citewell.js"
HOP = {"connection", "content-length", "keep-alive", "transfer-encoding", "content-encoding"}
PAGE = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Intranet</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css">
{scripts}
</head>
<body>
<header><p>Intranet</p></header>
<main><h1>Travel expenses</h1><p>What is refunded, and how soon.</p></main>
{body}
</body>
</html>
"""


@contextmanager
def served_tls(app: ASGIApp, certificate: Path) -> Iterator[int]:
    """Serve an application over TLS on a free port of 127.0.0.1; yields the port."""
    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(
        app,
        log_level="critical",  # a stream that is cut is cut on purpose
        timeout_graceful_shutdown=1,
        ssl_certfile=certificate,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE
        while not server.started:
            assert thread.is_alive(), "the server ended"
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@dataclass
class Front:
    """What stands before the service: TLS, a record of every request, and failures on demand.

    `pace` are seconds before each event of a stream; `cuts` are the events after which the next
    streams break off, one number a stream.
    """

    target: str = ""
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    replies: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    pace: float = 0.0
    cuts: list[int] = field(default_factory=list)

    def reset(self) -> None:
        """Forget what a test has asked for."""
        self.requests.clear()
        self.pace = 0.0
        self.cuts.clear()

    @property
    def paths(self) -> list[str]:
        """What was asked for: METHOD PATH."""
        return [f"{method} {httpx.URL(url).path}" for method, url, _, _ in self.requests]

    def app(self) -> Starlette:
        """Return the application."""

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            async with httpx.AsyncClient(timeout=60) as client:
                app.state.client = client
                yield

        app = Starlette(lifespan=lifespan)
        methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        app.add_route("/{path:path}", self._pass_on, methods=methods)
        return app

    async def _pass_on(self, request: Request) -> Response:
        body = await request.body()
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        headers = {name: value for name, value in request.headers.items() if name not in HOP}
        self.requests.append((request.method, str(request.url), headers, body))
        client: httpx.AsyncClient = request.app.state.client
        asked = client.build_request(
            request.method, self.target + path, headers=headers, content=body
        )
        reply = await client.send(asked, stream=True)
        kept = {name: value for name, value in reply.headers.items() if name not in HOP}
        is_stream = reply.headers.get("content-type", "").startswith("text/event-stream")
        told = self._paced(reply) if is_stream else reply.aiter_bytes()
        return StreamingResponse(
            told, reply.status_code, kept, background=BackgroundTask(reply.aclose)
        )

    async def _paced(self, reply: httpx.Response) -> AsyncIterator[bytes]:
        cut = self.cuts.pop(0) if self.cuts else -1
        waiting = b""
        async for part in reply.aiter_bytes():
            waiting += part
            while b"\n\n" in waiting:
                if not cut:
                    msg = "cut"
                    raise ConnectionError(msg)
                event, _, waiting = waiting.partition(b"\n\n")
                yield event + b"\n\n"
                cut -= 1
                await asyncio.sleep(self.pace)


@dataclass
class Portal:
    """An internal portal: pages under a strict policy, and an endpoint that mints tokens.

    Args:
        chat: The service's origin.
        keys: The secret of each portal of the service, by name.
    """

    chat: str
    keys: dict[str, str]
    port: int = 0
    user: str | None = "ada"
    groups: tuple[str, ...] = ()
    changes: dict[str, Any] = field(default_factory=dict)
    reply: Callable[[], Response] | None = None
    minted: list[str] = field(default_factory=list)
    policy: str = ""
    pages: dict[str, tuple[str, str]] = field(default_factory=dict)

    def reset(self) -> None:
        """Forget what a test has asked for."""
        self.user, self.groups, self.reply = "ada", (), None
        self.changes.clear()
        self.minted.clear()
        self.pages.clear()
        self.policy = (
            "default-src 'none'; script-src 'nonce-{nonce}' {chat}; connect-src 'self' {chat}; "
            "style-src 'self'; img-src 'self' data:; frame-src {chat}; base-uri 'none'; "
            "form-action 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
        )

    @property
    def origin(self) -> str:
        """The origin of its pages."""
        return f"https://portal.example:{self.port}"

    def page(
        self,
        body: str = '<citewell-chat portal="hr" token-url="/token/hr" label="Ask HR">'
        "</citewell-chat>",
        script: str = "",
        module: str | None = None,
        lang: str = "en",
        css: str = "",
    ) -> str:
        """Lay out a page and return its address; `script` runs inline, with the nonce."""
        if module is None:
            module = f'<script type="module" src="{self.chat}{MODULE}" nonce="NONCE"></script>'
        scripts = module + (f'<script nonce="NONCE">{script}</script>' if script else "")
        path = f"/pages/{len(self.pages)}"
        self.pages[path] = (PAGE.format(lang=lang, scripts=scripts, body=body), css)
        return self.origin + path

    def mint(self, portal: str, **changes: Any) -> str:  # noqa: ANN401 (claims)
        """Return a token for whoever is logged in."""
        now = int(time.time())
        claims = {
            "iss": portal,
            "aud": self.chat,
            "sub": self.user,
            "groups": list(self.groups),
            "portal": portal,
            "origin": self.origin,
            "iat": now,
            "exp": now + 60,
            "jti": uuid4().hex,
            **self.changes,
            **changes,
        }
        token = jwt.encode(claims, self.keys[portal], algorithm="HS256")
        self.minted.append(token)
        return token

    def app(self) -> Starlette:
        """Return the application."""

        def show(request: Request) -> Response:
            nonce = secrets.token_urlsafe(12)
            html, _css = self.pages.get(request.url.path, ("", ""))
            if request.url.path == "/page.css":
                referred = httpx.URL(request.headers.get("referer", "")).path
                return Response(self.pages.get(referred, ("", ""))[1], media_type="text/css")
            policy = self.policy.format(nonce=nonce, chat=self.chat)
            headers = {"content-security-policy": policy, "cache-control": "no-store"}
            return HTMLResponse(
                html.replace("NONCE", nonce), headers=headers, status_code=200 if html else 404
            )

        def token(request: Request) -> Response:
            if self.reply is not None:
                return self.reply()
            if self.user is None:
                return JSONResponse({"detail": "Log in."}, status_code=401)
            made = self.mint(request.path_params["portal"])
            return JSONResponse({"token": made}, headers={"cache-control": "no-store"})

        app = Starlette()
        app.add_route("/token/{portal}", token, methods=["POST"])
        app.add_route("/{path:path}", show)
        return app
