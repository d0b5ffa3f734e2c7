"""The metrics and the administrators' page are for administrators."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.api.guard import CONTENT_SECURITY_POLICY, Guard
from app.api.operator import POLICY, operator_router
from app.api.problems import handle_problems
from app.api.runtime import Runtime
from app.identity import LOCAL, NOBODY, Identity
from app.settings import Settings
from app.sight.metrics import Condition
from app.sight.sight import condition_of
from tests.app.sight.test_metrics import read
from tests.kept import body

SETTINGS = Settings(auth="keys", secret="s" * 32)
ADMIN = Identity("key:k1", {"admin": None})
EDITOR = Identity("user:ed", {"ask": None, "ingest": None})
LIMITED = Identity("user:lim", {"admin": ("c1",)})

As = Callable[[Identity], TestClient]


@pytest.fixture
def client_of(runtime: Runtime) -> As:
    """The routes as somebody reaches them."""
    inner = FastAPI()
    inner.include_router(operator_router(runtime))
    handle_problems(inner)

    def client(identity: Identity) -> TestClient:
        return TestClient(Guard(inner, SETTINGS, lambda _: identity), "http://127.0.0.1")

    return client


@pytest.mark.parametrize(
    ("identity", "status"),
    [(LOCAL, 200), (ADMIN, 200), (LIMITED, 403), (EDITOR, 403), (NOBODY, 401)],
)
def test_metrics_take_the_right(client_of: As, identity: Identity, status: int) -> None:
    """Only who may administer everything reads the metrics, in Prometheus' own format."""
    reply = client_of(identity).get("/metrics")
    assert reply.status_code == status
    assert ("citewell_articles 2.0" in reply.text) == (status == 200)
    if status == 200:
        assert reply.headers["content-type"].startswith("text/plain; version=")


@pytest.mark.parametrize(
    ("identity", "status"),
    [(LOCAL, 200), (ADMIN, 200), (NOBODY, 200), (LIMITED, 403), (EDITOR, 403)],
)
def test_the_page_is_not_for_others(client_of: As, identity: Identity, status: int) -> None:
    """Whoever is known and may not is refused; nobody gets the page, to enter a key."""
    reply = client_of(identity).get("/admin")
    assert reply.status_code == status
    policy = POLICY if status == 200 else CONTENT_SECURITY_POLICY
    assert reply.headers.get_list("content-security-policy") == [policy]
    assert ("<h1>Citewell</h1>" in reply.text) == (status == 200)


def test_the_condition_is_the_services(runtime: Runtime) -> None:
    """Articles and chunks are counted while the store is open, and nobody waits for it."""
    runtime.service()
    assert condition_of(runtime) == Condition(0, 2, 2, False)
    meanwhile = runtime.replace_store(lambda: condition_of(runtime))
    assert meanwhile == Condition(0)


def test_answers_are_counted(runtime: Runtime) -> None:
    """What the desk finishes is told to the runtime's own sight."""
    runtime.desk._on_answer(body("q1", "Why?"), "user:ada")
    found = read(runtime.sight.metrics)
    assert found["citewell_answers_total", (("outcome", "answered"),)] == 1
    assert found["citewell_articles", ()] == 2


def test_what_is_old_is_forgotten_while_the_service_runs(runtime: Runtime) -> None:
    """The runtime's retention runs once its service is open, and ends with it."""
    runtime.service()
    for _ in range(100):
        if runtime.retention._thread is not None:
            break
        with suppress(TimeoutError):
            runtime._warm.result(0.01)
    assert runtime.retention._thread is not None
    runtime.close()
    assert not runtime.retention._thread.is_alive()
