"""Only pages of this machine's own address may use the service."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from app.api.guard import HEADERS, Guard

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
