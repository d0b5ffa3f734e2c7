"""Nothing of Gradio answers but what our page needs, and only to who may ask."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Mount
from starlette.testclient import TestClient

from app.answering.answer import Event
from app.api.runtime import Runtime
from app.api.server import build
from app.web.gate import Gate, Owners
from tests.app.runtimes import ids, opened
from tests.app.web.conftest import Serve

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OPEN = {  # what our page needs, by path and method
    ("/", "GET"), ("/", "HEAD"), ("/config", "GET"), ("/theme.css", "GET"),
    ("/favicon.ico", "GET"), ("/assets/x.js", "GET"), ("/gradio_api/app_id", "GET"),
    ("/gradio_api/queue/data", "GET"), ("/gradio_api/queue/join", "POST"),
    ("/gradio_api/cancel", "POST"), ("/gradio_api/info", "GET"), ("/gradio_api/reset", "POST"),
}  # fmt: skip
OURS = {"/openapi.json", "/static/{path:path}"}  # served by the application before Gradio
JOIN, DATA, CANCEL = "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/cancel"
RESET = "/gradio_api/reset"
QUESTION = "When did the harbour bridge open?"


def gradio_paths(runtime: Runtime) -> list[str]:
    """Return a path for every route of the mounted application."""
    mount = next(
        route
        for route in build(runtime).router.routes
        if isinstance(route, Mount) and isinstance(route.app, Gate)
    )
    paths = [path for path in walk(mount._base_app) if path not in OURS]  # type: ignore[attr-defined]
    known = [path.replace("/assets/{path:path}", "/assets/x.js") for path in paths]
    return [re.sub(r"\{[^}]*\}", "x", path) for path in known]


def walk(router: Any) -> Iterator[str]:  # noqa: ANN401 (whatever Gradio mounts)
    """Yield the paths of a router's routes and of the routers it includes."""
    for route in router.routes:
        if (included := getattr(route, "original_router", None)) is not None:
            yield from walk(included)
        else:
            yield route.path


def bearer(runtime: Runtime, *rights: str, collections: list[str] | None = None) -> dict[str, str]:
    """Return the headers of a new key."""
    _, secret = runtime.service().records.keys.create("k", rights, collections)
    return {"authorization": f"Bearer {secret}"}


@pytest.fixture
def chat(serve: Serve) -> tuple[Runtime, TestClient]:
    """The chat where only keys are known."""
    return serve(auth="keys")


def put(client: TestClient, session: str, headers: dict[str, str], **more: Any) -> httpx.Response:  # noqa: ANN401
    """Put a question into the chat's queue."""
    body = {"data": [QUESTION, []], "fn_index": 0, "trigger_id": 3, "session_hash": session, **more}
    return client.post(JOIN, json=body, headers=headers)


def read(client: TestClient, session: str, headers: dict[str, str]) -> list[dict[str, Any]]:
    """Read a session's events to their end."""
    reply = client.get(DATA, params={"session_hash": session}, headers=headers)
    assert reply.status_code == 200, reply.text
    return [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: ")]


# -- what is there ---------------------------------------------------------------------------


def test_no_route_of_gradio_answers_without_the_right(chat: tuple[Runtime, TestClient]) -> None:
    """Every route, with every method, is closed to nobody, and to a key that may not ask."""
    runtime, client = chat
    paths = gradio_paths(runtime)
    assert {JOIN, DATA, CANCEL, "/config", "/gradio_api/upload", "/monitoring"} <= set(paths)
    for headers in ({}, bearer(runtime, "search", "ingest", "admin")):
        expected = 403 if headers else 401
        for path in paths:
            for method in METHODS:
                reply = client.request(method, path, headers=headers)
                is_open = (path, "GET" if method == "HEAD" else method) in OPEN
                assert reply.status_code == (expected if is_open else 404), (method, path)
                assert QUESTION not in reply.text
                assert "gradio" not in reply.text.lower(), (method, path)


def test_only_what_the_page_needs_answers(chat: tuple[Runtime, TestClient]) -> None:
    """With the right, everything that is not listed does not exist either."""
    runtime, client = chat
    headers = bearer(runtime, "ask")
    for path in gradio_paths(runtime):
        for method in METHODS:
            if (path, "GET" if method == "HEAD" else method) in OPEN:
                continue
            assert client.request(method, path, headers=headers).status_code == 404, (method, path)


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/file=/etc/passwd", "/gradio_api/proxy=https://evil.example", "/gradio_api/mcp/",
     "/gradio_api/mcp/sse", "/gradio_api/heartbeat/x", "/gradio_api/deep_link", "/docs",
     "/gradio_api/queue/status", "/assets/%2e%2e/config", "/config/",
     "/gradio_api/queue/join/", "//config", "/gradio_api//app_id", "/assets/", "/CONFIG",
     "/gradio_api/run/respond", "/gradio_api/api/respond", "/gradio_api/call/respond"],
)  # fmt: skip
def test_other_spellings_and_known_holes_are_closed(
    chat: tuple[Runtime, TestClient], path: str
) -> None:
    """A path that is almost one of ours, or one that Gradio builds in, is not there."""
    runtime, client = chat
    headers = bearer(runtime, "ask")
    for method in ("GET", "POST"):
        reply = client.request(method, f"http://127.0.0.1:7860{path}", headers=headers)
        assert reply.status_code in {404, 405}, reply.text


def test_the_page_and_its_parts_are_served(chat: tuple[Runtime, TestClient]) -> None:
    """With the right, the page, its configuration, style and scripts come, kept by nobody."""
    runtime, client = chat
    headers = bearer(runtime, "ask")
    page = client.get("/", headers=headers)
    assert page.headers["cache-control"] == "no-store"
    script = re.search(r'src="\.?(/assets/[^"]+\.js)"', page.text)
    assert script is not None
    assert client.get(script[1], headers=headers).status_code == 200
    config = client.get("/config?deep_link=x&page=nope", headers=headers)
    assert config.headers["cache-control"] == "no-store"
    assert "deep_link_state" not in config.json()
    assert (
        client.get("/theme.css?v=1", headers=headers).headers["content-type"].startswith("text/c")
    )
    assert client.get("/gradio_api/app_id", headers=headers).status_code == 200
    empty = {"named_endpoints": {}, "unnamed_endpoints": {}}
    assert client.get("/gradio_api/info?all_endpoints=true", headers=headers).json() == empty
    assert client.get("/favicon.ico", headers=headers).status_code == 200


def test_a_reader_without_login_is_told(serve: Serve) -> None:
    """Where people cannot log in the page says so; a program gets a problem document."""
    _, client = serve(auth="keys")
    page = client.get("/")
    assert (page.status_code, page.headers["content-type"][:9]) == (401, "text/html")
    assert "Not logged in" in page.text
    config = client.get("/config")
    assert config.headers["content-type"] == "application/problem+json"
    assert config.headers["www-authenticate"].startswith("Bearer")


def test_a_reader_is_sent_to_the_login(serve: Serve) -> None:
    """In mode oidc the page leads to the login; without a grant it politely says no."""
    runtime, client = serve(
        auth="oidc", oidc_issuer="https://id.example", oidc_client_id="cw", oidc_groups_claim="g"
    )
    page = client.get("/")
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=/")
    records = runtime.service().records
    cookie = {"cookie": f"citewell={records.sessions.create('a<b', [], 60)}"}
    refused = client.get("/", headers=cookie)
    assert refused.status_code == 403
    assert "a&lt;b, but have not been given access" in refused.text
    assert 'action="/logout"' in refused.text
    assert client.get("/config", headers=cookie).status_code == 403
    records.grants.set("*", "reader", ids(runtime, "bridge"))
    chat = client.get("/", headers=cookie)
    assert chat.status_code == 200
    assert "citewell-logout" in client.get("/config", headers=cookie).json()["head"]


def test_in_mode_none_everybody_on_this_machine_asks(serve: Serve) -> None:
    """Without authentication the chat is open, has no log out, and answers as `local`."""
    runtime, client = serve(auth="none")
    page = client.get("/")
    assert page.status_code == 200
    assert "citewell-logout" not in client.get("/config").json()["head"]
    assert put(client, "s1", {}).status_code == 200
    assert "19 March 1932" in json.dumps(read(client, "s1", {}))
    (kept,) = runtime.service().records.conversations.of_owner("local")
    assert (kept.question, kept.outcome) == (QUESTION, "answered")


# -- whose it is -----------------------------------------------------------------------------


def test_the_chat_answers_as_who_asks(chat: tuple[Runtime, TestClient]) -> None:
    """A reader gets answers from their collections alone, and finds them among their own."""
    runtime, client = chat
    bridge, tunnel = ids(runtime, "bridge", "tunnel")
    ada = bearer(runtime, "ask", collections=[bridge])
    ben = bearer(runtime, "ask", collections=[tunnel])
    put(client, "a1", ada)
    put(client, "b1", ben)
    told = json.dumps(read(client, "a1", ada)), json.dumps(read(client, "b1", ben))
    assert "19 March 1932" in told[0]
    assert "19 March 1932" not in told[1]
    assert "The bridge" not in told[1]
    records = runtime.service().records
    owners = {f"key:{key.id}" for key in records.keys.all()}
    kept = [answer for owner in owners for answer in records.conversations.of_owner(owner)]
    assert [answer.question for answer in kept] == [QUESTION, QUESTION]
    assert sum("19 March 1932" in json.dumps(answer.body) for answer in kept) == 1


def test_anothers_session_is_refused(chat: tuple[Runtime, TestClient]) -> None:
    """Who learns the name of another's session can neither ask in it, read it, nor end it."""
    runtime, client = chat
    ada, ben = bearer(runtime, "ask"), bearer(runtime, "ask")
    event = put(client, "a1", ada).json()["event_id"]
    told = {"session_hash": "a1", "event_id": event, "fn_index": 0}
    assert put(client, "a1", ben).status_code == 403
    assert client.get(DATA, params={"session_hash": "a1"}, headers=ben).status_code == 403
    assert client.post(CANCEL, json=told, headers=ben).status_code == 403
    told["session_hash"] = "b1"
    assert client.post(CANCEL, json=told, headers=ben).status_code == 403
    assert client.post(CANCEL, json={**told, "event_id": None}, headers=ben).status_code == 403
    assert "19 March 1932" in json.dumps(read(client, "a1", ada))


def test_only_who_asked_ends_an_answer(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two who are logged in, one cannot stop the other's answer, who can."""
    runtime, client = serve(auth="oidc", oidc_issuer="https://id.example", oidc_client_id="cw")
    service = runtime.service()
    service.records.grants.set("*", "reader")
    ada, ben = (
        {
            "cookie": f"citewell={service.records.sessions.create(name, [], 60)}",
            "origin": "http://127.0.0.1:7860",
        }
        for name in ("ada", "ben")
    )
    begun, let_go = threading.Semaphore(0), threading.Semaphore(0)
    whole = service.ask

    def hang(*arguments: Any) -> Iterator[Event]:  # noqa: ANN401 (as `ask` has them)
        begun.release()
        assert let_go.acquire(timeout=60)
        yield from whole(*arguments)

    monkeypatch.setattr(service, "ask", hang)
    for session, ender, status, is_told in (("a1", ben, 403, True), ("a2", ada, 200, False)):
        event = put(client, session, ada).json()["event_id"]
        assert begun.acquire(timeout=60)
        told = {"session_hash": session, "event_id": event, "fn_index": 0}
        assert client.post(CANCEL, json=told, headers=ender).status_code == status
        if is_told:
            let_go.release()
        assert ("19 March 1932" in json.dumps(read(client, session, ada))) is is_told
    let_go.release()
    assert len(service.records.conversations.of_owner("user:ada")) == 1


def test_what_was_not_asked_is_not_read(chat: tuple[Runtime, TestClient]) -> None:
    """In a session without a question there is nothing to read."""
    runtime, client = chat
    headers = bearer(runtime, "ask")
    assert client.get(DATA, params={"session_hash": "fresh"}, headers=headers).status_code == 403


def test_the_page_may_say_that_it_cancelled(chat: tuple[Runtime, TestClient]) -> None:
    """What the page asks after a cancelling is answered here, and never reaches Gradio."""
    runtime, client = chat
    body = {"event_id": "x"}
    assert client.post(RESET, json=body, headers=bearer(runtime, "ask")).json() == {"success": True}


def test_what_gradio_would_read_otherwise_is_refused(chat: tuple[Runtime, TestClient]) -> None:
    """Two sessions in one request, none, or one of another form are refused, not chosen from."""
    runtime, client = chat
    ada, ben = bearer(runtime, "ask"), bearer(runtime, "ask")
    put(client, "a1", ada)
    twice = client.get(f"{DATA}?session_hash=b1&session_hash=a1", headers=ben)
    assert twice.status_code == 422
    for query in ("", "?session_hash=", "?session_hash=a_1", "?session_hash=" + "a" * 65):
        assert client.get(DATA + query, headers=ben).status_code == 422
    raw = b'{"session_hash": "b1", "data": [], "fn_index": 0, "session_hash": "a1"}'
    assert client.post(JOIN, content=raw, headers=ben).status_code == 403
    for body in (b"", b"[]", b"{", b'{"session_hash": 1}', b"\xff", b"[" * 100_000):
        assert client.post(JOIN, content=body, headers=ben).status_code == 422
    smuggled = put(client, "b1", ben, event_id="x", simple_format=True, batched=True)
    assert smuggled.status_code == 200
    assert "19 March 1932" in json.dumps(read(client, "b1", ben))


def test_rights_are_looked_at_with_every_question(chat: tuple[Runtime, TestClient]) -> None:
    """A key that was revoked asks nothing more in the page that is still open."""
    runtime, client = chat
    ada = bearer(runtime, "ask")
    put(client, "a1", ada)
    read(client, "a1", ada)
    runtime.service().records.keys.revoke("k")
    assert put(client, "a1", ada).status_code == 401


# -- who owns what ---------------------------------------------------------------------------


def test_names_belong_to_who_used_them_first() -> None:
    """A name stays with its first subject, and is nobody's for others."""
    owners = Owners()
    assert owners.claim("s", "ada")
    assert owners.claim("s", "ada")
    assert not owners.claim("s", "ben")
    assert (owners.has("s", "ada"), owners.has("s", "ben"), owners.has("t", "ada")) == (
        True, False, False,
    )  # fmt: skip


def test_nobody_crowds_out_another() -> None:
    """Many names of one subject push out that subject's oldest, never another's."""
    owners = Owners(held=2)
    owners.claim("mine", "ada")
    for number in range(100):
        assert owners.claim(f"b{number}", "ben")
    assert owners.has("mine", "ada")
    assert (owners.has("b99", "ben"), owners.has("b97", "ben")) == (True, False)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xyzw")), max_size=60))
def test_what_is_remembered_is_bounded(claims: list[tuple[str, str]]) -> None:
    """However names are claimed, no more are kept than subjects may hold, each with one owner."""
    owners = Owners(held=2, holders=3)
    for name, subject in claims:
        got = owners.claim(name, subject)
        assert got == owners.has(name, subject)
        assert len(owners) <= 6


def test_the_gate_stands_before_gradio(tmp_path: Any) -> None:  # noqa: ANN401 (a path)
    """The application that is served has the gate where Gradio is mounted, and nothing after."""
    with opened(tmp_path) as runtime:
        last = build(runtime).router.routes[-1]
        assert isinstance(last, Mount)
        assert isinstance(last.app, Gate)
