"""A portal's user: from the token that its backend signs to answers in its collections."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from starlette.testclient import TestClient

from app.records.portals import Portal
from tests.app.api.conftest import Api, client_of

ORIGIN = "https://portal.example"


@pytest.fixture
def portal(api: Api) -> Portal:
    """A portal whose users see one of the two collections."""
    service = api.runtime.service()
    return service.records.portals.create("intranet", [ORIGIN], service.ids_of(["bridge"]))


def signed(api: Api, portal: Portal, **changed: Any) -> str:  # noqa: ANN401
    """Return a token as the portal's backend signs it."""
    now = time.time()
    claims = {
        "iss": portal.name,
        "aud": "citewell",
        "sub": "ada",
        "portal": portal.id,
        "origin": ORIGIN,
        "iat": now,
        "exp": now + 60,
        "jti": str(now),
        **changed,
    }
    return jwt.encode(claims, api.runtime.access.portal_secret(portal), algorithm="HS256")


def begin(api: Api, token: str) -> Any:  # noqa: ANN401
    """Exchange a token as the portal's page does."""
    return client_of(api.runtime).post(
        "/api/v1/sessions", json={"token": token}, headers={"origin": ORIGIN}
    )


def user(api: Api, portal: Portal, **changed: Any) -> TestClient:  # noqa: ANN401
    """Return a client that is a user of the portal."""
    reply = begin(api, signed(api, portal, **changed))
    assert reply.status_code == 201, reply.text
    bearer = f"Bearer {reply.json()['access_token']}"
    return client_of(api.runtime, {"authorization": bearer, "origin": ORIGIN})


def test_a_portals_user_asks_its_collections(api: Api, portal: Portal) -> None:
    """The session answers from the portal's collection and knows of no other."""
    client = user(api, portal)
    answer = client.post("/api/v1/answers", json={"question": "When did the harbour bridge open?"})
    assert answer.json()["outcome"] == "answered"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert [each["name"] for each in client.get("/api/v1/collections").json()["items"]] == [
        "bridge"
    ]
    assert client.get("/api/v1/me").json()["subject"] == f"portal:{portal.id}/ada"
    assert client.post("/api/v1/collections", json={"name": "x"}).status_code == 403


def test_users_of_a_portal_are_apart(api: Api, portal: Portal) -> None:
    """One user's conversation is not another's."""
    ada, bob = user(api, portal), user(api, portal, sub="bob", jti="b")
    made = ada.post("/api/v1/conversations", json={"title": "Mine"}).json()["id"]
    assert ada.get(f"/api/v1/conversations/{made}").status_code == 200
    assert bob.get(f"/api/v1/conversations/{made}").status_code == 404


def test_a_token_is_good_once(api: Api, portal: Portal) -> None:
    """The same token is refused the second time."""
    token = signed(api, portal)
    assert begin(api, token).status_code == 201
    assert begin(api, token).status_code == 401


def test_a_session_stays_on_its_portals_pages(api: Api, portal: Portal) -> None:
    """Another origin, even of another portal, cannot use it."""
    service = api.runtime.service()
    service.records.portals.create("other", ["https://other.example"], service.ids_of(["tunnel"]))
    client = user(api, portal)
    elsewhere = {"origin": "https://other.example"}
    assert client.get("/api/v1/collections", headers=elsewhere).status_code == 403


def test_a_removed_portal_ends_its_sessions(api: Api, portal: Portal) -> None:
    """After its removal neither the session nor a new token is let in."""
    client = user(api, portal)
    admin = api.client("admin")
    assert admin.delete(f"/api/v1/portals/{portal.id}").status_code == 204
    client.headers.pop("origin")
    assert client.get("/api/v1/collections").status_code == 401
    direct = client_of(api.runtime)
    token = signed(api, portal, jti="again")
    assert direct.post("/api/v1/sessions", json={"token": token}).status_code == 401
