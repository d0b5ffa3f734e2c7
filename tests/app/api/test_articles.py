"""Articles over HTTP: read, uploaded, corrected and removed, with jobs to watch."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.app.api.conftest import Api

TOWER = (
    b"---\ntitle: The tower\ndate: 1950-01-02\n---\nThe harbour tower opened on 2 January 1950.\n"
)


def finish(client: TestClient, reply: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a job when it has ended."""
    assert reply.status_code == 202, reply.text
    job: dict[str, Any] = reply.json()
    deadline = time.monotonic() + 30
    while job["state"] == "running" and time.monotonic() < deadline:
        job = client.get(f"/api/v1/jobs/{job['id']}").json()
        time.sleep(0.01)
    return job


def upload(client: TestClient, *files: tuple[str, bytes], **form: str) -> Any:  # noqa: ANN401
    """Upload files."""
    sent = [("files", (name, content)) for name, content in files]
    return client.post("/api/v1/articles", files=sent, data=form)


def test_an_upload_is_an_article_and_the_same_twice_is_one(client: TestClient) -> None:
    """The job reports what was added, the article answers, and nothing is duplicated."""
    job = finish(client, upload(client, ("tower.md", TOWER), collection="towers"))
    assert (job["state"], job["result"]["added"], job["result"]["failed"]) == ("done", 1, [])
    again = finish(client, upload(client, ("tower.md", TOWER), collection="towers"))
    assert (again["result"]["added"], again["result"]["unchanged"]) == (0, 1)
    (head,) = client.get("/api/v1/articles", params={"collection": "towers"}).json()["items"]
    assert (head["title"], head["published"]) == ("The tower", "1950-01-02")
    asked = {"question": "When was the harbour tower opened?"}
    answer = client.post("/api/v1/answers", json=asked).json()
    assert answer["citations"][0]["article_id"] == head["article_id"]
    listed = client.get("/api/v1/jobs").json()["items"]
    assert [each["id"] for each in listed] == [again["id"], job["id"]]


def test_a_file_that_cannot_be_taken_stops_no_other(client: TestClient) -> None:
    """A file without text is named with its reason; the other is taken in."""
    job = finish(client, upload(client, ("empty.txt", b" "), ("tower.md", TOWER)))
    assert job["result"]["added"] == 1
    (failure,) = job["result"]["failed"]
    assert failure["source"] == "empty.txt"
    refused = upload(client, ("tower.exe", b"MZ"))
    assert refused.status_code == 422
    assert "tower.exe" in refused.json()["detail"]


def test_a_job_tells_its_progress_as_events(client: TestClient) -> None:
    """The stream ends with the whole job."""
    job = finish(client, upload(client, ("tower.md", TOWER)))
    frames = client.get(f"/api/v1/jobs/{job['id']}/events").text.strip().split("\n\n")
    last = dict(line.split(": ", 1) for line in frames[-1].split("\n"))
    assert last["event"] == "done"
    assert json.loads(last["data"]) == job


def test_a_correction_keeps_the_article(client: TestClient) -> None:
    """The article has the same id and another text; what was left out stays."""
    (head,) = client.get("/api/v1/articles", params={"collection": "bridge"}).json()["items"]
    path = f"/api/v1/articles/{head['article_id']}"
    text = "The harbour bridge opened on 20 March 1932."
    job = finish(client, client.patch(path, json={"text": text}))
    assert job["result"]["updated"] == 1, job
    article = client.get(path).json()
    assert (article["text"], article["title"]) == (text, "The bridge")
    assert article["published"] == "1932-03-19"
    assert client.patch(path, json={}).status_code == 422
    assert client.patch("/api/v1/articles/nope", json={"text": text}).status_code == 404


def test_highlights_are_the_words_that_were_asked_for(client: TestClient) -> None:
    """A range is highlighted as it is, a query's words in whatever form they stand."""
    (head,) = client.get("/api/v1/articles", params={"collection": "bridge"}).json()["items"]
    path = f"/api/v1/articles/{head['article_id']}"
    assert client.get(path, params={"start": 4, "end": 11}).json()["highlights"] == [[4, 11]]
    found = client.get(path, params={"query": "opening of bridges"}).json()
    words = [found["text"][start:end] for start, end in found["highlights"]]
    assert words == ["bridge", "opened"]
    assert client.get(path, params={"start": 90_000, "end": 90_010}).json()["highlights"] == []


def test_articles_come_page_by_page(client: TestClient) -> None:
    """Each article comes once, newest first."""
    first = client.get("/api/v1/articles", params={"limit": 1}).json()
    second = client.get("/api/v1/articles", params={"limit": 1, "cursor": first["next_cursor"]})
    titles = [first["items"][0]["title"], second.json()["items"][0]["title"]]
    assert titles == ["The tunnel", "The bridge"]
    assert second.json()["next_cursor"] is None


def test_collections_are_managed(client: TestClient) -> None:
    """A collection is created, renamed and deleted with its articles; names are unique."""
    assert client.post("/api/v1/collections", json={"name": "towers"}).status_code == 201
    assert client.post("/api/v1/collections", json={"name": "towers"}).status_code == 422
    renamed = client.patch("/api/v1/collections/bridge", json={"name": "bridges"})
    assert renamed.json()["articles"] == 1
    assert client.delete("/api/v1/collections/bridges").status_code == 204
    names = [each["name"] for each in client.get("/api/v1/collections").json()["items"]]
    assert names == ["towers", "tunnel"]
    assert len(client.get("/api/v1/articles").json()["items"]) == 1


def test_writes_are_in_the_audit_log(api: Api) -> None:
    """Who wrote what is noted, with the request's id."""
    client = api.client("search", "ingest")
    (head, _) = client.get("/api/v1/articles").json()["items"]
    reply = client.delete(f"/api/v1/articles/{head['article_id']}")
    (entry,) = api.runtime.service().records.audit.page(10)
    assert (entry.action, entry.target, entry.allowed) == ("remove", head["uri"], True)
    assert entry.actor.startswith("key:")
    assert entry.request == reply.headers["x-request-id"]


@pytest.mark.parametrize("size", [1_100_001, 30_000_000])
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused(
    client: TestClient, size: int, announced: bool
) -> None:
    """413, whether or not the request said how much it would bring."""
    content = b"x" * size if announced else (b"x" * 100_000 for _ in range(size // 100_000 + 1))
    reply = client.post("/api/v1/search", content=content)
    assert reply.status_code == 413, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
