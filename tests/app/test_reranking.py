"""A reranker in the service, from the setting to what every face says of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.api.runtime import Runtime
from app.service import Service
from app.settings import Settings
from tests.app.api.conftest import LoadedEncoder, client_of
from tests.app.conftest import RunCitewell
from tests.cross_encoders import make_cross_encoder
from vectorstore.errors import EncoderError
from vectorstore.lock import acquire_lock
from vectorstore.types import embedding_context

QUESTION = "When was the harbour bridge opened?"
NAMES = ("north", "south", "east", "west", "old", "new")


@dataclass(frozen=True)
class Library:
    """A folder with six articles, how they are found, and a model that turns that around."""

    data_dir: Path
    found: list[str]
    model: Path


@pytest.fixture(autouse=True)
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encode without a model."""
    monkeypatch.setattr("app.service.SentenceTransformerEncoder", lambda *_: LoadedEncoder())


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The articles, ingested, and the model trained on the passages that they are."""
    root = tmp_path_factory.mktemp("library")
    for number, name in enumerate(NAMES):
        text = f"The {name} harbour bridge was opened in {1930 + number}.\n"
        (root / f"{name}.md").write_text(f"---\ntitle: The {name} bridge\n---\n{text}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.service.SentenceTransformerEncoder", lambda *_: LoadedEncoder())
        service = Service(Settings(data_dir=root / "data"))
        service.ingest([str(root / f"{name}.md") for name in NAMES])
        found = service.search(QUESTION, 6).passages
        service.close()
    wanted = {
        (QUESTION, embedding_context(each.article) + each.chunk.text): float(each.rank)
        for each in found
    }
    model = make_cross_encoder(root / "model", wanted)
    return Library(root / "data", [each.article.title for each in found], model)


def ask(citewell: RunCitewell, library: Library) -> Any:  # noqa: ANN401 (JSON)
    """Return what `citewell ask --json` prints."""
    result = citewell(library.data_dir, "ask", QUESTION, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def titles(passages: list[dict[str, Any]]) -> list[str]:
    """Return the titles of passages as JSON tells them."""
    return [each["title"] for each in passages]


def test_the_command_answers_in_the_rerankers_order(
    library: Library, citewell: RunCitewell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`citewell ask` puts the passages as the model scores them, and tells how long that took."""
    plain = ask(citewell, library)
    assert titles(plain["passages"]) == library.found
    assert "rerank" not in plain["timings_ms"]
    monkeypatch.setenv("CITEWELL_RERANKER", str(library.model))
    monkeypatch.setenv("CITEWELL_RERANK_MS", "60000")
    answer = ask(citewell, library)
    assert titles(answer["passages"]) == library.found[::-1]
    assert [each["rank"] for each in answer["passages"]] == [1, 2, 3, 4, 5, 6]
    assert (answer["outcome"], answer["degraded"]) == ("answered", [])
    assert answer["timings_ms"]["rerank"] > 0
    before = {each["chunk_id"]: each for each in plain["passages"]}
    for each in answer["passages"]:
        assert {**each, "rank": 0} == {**before[each["chunk_id"]], "rank": 0}


def test_every_face_says_what_there_was_no_time_for(
    library: Library, citewell: RunCitewell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the deadline answers, whole or streamed, and searches say how far the model came."""
    said = re.compile(r"reranker: [0-5] of 6 passages were scored within 1 ms")
    monkeypatch.setenv("CITEWELL_RERANKER", str(library.model))
    monkeypatch.setenv("CITEWELL_RERANK_MS", "1")
    (reason,) = ask(citewell, library)["degraded"]
    assert said.fullmatch(reason)
    shown = citewell(library.data_dir, "ask", QUESTION).stdout
    assert said.search(shown)
    settings = Settings(data_dir=library.data_dir, reranker=str(library.model), rerank_ms=1)
    runtime = Runtime(settings, acquire_lock(settings.data_dir))
    runtime.start(build_page=lambda: None, on_failure=lambda: None)
    runtime.service()
    try:
        client = client_of(runtime)
        for _ in range(2):  # nor is it told again from memory as if it were whole
            told = client.post("/api/v1/answers", json={"question": QUESTION}).json()
            assert said.fullmatch(told["degraded"][0])
            assert "cached" not in told["timings_ms"]
        found = client.post("/api/v1/search", json={"query": QUESTION}).json()
        assert said.fullmatch(found["degraded"][0])
        stream = client.post(
            "/api/v1/answers", json={"question": QUESTION}, headers={"accept": "text/event-stream"}
        ).text
        assert re.search(rf"event: degraded\ndata: .*{said.pattern}", stream)
    finally:
        runtime.close()


def test_a_missing_model_is_an_error_at_the_start(
    library: Library, citewell: RunCitewell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reranker that is not there is told by every command; none goes on without it."""
    monkeypatch.setenv("CITEWELL_RERANKER", str(tmp_path / "nowhere"))
    result = citewell(library.data_dir, "ask", QUESTION)
    assert result.returncode == 1
    assert "is neither a folder nor in the local model cache" in " ".join(result.stderr.split())


def test_a_model_that_cannot_score_ends_the_start_of_a_server(
    library: Library, tmp_path: Path
) -> None:
    """A server does not get ready with a model of three labels, and tells why."""
    model = make_cross_encoder(tmp_path, {(QUESTION, "bridge"): 1.0}, labels=3)
    settings = Settings(data_dir=library.data_dir, reranker=str(model))
    runtime = Runtime(settings, acquire_lock(settings.data_dir))
    runtime.start(build_page=lambda: None, on_failure=lambda: None)
    try:
        with pytest.raises(EncoderError, match="gives 3 scores"):
            runtime.service()
        assert not runtime.ready
        assert "gives 3 scores" in str(runtime.failure)
    finally:
        runtime.close()


def test_the_first_question_finds_the_model_loaded(library: Library) -> None:
    """Warming up loads the reranker, opening the service alone does not."""
    service = Service(Settings(data_dir=library.data_dir, reranker=str(library.model)))
    try:
        assert service.reranker is not None
        assert "_loaded" not in vars(service.reranker)
        service.warm_up()
        assert "_loaded" in vars(service.reranker)
    finally:
        service.close()
