"""What administrators learn over HTTP, and nobody else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.api.guard import Guard
from app.api.insight import insight_router
from app.api.problems import handle_problems
from app.api.runtime import Runtime
from app.identity import NOBODY, Identity
from app.records.records import Records
from app.settings import Settings
from tests.kept import body

SETTINGS = Settings(auth="keys", secret="s" * 32)
ADMIN = Identity("key:k1", {"admin": None})
REFUSED = [
    (NOBODY, 401),
    (Identity("user:ed", {"ask": None, "ingest": None}), 403),
    (Identity("user:lim", {"admin": ("c1",)}), 403),
]
ROUTES = [
    ("GET", "stats"),
    ("GET", "gaps"),
    ("GET", "gaps?format=csv"),
    ("GET", "feedback"),
    ("GET", "feedback/cases"),
    ("GET", "audit"),
    ("GET", "users/user:ada/data"),
    ("DELETE", "users/user:ada/data"),
]
BASE = "/api/v1/admin"
FORMULA = "=cmd|' /C calc'!A0"


@pytest.fixture
def records(runtime: Runtime) -> Records:
    """The runtime's records, with three answers of two people, feedback and an audit."""
    kept = runtime.service().records
    kept.conversations.keep("user:ada", body("q1", "How many trees?"))
    kept.conversations.keep("user:ada", body("q2", FORMULA, "not_found"))
    kept.conversations.keep("portal:p1/eve", body("q3", "how many trees"))
    kept.feedback.give("q1", "helpful", None, None)
    kept.feedback.give("q3", "unhelpful", "outdated", "Count again.")
    kept.audit.note("user:ada", "ingest", "c1")
    return kept


@pytest.fixture
def client_of(runtime: Runtime, records: Records) -> Callable[[Identity], TestClient]:
    """The routes as somebody reaches them."""
    inner = FastAPI()
    inner.include_router(insight_router(runtime))
    handle_problems(inner)
    return lambda identity: TestClient(
        Guard(inner, SETTINGS, lambda _: identity), "http://127.0.0.1"
    )


@pytest.fixture
def admin(client_of: Callable[[Identity], TestClient]) -> TestClient:
    """The routes as an administrator reaches them."""
    return client_of(ADMIN)


@pytest.mark.parametrize(("identity", "status"), REFUSED)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_others_learn_nothing(
    client_of: Callable[[Identity], TestClient],
    records: Records,
    method: str,
    path: str,
    identity: Identity,
    status: int,
) -> None:
    """Without the right, or with it for some collections only, every route is refused."""
    reply = client_of(identity).request(method, f"{BASE}/{path}")
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert "trees" not in reply.text
    assert len(records.conversations.of_owner("user:ada")) == 2


def test_the_figures(admin: TestClient) -> None:
    """The figures are those of the records."""
    found = admin.get(f"{BASE}/stats?days=7").json()
    assert (found["days"], found["answers"], found["people"]) == (7, 3, 2)
    assert found["outcomes"]["not_found"] == {"count": 1, "share": 0.3333}
    assert found["verdicts"] == {"helpful": 1, "unhelpful": 1}
    assert found["reasons"] == {"outdated": 1}
    assert found["latency_ms"]["total"] == {"p50": 10.0, "p95": 10.0, "count": 3}
    assert len(found["by_day"]) == 8
    assert [each["count"] for each in found["most_asked"]] == [2, 1]


@pytest.mark.parametrize("days", ["0", "-1", "x", "99999"])
def test_what_is_no_number_of_days_is_told(admin: TestClient, days: str) -> None:
    """A time that cannot be looked back on is a 422."""
    assert admin.get(f"{BASE}/stats", params={"days": days}).status_code == 422


def test_gaps_as_json(admin: TestClient) -> None:
    """A gap is told as it was asked, with the closest articles."""
    (gap,) = admin.get(f"{BASE}/gaps").json()["items"]
    assert (gap["question"], gap["count"], gap["closest"]) == (FORMULA, 1, ["The title of c1"])


@pytest.mark.parametrize(("query", "accept"), [("?format=csv", "*/*"), ("", "text/csv, */*;q=0.1")])
def test_gaps_as_csv(admin: TestClient, query: str, accept: str) -> None:
    """By the query or the Accept header they come as a table that holds no formula."""
    reply = admin.get(f"{BASE}/gaps{query}", headers={"accept": accept})
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-disposition"] == 'attachment; filename="gaps.csv"'
    _, row = csv.reader(io.StringIO(reply.text))
    assert row[0] == f"'{FORMULA}"


def test_json_is_preferred_if_it_is_named(admin: TestClient) -> None:
    """The query wins over the header, and another format is a 422."""
    reply = admin.get(f"{BASE}/gaps?format=json", headers={"accept": "text/csv"})
    assert reply.json()["items"]
    assert admin.get(f"{BASE}/gaps?format=xls").status_code == 422


@pytest.mark.parametrize("kind", ["feedback", "audit"])
def test_lists_come_page_by_page(admin: TestClient, records: Records, kind: str) -> None:
    """Following the cursor gives each entry once, newest first."""
    records.audit.note("user:eve", "login", None, None, None, False)
    seen, cursor = [], ""
    for _ in range(5):
        page = admin.get(f"{BASE}/{kind}?limit=1{cursor}").json()
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    told = [each.get("answer_id") or each["actor"] for each in seen]
    assert told == (["q3", "q1"] if kind == "feedback" else ["user:eve", "user:ada"])
    assert admin.get(f"{BASE}/{kind}?cursor=nonsense").status_code == 422


def test_feedback_is_shown_with_its_answer(admin: TestClient, records: Records) -> None:
    """An entry has the question and the text, unless what it quotes was erased."""
    first = admin.get(f"{BASE}/feedback").json()["items"][0]
    assert (first["question"], first["text"]) == ("how many trees", "It is so. [1]")
    assert (first["verdict"], first["comment"]) == ("unhelpful", "Count again.")
    records.conversations.keep("user:ada", {**body("q4", "Erased?", "not_found")})
    records.feedback.give("q4", "helpful", None, None)
    records.conversations.forget_articles(["c1"])
    erased = admin.get(f"{BASE}/feedback").json()["items"][0]
    assert (erased["question"], erased["outcome"], erased["text"]) == ("Erased?", None, None)


def test_feedback_becomes_cases(admin: TestClient) -> None:
    """Each line is a case."""
    reply = admin.get(f"{BASE}/feedback/cases")
    assert reply.headers["content-type"].startswith("application/x-ndjson")
    cases = [json.loads(line) for line in reply.text.splitlines()]
    assert [(case["id"], case["answer"]) for case in cases] == [("q3", None), ("q1", ["It is so."])]


def test_a_persons_data_are_given_out_and_deleted(admin: TestClient, records: Records) -> None:
    """Both are noted in the audit, with who did it and without what was asked."""
    theirs = admin.get(f"{BASE}/users/portal:p1/eve/data").json()
    assert theirs["subject"] == "portal:p1/eve"
    assert [each["question"] for each in theirs["answers"]] == ["how many trees"]
    assert theirs["feedback"][0]["reason"] == "outdated"
    assert admin.delete(f"{BASE}/users/portal:p1/eve/data").json() == {
        "subject": "portal:p1/eve",
        "answers": 1,
    }
    assert admin.get(f"{BASE}/users/portal:p1/eve/data").json()["answers"] == []
    assert len(records.conversations.of_owner("user:ada")) == 2
    entries = admin.get(f"{BASE}/audit").json()["items"]
    deleted = next(entry for entry in entries if entry["action"] == "delete user data")
    assert (deleted["actor"], deleted["target"]) == ("key:k1", "portal:p1/eve")
    assert deleted["request"]
    assert "trees" not in json.dumps(entries)
