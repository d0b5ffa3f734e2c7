"""Only pages of this machine's own address may use the service."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from app.api.guard import HEADERS, Guard
from app.identity import NOBODY
from app.settings import Settings

client = TestClient(Guard(PlainTextResponse("in")))


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "[::1]:7860", "127.0.0.1"])
def test_loopback_is_served(host: str) -> None:
    """Each name of the loopback address is served, from its own origin and without one."""
    assert client.get("/", headers={"host": host}).text == "in"
    own = {"host": host, "origin": f"http://{host}"}
    assert client.post("/", headers=own).text == "in"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "",
     "localhost.evil.example", "[", "0.0.0.0:7860"],
)  # fmt: skip
def test_a_foreign_host_is_refused(host: str) -> None:
    """A request that names another host gets 403, as after DNS rebinding."""
    assert client.get("/", headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://127.0.0.1:7860", "http://127.0.0.1:9999",
     "http://localhost:7860", ""],
)  # fmt: skip
def test_a_foreign_origin_is_refused(origin: str) -> None:
    """A request from another origin's page gets 403, and no header that would let it read."""
    reply = client.get("/", headers={"host": "127.0.0.1:7860", "origin": origin})
    assert reply.status_code == 403
    assert "access-control-allow-origin" not in reply.headers


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
def test_no_host_breaks_the_guard(host: str) -> None:
    """Any Host header is either served or refused, never an error."""
    assert client.get("/", headers={"host": host}).status_code in {200, 403}


def test_every_reply_has_the_headers() -> None:
    """Replies and refusals carry the security headers."""
    for headers in ({"host": "127.0.0.1"}, {"host": "evil.example"}):
        reply = client.get("/", headers=headers)
        for name, value in HEADERS.items():
            assert reply.headers[name] == value


PUBLIC = Settings(public_url="https://intranet.example/ask", auth="keys", secret="s" * 32)


def guarded(settings: Settings) -> TestClient:
    """Return a client of a guard with these settings, in front of a portal's origin too."""
    guard = Guard(
        PlainTextResponse("in"),
        settings,
        lambda _: NOBODY,
        lambda origin: origin == "https://portal.example",
    )
    return TestClient(guard, base_url="https://intranet.example")


def test_the_public_host_is_served_and_no_other() -> None:
    """The host and origin of the public address are let in, its neighbours are not."""
    public = guarded(PUBLIC)
    assert public.get("/", headers={"origin": "https://intranet.example"}).text == "in"
    for host in ("intranet.example.evil.example", "evil.example", "intranet.example:444"):
        assert public.get("/", headers={"host": host}).status_code == 403
    assert public.get("/", headers={"origin": "http://intranet.example"}).status_code == 403


def test_a_portals_page_may_call_the_api_only() -> None:
    """A portal's origin gets CORS headers without credentials, for the API alone."""
    public = guarded(PUBLIC)
    origin = {"origin": "https://portal.example"}
    asked = public.options("/api/v1/answers", headers=origin)
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == "https://portal.example"
    assert "access-control-allow-credentials" not in asked.headers
    assert "authorization" in asked.headers["access-control-allow-headers"]
    assert public.post("/api/v1/answers", headers=origin).text == "in"
    for path in ("/", "/gradio_api/queue/join", "/v1/chat/completions", "/mcp"):
        assert public.get(path, headers=origin).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"cookie": "a=b"}, 403),
        ({"cookie": "a=b", "origin": "https://intranet.example"}, 200),
        ({"cookie": "a=b", "sec-fetch-site": "same-origin"}, 200),
        ({"cookie": "a=b", "sec-fetch-site": "same-site"}, 403),
        ({"cookie": "a=b", "authorization": "Bearer x"}, 200),
        ({}, 200),
    ],
)
def test_a_cookie_alone_writes_nothing(headers: dict[str, str], status: int) -> None:
    """A write with a cookie has to come from our own page; reading does not."""
    public = guarded(PUBLIC)
    assert public.post("/", headers=headers).status_code == status
    assert public.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("sent", "kept"), [("abc-1.2_3", True), ("a b", False), ("x" * 65, False), ("é\n", False)]
)
def test_every_reply_says_its_requests_id(sent: str, kept: bool) -> None:
    """A request id that is well formed comes back, any other is replaced."""
    reply = client.get("/", headers={"host": "127.0.0.1", "x-request-id": sent.encode()})
    assert (reply.headers["x-request-id"] == sent) == kept
    assert reply.headers["x-request-id"]
