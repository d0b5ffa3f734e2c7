"""Every request is seen: what it was, what became of it, how long it took."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Response
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from starlette.types import Message, Scope

from app.api.guard import Guard
from app.api.problems import handle_problems
from app.identity import Identity
from app.settings import Settings
from app.sight.logs import access
from app.sight.metrics import Condition
from app.sight.sight import Sight, refusal_of, route_of
from app.sight.traces import Traces
from app.sight.watch import Watch
from tests.app.sight.test_metrics import read
from vectorstore.errors import BusyError

SECRET = "s3cret"  # noqa: S105 (what must not be logged)
SETTINGS = Settings(auth="keys", secret="s" * 32)
PAUSE = 0.2  # seconds

inner = FastAPI()
handle_problems(inner)
inner.mount("/static", StaticFiles(directory="app/web/static"))


@inner.get("/items/{item}")
def read_item(item: str) -> Response:
    """Reply at once."""
    return PlainTextResponse(item)


@inner.get("/stream")
def stream() -> Response:
    """Say something, wait, and say the rest."""

    async def parts() -> AsyncIterator[str]:
        yield "first"
        await asyncio.sleep(PAUSE)
        yield "last"

    return StreamingResponse(parts())


@inner.get("/busy/{kind}")
def busy(kind: str) -> Response:
    """Refuse."""
    raise BusyError("Too much.", overloaded=kind == "all")


@inner.get("/broken")
def broken() -> Response:
    """Fail as nobody has thought of."""
    raise RuntimeError


@pytest.fixture
def sight() -> Sight:
    """What is told of the requests."""
    return Sight(Settings(), lambda: Condition(0))


@pytest.fixture
def client(sight: Sight) -> Iterator[TestClient]:
    """The routes behind the watch behind a guard."""
    guard = Guard(
        Watch(inner, sight),
        SETTINGS,
        lambda _: Identity("user:ada"),
        on_refusal=sight.refused,
    )
    with TestClient(guard, "http://127.0.0.1", raise_server_exceptions=False) as made:
        yield made


class Kept(logging.Handler):
    """Keeps the records that are logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.records.append(record)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[logging.LogRecord]]:
    """The lines of the access log, as they come."""
    kept = Kept()
    monkeypatch.setattr(access, "handlers", [kept])
    before = access.level
    access.setLevel(logging.INFO)
    yield kept.records
    access.setLevel(before)


def counted(sight: Sight) -> dict[tuple[str, str], float]:
    """Return how many requests there were by route and class of status."""
    found = read(sight.metrics)
    return {
        (dict(labels)["route"], dict(labels)["status"]): value
        for (name, labels), value in found.items()
        if name == "citewell_requests_total"
    }


def refused(sight: Sight) -> dict[str, float]:
    """Return how many refusals there were by reason."""
    found = read(sight.metrics)
    return {
        dict(labels)["reason"]: value
        for (name, labels), value in found.items()
        if name == "citewell_refusals_total"
    }


def test_a_request_is_one_line(client: TestClient, seen: list[logging.LogRecord]) -> None:
    """The line names the template, the status, who asked, and the request as its reply does."""
    reply = client.get("/items/7")
    (line,) = seen
    told = vars(line)
    assert (told["method"], told["route"], told["status"]) == ("GET", "/items/{item}", 200)
    assert (told["subject"], told["address"]) == ("user:ada", "testclient")
    assert told["request_id"] == reply.headers["x-request-id"]
    assert 0 < told["first_byte_ms"] <= told["ms"]


def test_no_secret_is_logged(client: TestClient, seen: list[logging.LogRecord]) -> None:
    """Neither query strings nor headers nor what stands for a parameter are in a line."""
    client.get(
        f"/items/{SECRET}?q={SECRET}",
        headers={"authorization": f"Bearer {SECRET}", "cookie": f"citewell={SECRET}"},
    )
    client.get(f"/nowhere?q={SECRET}")
    assert len(seen) == 2
    assert not [line for line in seen if SECRET in str(vars(line))]
    assert vars(seen[1])["path"] == "/nowhere"


def test_a_stream_is_measured_to_its_end(client: TestClient, seen: list[logging.LogRecord]) -> None:
    """The first byte is told apart from the end, and the parts pass as they come."""
    assert client.get("/stream").text == "firstlast"
    told = vars(seen[0])
    assert told["first_byte_ms"] < PAUSE * 1e3 <= told["ms"]


def test_routes_have_few_names(client: TestClient, sight: Sight) -> None:
    """Whatever paths are asked for, the metrics have the templates and one name for the rest."""
    for number in range(20):
        client.get(f"/items/{number}")
        client.get(f"/nowhere/{number}")
        client.get(f"/static/{number}")
    assert counted(sight) == {
        ("/items/{item}", "2xx"): 20,
        ("other", "4xx"): 20,
        ("/static/{path}", "4xx"): 20,
    }


def test_refusals_have_reasons(client: TestClient, sight: Sight) -> None:
    """A full service, a share used up and a foreign page are told apart; a 404 is no refusal."""
    assert client.get("/busy/all").status_code == 503
    assert client.get("/busy/mine").status_code == 429
    assert client.get("/items/1", headers={"origin": "http://evil.example"}).status_code == 403
    assert client.get("/nowhere").status_code == 404
    assert refused(sight) == {"busy": 1, "limit": 1, "auth": 1}
    assert counted(sight)["other", "4xx"] == 2  # what the guard refuses has no route


def test_what_the_guard_refuses_is_logged(
    client: TestClient, seen: list[logging.LogRecord]
) -> None:
    """A foreign host is in the log, with its address, though it never comes to a route."""
    client.get("/items/1", headers={"host": "evil.example"})
    told = vars(seen[0])
    assert (told["status"], told["subject"], told["address"]) == (403, "nobody", "testclient")


def test_a_failure_is_a_500(client: TestClient, seen: list[logging.LogRecord]) -> None:
    """A route that breaks down is counted as such."""
    assert client.get("/broken").status_code == 500
    assert [vars(line)["status"] for line in seen] == [500]


def run(watch: Watch) -> None:
    """Serve one request."""
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/x", "headers": []}

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        return None

    asyncio.run(watch(scope, receive, send))


@pytest.mark.parametrize(("error", "status"), [(RuntimeError(), 500), (None, 499)])
def test_a_request_without_a_reply_is_seen(
    sight: Sight, seen: list[logging.LogRecord], error: Exception | None, status: int
) -> None:
    """An application that fails counts as 500; one that a client left counts as 499."""

    async def app(*_: object) -> None:
        if error is not None:
            raise error

    if error is None:
        run(Watch(app, sight))
    else:
        with pytest.raises(RuntimeError):
            run(Watch(app, sight))
    assert [vars(line)["status"] for line in seen] == [status]


def test_an_answers_spans_lie_below_its_request(client: TestClient, sight: Sight) -> None:
    """What is told of an answer within a request belongs to the request's trace."""
    exporter = InMemorySpanExporter()
    sight.traces = Traces(SimpleSpanProcessor(exporter))
    client.get("/items/7")
    (span,) = exporter.get_finished_spans()
    assert span.name == "GET /items/{item}"
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 200


def test_what_stands_before_the_routes_has_a_name() -> None:
    """Health has its own path as its route; a mounted route has the mount's in front."""

    def scope(path: str, **more: object) -> Scope:
        return {"path": path, **more}

    assert route_of(scope("/healthz")) == "/healthz"
    assert route_of(scope("/healthz/x")) == "other"
    route = inner.routes[-1]
    assert route_of(scope("/sub/broken", root_path="/sub", route=route)) == "/sub/broken"


def test_a_503_that_is_no_refusal() -> None:
    """A page that says that the service is starting is no refusal of a busy service."""
    assert refusal_of(503, is_problem=False, may_retry=True) is None
    assert refusal_of(503, is_problem=True, may_retry=False) is None
    assert refusal_of(503, is_problem=True, may_retry=True) == "busy"
