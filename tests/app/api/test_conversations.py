"""Conversations belong to who has them, keep answers as they were, and can be taken along."""

from __future__ import annotations

import json
from typing import Any

import pytest
from markdown_it import MarkdownIt
from starlette.testclient import TestClient

from tests.app.api.conftest import Api

QUESTION = "When was the harbour bridge opened?"


def begin(client: TestClient, title: str = "Harbours") -> str:
    """Begin a conversation and return its id."""
    reply = client.post("/api/v1/conversations", json={"title": title})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


def ask(client: TestClient, **asked: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an answer, whole."""
    reply = client.post("/api/v1/answers", json={"question": QUESTION, **asked})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def test_an_answer_is_kept_as_it_was_given(client: TestClient) -> None:
    """The conversation holds the answer with its citations and passages, word for word."""
    conversation = begin(client)
    answer = ask(client, conversation_id=conversation)
    assert answer["outcome"] == "answered"
    whole = client.get(f"/api/v1/conversations/{conversation}").json()
    assert [each["answer"] for each in whole["answers"]] == [answer]
    assert whole["updated"] >= whole["answers"][0]["asked"] > whole["created"]
    assert client.get(f"/api/v1/answers/{answer['id']}").json() == answer


def test_a_conversation_outlives_its_articles(client: TestClient) -> None:
    """An answer stays as it was when the article it cites is removed."""
    conversation = begin(client)
    answer = ask(client, conversation_id=conversation)
    for citation in answer["citations"]:
        assert client.delete(f"/api/v1/articles/{citation['article_id']}").status_code == 200
    whole = client.get(f"/api/v1/conversations/{conversation}").json()
    assert whole["answers"][0]["answer"] == answer


def test_an_erased_article_leaves_no_answer(client: TestClient, runtime: Any) -> None:  # noqa: ANN401
    """Erasing an article empties the answers that show it, and no file holds their words."""
    conversation = begin(client)
    answer = ask(client, conversation_id=conversation)
    service = runtime.service()
    service.erase([answer["citations"][0]["article_id"]], None, lambda _: None)
    whole = client.get(f"/api/v1/conversations/{conversation}").json()
    assert whole["answers"][0]["answer"] is None
    assert client.get(f"/api/v1/answers/{answer['id']}").status_code == 404
    quote = answer["citations"][0]["quote"].encode()
    for path in service.store.folder.rglob("*"):
        assert not path.is_file() or quote not in path.read_bytes(), path


def test_conversations_come_page_by_page(client: TestClient) -> None:
    """Every conversation comes once, the last changed first, however small the pages."""
    made = [begin(client, f"number {n}") for n in range(5)]
    ask(client, conversation_id=made[1])
    found: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = client.get("/api/v1/conversations", params=query).json()
        found += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [made[1], made[4], made[3], made[2], made[0]]
    bad = client.get("/api/v1/conversations", params={"cursor": "%%%"})
    assert bad.status_code == 422
    assert "cursor" in bad.json()["detail"]


def test_a_conversation_is_renamed_and_deleted(client: TestClient) -> None:
    """A new title is shown; after the deletion neither it nor its answers are there."""
    conversation = begin(client)
    answer = ask(client, conversation_id=conversation)
    path = f"/api/v1/conversations/{conversation}"
    assert client.patch(path, json={"title": "Bridges"}).json()["title"] == "Bridges"
    assert client.get(path).json()["title"] == "Bridges"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert client.get(f"/api/v1/answers/{answer['id']}").status_code == 404
    assert client.delete(path).status_code == 404


def test_an_export_has_every_citation_as_a_footnote(client: TestClient) -> None:
    """The Markdown has question, sentences and footnotes; the JSON is the conversation itself."""
    conversation = begin(client, "<b>Harbours</b> [x](javascript:1)")
    answer = ask(client, conversation_id=conversation)
    path = f"/api/v1/conversations/{conversation}"
    reply = client.get(f"{path}/export")
    assert reply.headers["content-disposition"].startswith("attachment")
    rendered = MarkdownIt().render(reply.text)
    assert "<b>" not in rendered
    assert "<a" not in rendered
    assert "&lt;b&gt;Harbours&lt;/b&gt; [x](javascript:1)" in rendered
    for number, citation in enumerate(answer["citations"], 1):
        assert f"[^{number}]" in reply.text
        assert citation["quote"] in rendered
    as_json = client.get(f"{path}/export", params={"form": "json"})
    assert as_json.json() == client.get(path).json()


def test_an_export_names_the_days_that_were_asked_for(client: TestClient) -> None:
    """A filter by dates stands in front of the answer."""
    conversation = begin(client)
    ask(
        client, conversation_id=conversation, published_from="1932-01-01", published_to="1932-12-31"
    )
    exported = client.get(f"/api/v1/conversations/{conversation}/export").text
    assert "Only articles of 1932:" in exported


def test_what_belongs_to_another_does_not_exist(api: Api) -> None:
    """Another key can neither read, change, extend nor judge what one key has asked."""
    mine, other = api.client("ask"), api.client("ask", "search", "ingest", "admin")
    conversation = begin(mine)
    answer = ask(mine, conversation_id=conversation)
    path = f"/api/v1/conversations/{conversation}"
    feedback = {"answer_id": answer["id"], "verdict": "unhelpful"}
    refused = [
        other.get(path),
        other.get(f"{path}/export"),
        other.patch(path, json={"title": "mine"}),
        other.delete(path),
        other.get(f"/api/v1/answers/{answer['id']}"),
        other.get(f"/api/v1/answers/{answer['id']}/events"),
        other.post("/api/v1/feedback", json=feedback),
        other.post("/api/v1/answers", json={"question": QUESTION, "conversation_id": conversation}),
    ]
    assert [reply.status_code for reply in refused] == [404] * len(refused)
    assert other.get("/api/v1/conversations").json()["items"] == []
    assert len(mine.get(path).json()["answers"]) == 1


def test_feedback_is_given_once_and_may_change(client: TestClient, runtime: Any) -> None:  # noqa: ANN401
    """The last verdict on an answer counts, with its reason."""
    answer = ask(client)
    for verdict, reason in (("helpful", None), ("unhelpful", "outdated")):
        given = {"answer_id": answer["id"], "verdict": verdict, "reason": reason}
        assert client.post("/api/v1/feedback", json=given).status_code == 204
    (kept,) = runtime.service().records.feedback.page(10)
    assert (kept.verdict, kept.reason, kept.question) == ("unhelpful", "outdated", QUESTION)
    bad = client.post("/api/v1/feedback", json={"answer_id": answer["id"], "verdict": "meh"})
    assert bad.status_code == 422


@pytest.mark.parametrize("after", [-1, 0, 1, 2])
def test_a_stream_goes_on_behind_the_last_event(client: TestClient, after: int) -> None:
    """Resumed from memory or from the records, the stream is what was not seen of the first."""
    whole = client.post("/api/v1/answers", json={"question": QUESTION, "stream": True}).text
    frames = whole.strip().split("\n\n")
    answer = json.loads(frames[0].split("data: ")[1])["answer_id"]
    runtime = client.app._app.state.runtime  # type: ignore[attr-defined]
    for _ in ("memory", "records"):
        resumed = client.get(
            f"/api/v1/answers/{answer}/events", headers={"last-event-id": str(after)}
        )
        assert resumed.text.strip().split("\n\n") == frames[after + 1 :]
        runtime.desk._works.clear()


def test_a_write_with_a_key_is_done_once(client: TestClient) -> None:
    """The same Idempotency-Key gives the same reply; with another request it is a conflict."""
    once = {"idempotency-key": "abc"}
    first = client.post("/api/v1/conversations", json={"title": "One"}, headers=once)
    again = client.post("/api/v1/conversations", json={"title": "One"}, headers=once)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert len(client.get("/api/v1/conversations").json()["items"]) == 1
    other = client.post("/api/v1/conversations", json={"title": "Two"}, headers=once)
    assert other.status_code == 409
    asked = {"idempotency-key": "answer"}
    answers = [
        client.post("/api/v1/answers", json={"question": QUESTION}, headers=asked).json()
        for _ in range(2)
    ]
    assert answers[0] == answers[1]


def test_a_question_may_lean_on_its_conversation(client: TestClient) -> None:
    """In a conversation "it" is what was spoken of; outside of it nothing is added."""
    conversation = begin(client)
    ask(client, conversation_id=conversation)
    told = ask(client, question="How long is it?", conversation_id=conversation)
    assert told["question"] == "How long is it?"
    assert "harbour bridge" in told["question_used"]
    assert ask(client, question="How long is it?")["question_used"] == "How long is it?"
