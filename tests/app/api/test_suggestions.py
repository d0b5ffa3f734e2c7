"""Suggestions over HTTP: of one's own answers, from what one may see, counted like searches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.app.api.conftest import Api, start

QUESTION = {"question": "When did the harbour bridge open?"}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A service with keys, over two articles in two collections; three questions a minute."""
    more = {"limit_user": "3/minute", "auth": "keys", "secret": SecretStr("s" * 32)}
    runtime = start(tmp_path, monkeypatch, **more)
    yield Api(runtime)
    runtime.close()


def test_starters_are_of_what_may_be_seen(api: Api) -> None:
    """Each identity is offered what its own collections answer; nobody else's titles."""
    ours = api.client("ask", collections=["bridge"]).get("/api/v1/suggestions").json()["items"]
    assert ours
    assert not any("tunnel" in each for each in ours)
    assert api.client("search").get("/api/v1/suggestions").status_code == 403


def test_follow_ups_are_of_ones_own_answers(api: Api) -> None:
    """Whose answer it is gets a list, within what they may see; to others it does not exist."""
    client = api.client("ask", collections=["bridge"])
    answer = client.post("/api/v1/answers", json=QUESTION).json()
    path = f"/api/v1/answers/{answer['id']}/suggestions"
    reply = client.get(path)
    assert reply.status_code == 200
    assert not any("tunnel" in each for each in reply.json()["items"])
    assert api.client("ask").get(path).status_code == 404


def test_looking_for_them_counts(api: Api) -> None:
    """They take from the share of questions, as a search does; those to begin with, too."""
    client = api.client("ask")
    answer = client.post("/api/v1/answers", json=QUESTION).json()
    paths = (f"/api/v1/answers/{answer['id']}/suggestions", "/api/v1/suggestions")
    assert [client.get(path).status_code for path in paths] == [200, 200]
    assert [client.get(path).status_code for path in paths] == [429, 429]
