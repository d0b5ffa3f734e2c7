"""The reader's API in this process: filters, refusals, and what an answer had to do without."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.api.runtime import Runtime

QUESTION = "When was the harbour opened?"


def events(client: TestClient, **asked: Any) -> list[tuple[str, dict[str, Any]]]:  # noqa: ANN401
    """Return the name and data of every event of an answer."""
    reply = client.post("/api/v1/answers", json={"question": QUESTION, "stream": True, **asked})
    assert reply.status_code == 200, reply.text
    frames = [
        dict(line.split(": ", 1) for line in frame.split("\n"))
        for frame in reply.text.strip().split("\n\n")
    ]
    return [(frame["event"], json.loads(frame["data"])) for frame in frames]


@pytest.mark.parametrize(
    ("asked", "uris"),
    [
        ({}, ["bridge.md", "tunnel.md"]),
        ({"collection": "bridge"}, ["bridge.md"]),
        ({"collections": ["tunnel"]}, ["tunnel.md"]),
        ({"collection": "bridge", "collections": ["tunnel"]}, ["bridge.md", "tunnel.md"]),
        ({"collections": []}, []),
        ({"published_from": "1932-03-20"}, ["tunnel.md"]),
        ({"published_from": "1932-03-19", "published_to": "1932-03-19"}, ["bridge.md"]),
        ({"languages": ["de"]}, []),
        ({"sources": ["/nowhere"]}, []),
    ],
)
def test_an_answer_is_of_its_filters(
    client: TestClient, asked: dict[str, Any], uris: list[str]
) -> None:
    """The passages are of the articles that the filters let through, and the start names these."""
    told = events(client, **asked)
    assert [name for name, _ in told][:2] == ["start", "passages"]
    assert sorted(passage["uri"] for passage in told[1][1]["passages"]) == uris
    filters = told[0][1]["filters"]
    for name in ("sources", "languages", "published_from", "published_to"):
        assert filters[name] == asked.get(name)
    given = len(asked.get("collections", ())) + ("collection" in asked)
    assert len(filters["collections"] or ()) == given


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"published_from": "1932-02-30"}, 422),
        ({"published_to": "yesterday"}, 422),
        ({"collections": "bridge"}, 422),
        ({"colour": "blue"}, 422),
        ({"collections": ["bridge", "nope"]}, 404),
    ],
)
def test_a_filter_that_cannot_be_used_is_refused(
    client: TestClient, asked: dict[str, Any], status: int
) -> None:
    """A bad date, an unknown field or collection is refused before the stream, and named."""
    reply = client.post("/api/v1/answers", json={"question": QUESTION, **asked})
    assert reply.status_code == status
    (field,) = asked
    assert "nope" in reply.text if status == 404 else field in reply.text


def test_an_answer_says_what_it_does_without(
    client: TestClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While there is no dense index the same passages come, behind a `degraded` event."""
    (_, whole) = events(client)[1]
    with monkeypatch.context() as patch:
        patch.setattr(runtime.service().store.vectors, "dense", None)
        told = events(client)
    assert [name for name, _ in told][:3] == ["start", "degraded", "passages"]
    assert "being built anew" in told[1][1]["reason"]
    ids = [passage["chunk_id"] for passage in whole["passages"]]
    assert [passage["chunk_id"] for passage in told[2][1]["passages"]] == ids
