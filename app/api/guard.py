"""What every request meets first: where it comes from, who makes it, how much it brings.

The order: Host, Origin, the number of requests from its address, the size of its body, who
makes it. Whoever that is stands in the request's state as `identity`, for every face to ask.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem, problem_of
from app.identity import LOCAL, NOBODY, Identity
from app.settings import Settings
from vectorstore.errors import CitewellError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})

# Gradio needs inline styles; it runs without inline scripts and without eval as long as the
# page has no gr.HTML and no js=.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
OWN = (  # that a reply may have set
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
)
UPLOADS = "/api/v1/articles"
FORM = 100_000  # bytes that a form may need around an upload
WIDGET = "/widget/"
OPEN = frozenset({"/healthz", "/readyz", "/version"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CORS_METHODS = "GET, POST, PATCH, PUT, DELETE"
CORS_HEADERS = "authorization, content-type, idempotency-key, last-event-id"

request_id: ContextVar[str] = ContextVar("request_id", default="")

Identify = Callable[[HTTPConnection], Identity]


class Guard:
    """Refuses what may not come in, and says who makes the rest.

    Without `identify`, and without authentication, everybody on this machine is LOCAL; the
    check of Host and Origin is what keeps foreign pages out, even one that lets its own name
    resolve to 127.0.0.1.

    Args:
        app: What is guarded.
        settings: The hosts and sizes that are let in.
        identify: Tells who makes a request; it may block.
        is_portal: Whether an origin belongs to a portal, whose pages may call the API.
        admit: Counts a request and raises BusyError where it is one too many.
        on_refusal: Is told of what is replied to here, with its status; `app` never sees that.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings | None = None,
        identify: Identify = lambda _: LOCAL,
        is_portal: Callable[[str], bool] = lambda _: False,
        admit: Callable[[Scope], Awaitable[None]] | None = None,
        on_refusal: Callable[[Scope, int], None] = lambda _scope, _status: None,
    ) -> None:
        self._app = app
        self._settings = settings or Settings()
        self._identify = identify
        self._is_portal = is_portal
        self._admit = admit
        self._on_refusal = on_refusal
        self._host = self._settings.public_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        scope = _mounted(scope, self._settings.public_path)
        headers = Headers(scope=scope)
        named = headers.get("x-request-id", "")
        number = named if re.fullmatch(r"[\w.-]{1,64}", named) else secrets.token_hex(8)
        request_id.set(number)
        state = scope.setdefault("state", {})
        state["request_id"] = number
        added = {**HEADERS, "x-request-id": number}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _protect(MutableHeaders(scope=message), added)
            await send(message)

        refusal = await self._check(headers, scope, added)
        if refusal is not None:
            self._on_refusal(scope, refusal.status_code)
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await refusal(scope, receive, send_with_headers)
            return
        body = _Body(receive, self._limit(scope))

        async def send_unless_too_large(message: Message) -> None:
            if not body.is_too_large:
                await send_with_headers(message)
            elif message["type"] == "http.response.start":
                detail = f"A body of more than {body.limit} bytes is not read."
                refused = problem(413, detail, {"connection": "close"})
                await refused(scope, receive, send_with_headers)

        await self._app(scope, body.receive, send_unless_too_large)

    async def _check(
        self, headers: Headers, scope: Scope, added: dict[str, str]
    ) -> Response | None:
        """Return why a request is refused, if it is; else its state says who makes it."""
        try:
            refusal, origin = await self._foreign(headers, scope)
            if origin is not None:
                added |= _cors(origin)
                if scope.get("method") == "OPTIONS":
                    return Response(status_code=204)
            refusal = refusal or self._too_large(headers, scope)
            if refusal is None:
                if self._admit is not None:
                    await self._admit(scope)
                scope["state"]["identity"] = await self._identity(HTTPConnection(scope))
                refusal = _forged(headers, scope, self._settings)
        except CitewellError as exc:
            return problem_of(exc)
        return refusal

    async def _identity(self, request: HTTPConnection) -> Identity:
        if self._settings.auth == "none":
            return LOCAL
        path = path_of(request.scope)
        if path in OPEN or path.startswith(WIDGET):
            return NOBODY
        return await run_in_threadpool(self._identify, request)

    async def _foreign(self, headers: Headers, scope: Scope) -> tuple[Response | None, str | None]:
        """Return why a request is refused, if it is, and the portal's origin it comes from."""
        host = headers.get("host", "")
        if _hostname(f"//{host}") not in LOOPBACK and host != self._host:
            known = self._settings.public_url or "http://127.0.0.1"
            refused = problem(403, f"Host {host[:200]!r} is not served here; use {known}.")
            return refused, None
        origin = headers.get("origin")
        if origin is None or origin == self._settings.origin_at(host):
            return None, None
        path = path_of(scope)
        if path.startswith(WIDGET) and scope.get("method") in SAFE:
            return None, None  # what any page may load; the reply says to whom it is readable
        # Without authentication a page would do whatever this machine's own user may.
        may_be_portal = self._settings.auth != "none" and path.startswith("/api/v1/")
        if may_be_portal and await run_in_threadpool(self._is_portal, origin):
            return None, origin
        return problem(403, f"Origin {origin[:200]!r} may not use this service."), None

    def _limit(self, scope: Scope) -> int:
        is_upload = path_of(scope).startswith(UPLOADS) and scope.get("method") in ("POST", "PUT")
        return self._settings.max_upload + FORM if is_upload else self._settings.max_body

    def _too_large(self, headers: Headers, scope: Scope) -> Response | None:
        announced = headers.get("content-length", "0")
        limit = self._limit(scope)
        if announced.isdigit() and int(announced) > limit:
            closing = {"connection": "close"}  # the rest of it is not read
            return problem(
                413, f"A body of {announced} bytes is not read: {limit} at most.", closing
            )
        return None


def _mounted(scope: Scope, mounted: str) -> Scope:
    """Return a request as ASGI has it under a path: in root_path, and at the start of path.

    Proxies keep that path or strip it.
    """
    path: str = scope["path"]
    if not mounted:
        return scope
    if path != mounted and not path.startswith(f"{mounted}/"):
        path = mounted + path
    path = f"{mounted}/" if path == mounted else path
    return {**scope, "path": path, "raw_path": path.encode(), "root_path": mounted}


def path_of(scope: Scope) -> str:
    """Return a request's path below where the service is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _protect(headers: MutableHeaders, added: dict[str, str]) -> None:
    """Add our headers to a reply's; a page may have policies of its own.

    X-Frame-Options tells old browsers that nobody may frame a page. It cannot list who may.
    """
    own = {name: headers[name] for name in OWN if name in headers}
    headers.update({**added, **own})
    if "frame-ancestors 'none'" not in headers["content-security-policy"]:
        del headers["x-frame-options"]


def _cors(origin: str) -> dict[str, str]:
    """Let the page of a portal read the reply; no cookies, so no credentials."""
    return {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": CORS_METHODS,
        "access-control-allow-headers": CORS_HEADERS,
        "access-control-expose-headers": "retry-after, x-request-id",
        "access-control-max-age": "600",
        "cross-origin-resource-policy": "cross-origin",
        "vary": "Origin",
    }


def _forged(headers: Headers, scope: Scope, settings: Settings) -> Response | None:
    """Refuse a write that rests on a cookie and does not say that it comes from our own page."""
    if (
        settings.auth == "none"
        or scope.get("method", "GET") in SAFE
        or "authorization" in headers
        or "cookie" not in headers
        or "origin" in headers  # which was checked
        or headers.get("sec-fetch-site") == "same-origin"
    ):
        return None
    return problem(403, "A request with a cookie must say its Origin. Use an API key instead.")


class _Body:
    """A body that is read up to a limit, whatever it said of its size."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self.limit = limit
        self.is_too_large = False
        self._receive = receive
        self._read = 0

    async def receive(self) -> Message:
        """Hand on what comes; past the limit, pretend that the client has left."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > self.limit:
                self.is_too_large = True
                return {"type": "http.disconnect"}
        return message


def _hostname(address: str) -> str:
    try:
        name = urlsplit(address).hostname or ""
    except ValueError:
        return ""
    return f"[{name}]" if ":" in name else name
