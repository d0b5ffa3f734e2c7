"""One place that is told of every request and every answer, and tells logs, metrics and traces."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from starlette.types import Scope

from app.identity import NOBODY
from app.sight import logs
from app.sight.metrics import Condition, Metrics
from vectorstore.errors import CitewellError

if TYPE_CHECKING:
    from app.api.runtime import Runtime
    from app.settings import Settings
    from app.sight.traces import Traces

UNROUTED = "other"
# What is served before there are routes.
FIXED = frozenset({"/", "/healthz", "/readyz", "/version"})


class Sight:
    """What an operator sees of a service.

    Args:
        settings: Whether questions may be logged, and where traces go.
        condition: Tells how the service stands.
    """

    def __init__(self, settings: Settings, condition: Callable[[], Condition]) -> None:
        self.metrics = Metrics(condition)
        self.traces = _traces(settings.otlp_endpoint)
        self._log_questions = settings.log_questions
        self._logs = False

    def log(self) -> None:
        """Log as lines of JSON from now on."""
        logs.begin()
        self._logs = True

    def opened(self) -> None:
        """Take over the logs of the libraries that were imported meanwhile."""
        if self._logs:
            logs.adopt()

    def answered(self, answer: Mapping[str, Any], owner: str) -> None:
        """Take note of a finished answer, by its JSON; called where it was made, at its end."""
        self.metrics.answer(answer)
        logs.tell_answer(answer, owner, self._log_questions)
        if self.traces is not None:
            self.traces.answer(answer, time.time_ns())

    def served(
        self,
        scope: Scope,
        status: int,
        seconds: float,
        first_byte: float | None,
        refusal: str | None,
    ) -> dict[str, Any]:
        """Take note of a request that was served; return what is logged of it.

        Args:
            scope: The request.
            status: 499 where the client left before there was a reply.
            seconds: How long all of it took.
            first_byte: After how many seconds its reply began.
            refusal: Why it was refused, if it was.
        """
        route = route_of(scope)
        self.metrics.request(scope.get("method", "GET"), route, status, first_byte)
        if refusal is not None:
            self.metrics.refusal(refusal)
        seen = {**_about(scope, route, status), "ms": _milliseconds(seconds)}
        seen["first_byte_ms"] = None if first_byte is None else _milliseconds(first_byte)
        logs.tell_request(seen)
        return seen

    def refused(self, scope: Scope, status: int) -> None:
        """Take note of a request that did not come past the guard."""
        self.served(scope, status, 0.0, None, refusal_of(status, is_problem=True, may_retry=True))

    def span(self, scope: Scope, headers: Mapping[str, str]) -> AbstractContextManager[Any]:
        """Have a span around a request, where there are traces; else yield None."""
        if self.traces is None:
            return nullcontext()
        return self.traces.request(scope["method"], headers)

    def close(self) -> None:
        """Send what is left to be sent."""
        if self.traces is not None:
            self.traces.close()


def condition_of(runtime: Runtime) -> Condition:
    """Return how a service stands, without waiting for one that is not open."""
    load = runtime.desk.load
    if not runtime.ready:
        return Condition(load)
    try:
        service = runtime.service()
        known = service.collections()
        is_degraded = service.store.degraded is not None
    except CitewellError:  # it is being closed or replaced
        return Condition(load)
    articles, chunks = (sum(c.articles for c in known), sum(c.chunks for c in known))
    return Condition(load, articles, chunks, is_degraded)


def route_of(scope: Scope) -> str:
    """Return the template of a request's route, UNROUTED where none of ours fits."""
    mounted = scope.get("root_path", "")
    template = getattr(scope.get("route"), "path", None)
    if template is not None:
        return f"{mounted}{template}"
    if mounted:
        return f"{mounted}/{{path}}"
    return scope["path"] if scope["path"] in FIXED else UNROUTED


def refusal_of(status: int, is_problem: bool, may_retry: bool) -> str | None:
    """Return why a request was refused: auth, limit or busy; None if it was not."""
    if status in (401, 403):
        return "auth"
    if status == 429:
        return "limit"
    if status == 503 and is_problem and may_retry:
        return "busy"
    return None


def _about(scope: Scope, route: str, status: int) -> dict[str, Any]:
    state, client = scope.get("state", {}), scope.get("client")
    about = {
        "method": scope.get("method", "GET"),
        "route": route,
        "status": status,
        "subject": state.get("identity", NOBODY).subject,
        "address": client[0] if client else None,
        "request_id": state.get("request_id", ""),
    }
    if route == UNROUTED:
        about["path"] = scope["path"][: logs.LONGEST_PATH]
    return about


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1e3, 2)


def _traces(endpoint: str | None) -> Traces | None:
    if endpoint is None:
        return None
    from app.sight.traces import traces_to

    return traces_to(endpoint)
