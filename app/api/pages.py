"""Lists that come page by page, and writes that a client may send twice."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable, Coroutine, Sequence
from hashlib import sha256
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from app.api.runtime import Runtime
from app.identity import NOBODY, Identity
from app.records.replies import Replies, Reply
from app.view import View
from vectorstore.errors import ConflictError, QuestionError

LONGEST_KEY = 200

Item = TypeVar("Item")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def identity_of(request: Request) -> Identity:
    """Return who makes a request, as the guard found; nobody where there is no guard."""
    found: Identity = getattr(request.state, "identity", NOBODY)
    return found


def runtime_of(request: Request) -> Runtime:
    """Return the runtime of the application that serves a request."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def view_of(request: Request) -> View:
    """Return the service as whoever makes the request may use it; waits until it is open."""
    return View(runtime_of(request).service(), identity_of(request))


def cursor_of(key: object) -> str:
    """Return an opaque cursor that leads to what comes after `key`."""
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, convert: Callable[[str], Item]) -> Item | None:
    """Return the key that a cursor holds.

    Raises:
        QuestionError: It is no cursor of ours.
    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return convert(base64.b64decode(padded, altchars=b"-_", validate=True).decode())
    except (binascii.Error, ValueError, UnicodeError) as exc:
        msg = f"The cursor {cursor[:100]!r} is not one that was given. Begin without one."
        raise QuestionError(msg) from exc


def paged(
    found: Sequence[Item], limit: int, key: Callable[[Item], object]
) -> tuple[list[Item], str | None]:
    """Return at most `limit` of `found`, which holds one more if there is more, and a cursor."""
    page = list(found[:limit])
    return page, cursor_of(key(page[-1])) if len(found) > limit else None


class OnceRoute(APIRoute):
    """A route whose writes are done once for each Idempotency-Key.

    The header's semantics are those of the IETF draft "The Idempotency-Key HTTP Header Field":
    the same key and request get the same reply for a day; the same key with another request is
    a conflict. Replies of server errors are not kept, so those may be tried again.
    """

    def get_route_handler(self) -> Handler:
        """Return the handler around which replies are kept."""
        handle = super().get_route_handler()

        async def once(request: Request) -> Response:
            key = request.headers.get("idempotency-key")
            if key is None or request.method in ("GET", "HEAD"):
                return await handle(request)
            if not 1 <= len(key) <= LONGEST_KEY:
                msg = f"The Idempotency-Key has {len(key)} characters; give 1 to {LONGEST_KEY}."
                raise QuestionError(msg)
            owner = identity_of(request).subject
            named = f"{request.method} {request.url.path}\n".encode()
            digest = sha256(named + await request.body()).hexdigest()
            service = await run_in_threadpool(runtime_of(request).service)
            replies = service.records.replies
            with _Turn(owner, key):
                kept = await run_in_threadpool(replies.find, owner, key)
                if kept is not None:
                    return _repeat(kept, digest, key)
                response = await handle(request)
                await _keep(replies, owner, key, digest, response)
                return response

        return once


def _repeat(kept: Reply, digest: str, key: str) -> Response:
    if kept.request != digest:
        msg = f"The Idempotency-Key {key!r} was sent with another request. Use a new one."
        raise ConflictError(msg)
    headers = {"idempotency-replayed": "true"}
    return Response(kept.body, kept.status, headers, media_type="application/json")


async def _keep(replies: Replies, owner: str, key: str, digest: str, response: Response) -> None:
    body = getattr(response, "body", None)  # a stream has none
    if response.status_code < 500 and isinstance(body, bytes):
        reply = Reply(digest, response.status_code, body.decode())
        await run_in_threadpool(replies.keep, owner, key, reply)


class _Turn:
    """Lets one request at a time have a key; a second one is told to wait."""

    _taken: set[tuple[str, str]] = set()  # noqa: RUF012 (shared by all)
    _lock = threading.Lock()

    def __init__(self, owner: str, key: str) -> None:
        self._mine = (owner, key)

    def __enter__(self) -> None:
        with self._lock:
            if self._mine in self._taken:
                msg = "A request with this Idempotency-Key is under way. Wait for its reply."
                raise ConflictError(msg)
            self._taken.add(self._mine)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._taken.discard(self._mine)
