"""Nothing answers without its right: every route and method, for every kind of user."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from app.api.rest import rest_app
from app.api.runtime import Runtime
from tests.app.api.conftest import Api

PUBLIC = {("GET", "/api/v1/openapi.json"), ("HEAD", "/api/v1/openapi.json")}
ANYBODY = {
    ("POST", "/api/v1/sessions"),  # a portal's token is its own proof
    ("GET", "/admin"),  # a page that holds nothing itself
    ("GET", "/widget/{version}/citewell.js"),  # what every page of a portal loads
    ("GET", "/widget/frame"),
    ("GET", "/widget/frame.js"),
    ("GET", "/widget/login"),
    ("GET", "/widget/login.js"),
    ("HEAD", "/widget/{version}/citewell.js"),
    ("HEAD", "/widget/frame"),
    ("HEAD", "/widget/frame.js"),
    ("HEAD", "/widget/login"),
    ("HEAD", "/widget/login.js"),
}
NEEDS: dict[tuple[str, str], set[str]] = {
    ("POST", "/api/v1/answers"): {"ask"},
    ("GET", "/api/v1/answers/{answer_id}"): {"ask"},
    ("GET", "/api/v1/answers/{answer_id}/events"): {"ask"},
    ("GET", "/api/v1/answers/{answer_id}/suggestions"): {"ask"},
    ("POST", "/api/v1/search"): {"search"},
    ("GET", "/api/v1/suggestions"): {"ask"},
    ("POST", "/api/v1/conversations"): {"ask"},
    ("GET", "/api/v1/conversations"): {"ask"},
    ("GET", "/api/v1/conversations/{conversation_id}"): {"ask"},
    ("GET", "/api/v1/conversations/{conversation_id}/export"): {"ask"},
    ("PATCH", "/api/v1/conversations/{conversation_id}"): {"ask"},
    ("DELETE", "/api/v1/conversations/{conversation_id}"): {"ask"},
    ("POST", "/api/v1/feedback"): {"ask"},
    ("GET", "/api/v1/articles"): {"ask", "search", "ingest", "admin"},
    ("GET", "/api/v1/articles/{article_id}"): {"ask", "search", "ingest", "admin"},
    ("POST", "/api/v1/articles"): {"ingest"},
    ("PATCH", "/api/v1/articles/{article_id}"): {"ingest"},
    ("DELETE", "/api/v1/articles/{article_id}"): {"ingest"},
    ("GET", "/api/v1/collections"): {"ask", "search", "ingest", "admin"},
    ("POST", "/api/v1/collections"): {"admin"},
    ("PATCH", "/api/v1/collections/{name:path}"): {"admin"},
    ("DELETE", "/api/v1/collections/{name:path}"): {"admin"},
    ("GET", "/api/v1/jobs"): {"ingest"},
    ("GET", "/api/v1/jobs/{job_id}"): {"ingest"},
    ("GET", "/api/v1/jobs/{job_id}/events"): {"ingest"},
    ("DELETE", "/api/v1/sessions"): set(),  # a key is no session: it takes a portal's user
    ("GET", "/api/v1/me"): {"ask", "search", "ingest", "admin"},
    ("GET", "/api/v1/keys"): {"admin"},
    ("POST", "/api/v1/keys"): {"admin"},
    ("DELETE", "/api/v1/keys/{key_id}"): {"admin"},
    ("GET", "/api/v1/grants"): {"admin"},
    ("PUT", "/api/v1/grants"): {"admin"},
    ("DELETE", "/api/v1/grants/{principal:path}"): {"admin"},
    ("GET", "/api/v1/portals"): {"admin"},
    ("DELETE", "/api/v1/portals/{portal_id}"): {"admin"},
    ("GET", "/v1/models"): {"ask"},
    ("GET", "/v1/models/{model:path}"): {"ask"},
    ("POST", "/v1/chat/completions"): {"ask"},
    ("GET", "/metrics"): {"admin"},
    ("GET", "/api/v1/admin/stats"): {"admin"},
    ("GET", "/api/v1/admin/gaps"): {"admin"},
    ("GET", "/api/v1/admin/feedback"): {"admin"},
    ("GET", "/api/v1/admin/feedback/cases"): {"admin"},
    ("GET", "/api/v1/admin/audit"): {"admin"},
    ("GET", "/api/v1/admin/users/{subject:path}/data"): {"admin"},
    ("DELETE", "/api/v1/admin/users/{subject:path}/data"): {"admin"},
}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "json": {"model": "citewell", "messages": [{"role": "user", "content": "When?"}]}
    },
    "/api/v1/answers": {"json": {"question": "When was the bridge opened?"}},
    "/api/v1/search": {"json": {"query": "bridge"}},
    "/api/v1/conversations": {"json": {"title": "x"}},
    "/api/v1/conversations/{conversation_id}": {"json": {"title": "x"}},
    "/api/v1/feedback": {"json": {"answer_id": "x", "verdict": "helpful"}},
    "/api/v1/articles": {"files": [("files", ("a.txt", b"Some text."))]},
    "/api/v1/articles/{article_id}": {"json": {"title": "x"}},
    "/api/v1/collections": {"json": {"name": "x"}},
    "/api/v1/collections/{name:path}": {"json": {"name": "y"}},
    "/api/v1/keys": {"json": {"name": "x", "rights": ["ask"]}},
    "/api/v1/grants": {"json": {"principal": "*", "role": "reader"}},
}


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Return every method and path that the API answers."""
    found = []
    for route in app.routes:
        if isinstance(route, APIRoute):
            found += [(method, route.path) for method in sorted(route.methods)]
        elif getattr(route, "original_router", None) is not None:
            inner = route.original_router.routes
            found += [(method, each.path) for each in inner for method in sorted(each.methods)]
    return found


def call(client: TestClient, method: str, path: str) -> int:
    """Return the status of a request that is whole but for its ids, which name nothing."""
    body = BODIES.get(path, {}) if method in ("POST", "PUT", "PATCH") else {}
    url = re.sub(r"[{}]|:path", "", path)
    return client.request(method, url, **body).status_code


def test_every_route_is_in_the_matrix(runtime: Runtime) -> None:
    """A route that nobody thought of here has no right to exist."""
    assert sorted(set(routes(rest_app(runtime)))) == sorted({*NEEDS, *ANYBODY})


def test_nobody_gets_nothing(api: Api) -> None:
    """Without a key every route answers 401."""
    nobody = api.client()
    statuses = {(method, path): call(nobody, method, path) for method, path in NEEDS}
    assert statuses == dict.fromkeys(NEEDS, 401)


@pytest.mark.parametrize("right", ["ask", "search", "ingest", "admin"])
def test_a_right_opens_its_routes_and_no_other(api: Api, right: str) -> None:
    """A key with one right gets 403 wherever that is not enough, and never where it is."""
    client = api.client(right)
    for (method, path), rights in NEEDS.items():
        status = call(client, method, path)
        assert (status == 403) == (right not in rights), (method, path, status)
        assert status not in (401, 500), (method, path, status)


def test_other_collections_do_not_exist(api: Api) -> None:
    """A key for one collection sees no article, name, count or answer of another."""
    client = api.client("ask", "search", "ingest", collections=["bridge"])
    everything = api.client("search").get("/api/v1/articles").json()["items"]
    hidden = next(head for head in everything if head["uri"] == "tunnel.md")
    assert [each["name"] for each in client.get("/api/v1/collections").json()["items"]] == [
        "bridge"
    ]
    assert [head["uri"] for head in client.get("/api/v1/articles").json()["items"]] == ["bridge.md"]
    path = f"/api/v1/articles/{hidden['article_id']}"
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404
    assert client.patch(path, json={"title": "x"}).status_code == 404
    for asked in ({}, {"published_from": "1990-01-01"}, {"languages": ["en"]}):
        found = client.post("/api/v1/search", json={"query": "harbour tunnel", **asked}).json()
        assert "tunnel.md" not in [each["uri"] for each in found["passages"]]
    answer = client.post("/api/v1/answers", json={"question": "When did the tunnel open?"})
    assert "tunnel.md" not in answer.text
    named = client.post("/api/v1/search", json={"query": "harbour", "collection": "tunnel"})
    assert named.status_code == 404
    assert "bridge" in named.text
    upload = [("files", ("a.txt", b"Some text."))]
    for collection in ("tunnel", "new"):
        reply = client.post("/api/v1/articles", files=upload, data={"collection": collection})
        assert reply.status_code == 403, collection


def test_a_limited_admin_administers_nothing(api: Api) -> None:
    """A key with `admin` in one collection can make no key that sees more than itself."""
    client = api.client("admin", collections=["bridge"])
    for method, path in NEEDS:
        if NEEDS[method, path] == {"admin"}:
            assert call(client, method, path) == 403, (method, path)


def test_a_deleted_collection_frees_nothing(api: Api) -> None:
    """When a key's only collection is deleted, the key sees nothing, not everything."""
    client = api.client("search", collections=["bridge"])
    admin = api.client("admin")
    assert admin.delete("/api/v1/collections/bridge").status_code == 204
    assert client.get("/api/v1/articles").json()["items"] == []
    assert client.post("/api/v1/search", json={"query": "harbour"}).json()["passages"] == []


def test_keys_are_made_and_revoked(api: Api) -> None:
    """A new key works with its rights until it is revoked; its secret is shown once."""
    admin = api.client("admin")
    made = admin.post("/api/v1/keys", json={"name": "portal", "rights": ["search"]}).json()
    client = api.client()
    client.headers["authorization"] = f"Bearer {made['secret']}"
    assert client.post("/api/v1/search", json={"query": "bridge"}).status_code == 200
    assert made["secret"] not in admin.get("/api/v1/keys").text
    assert client.get("/api/v1/me").json()["rights"] == {"search": None}
    assert admin.delete(f"/api/v1/keys/{made['id']}").status_code == 204
    assert client.post("/api/v1/search", json={"query": "bridge"}).status_code == 401
