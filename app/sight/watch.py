"""Measures every request, streams too: inside the guard, so that it is known who made it."""

from __future__ import annotations

import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.sight.sight import Sight, refusal_of

LEFT = 499  # what is logged where the client left before there was a reply


class Watch:
    """Tells a Sight of every request that `app` serves; changes none of them."""

    def __init__(self, app: ASGIApp, sight: Sight) -> None:
        self._app = app
        self._sight = sight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = LEFT
        first_byte: float | None = None
        refusal: str | None = None

        async def note(message: Message) -> None:
            nonlocal status, first_byte, refusal
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = Headers(scope=message)
                kind = headers.get("content-type", "")
                refusal = refusal_of(
                    status, kind.startswith("application/problem"), "retry-after" in headers
                )
            elif message["type"] == "http.response.body" and first_byte is None:
                first_byte = time.perf_counter() - start
            await send(message)

        with self._sight.span(scope, Headers(scope=scope)) as span:
            try:
                await self._app(scope, receive, note)
            except Exception:
                status = 500 if status == LEFT else status
                raise
            finally:
                seconds = time.perf_counter() - start
                seen = self._sight.served(scope, status, seconds, first_byte, refusal)
                if span is not None and self._sight.traces is not None:
                    self._sight.traces.end_request(span, seen)
