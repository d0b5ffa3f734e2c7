"""`citewell doctor` tries what an answer needs, and its exit status says whether all is well."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import langsmith.utils
import pytest

from app.doctor import TRACING, _folder, _tracing
from tests.app.conftest import ROOT, RunCitewell, Server
from tests.cross_encoders import make_cross_encoder
from tests.model_server import ModelServer, Script

DOCUMENTED = ROOT / "docs" / "chat-model.md"
KEY = "sk-of-the-doctor"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder with nothing in it."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def with_model(model_server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> ModelServer:
    """Set a chat model, which a server of the test's own plays."""
    monkeypatch.setenv("CITEWELL_LLM", "openai:scripted")
    monkeypatch.setenv("CITEWELL_LLM_BASE_URL", model_server.url)
    monkeypatch.setenv("CITEWELL_LLM_API_KEY", KEY)
    return model_server


@pytest.fixture
def langsmith_forgets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have LangSmith's package, which keeps what it read, read the environment anew."""
    langsmith.utils.get_env_var.cache_clear()
    yield
    langsmith.utils.get_env_var.cache_clear()


def examined(citewell: RunCitewell, data_dir: Path) -> tuple[int, dict[str, Any]]:
    """Return the exit status and the checks by name."""
    done = citewell(data_dir, "doctor", "--json")
    found = json.loads(done.stdout)
    assert found["ok"] is all(check["ok"] for check in found["checks"])
    assert KEY not in done.stdout + done.stderr
    return done.returncode, {check["name"]: check for check in found["checks"]}


def test_each_thing_is_tried(
    citewell: RunCitewell, data_dir: Path, with_model: ModelServer
) -> None:
    """Folder, store, encoder and model are tried; an empty store is wrong and says what to do."""
    with_model.play("ready")
    status, checks = examined(citewell, data_dir)
    wrong = [name for name, check in checks.items() if not check["ok"]]
    assert (status, wrong) == (1, ["store"])
    assert "citewell ingest" in checks["store"]["said"]
    assert str(data_dir) in checks["data folder"]["said"]
    assert "all-MiniLM-L6-v2" in checks["encoder"]["said"]
    assert checks["chat model"]["said"] == (
        f"openai:scripted at {with_model.url}; key: CITEWELL_LLM_API_KEY"
    )
    assert "11 tokens read, 7 written" in checks["reply"]["said"]
    assert with_model.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_store_that_cannot_be_opened_is_told(
    citewell: RunCitewell,
    data_dir: Path,
    with_model: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What does not need the store is tried all the same; a model that fails is wrong."""
    monkeypatch.setenv("CITEWELL_ENCODER", str(data_dir / "none"))
    with_model.play(Script(status=401, error=f"bad key {KEY}"))
    status, checks = examined(citewell, data_dir)
    assert status == 1
    assert "none" in checks["store"]["said"]
    assert checks["reply"]["said"].startswith("The chat model openai:scripted did not answer: its")


def test_settings_that_cannot_be_used_are_told(
    citewell: RunCitewell, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in a setting is one line, and the only one."""
    monkeypatch.setenv("CITEWELL_LLM_API_KEY", KEY)
    done = citewell(data_dir, "doctor")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "WRONG  settings: The settings cannot be used: CITEWELL_LLM_API_KEY takes a CITEWELL_LLM.",
        "Something is wrong.",
    ]


def test_a_model_that_is_not_installed_is_told(
    citewell: RunCitewell, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line of the model says what to install, and the model is not called."""
    monkeypatch.setenv("CITEWELL_LLM", "groq:llama")
    _, checks = examined(citewell, data_dir)
    assert "pip install" in checks["chat model"]["said"]
    assert "reply" not in checks


def test_a_key_that_is_missing_is_told(
    citewell: RunCitewell, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines are those that docs/chat-model.md shows: the model alone is wrong."""
    (data_dir.with_name("sea.md")).write_text("The sea is salt.\n", encoding="utf-8")
    assert citewell(data_dir, "ingest", data_dir.with_name("sea.md")).returncode == 0
    monkeypatch.setenv("CITEWELL_LLM", "openai:gpt-5-mini")
    done = citewell(data_dir, "doctor")
    assert done.returncode == 1
    shown = re.search(r"\$ citewell doctor\n(.+?)```", DOCUMENTED.read_text(), re.S)
    assert shown
    assert [_masked(line) for line in done.stdout.splitlines()] == [
        _masked(line) for line in shown[1].splitlines()
    ]


def _masked(line: str) -> str:
    """Return a line without the path and the numbers that differ from store to store."""
    if line.startswith("WRONG"):
        return line
    line = re.sub(r"(data folder: ).+?(: [\d.]+ [MG]B)", r"\1PATH\2", line)
    line = re.sub(r"\d+(?:\.\d+)? [MG]B", "BYTES", line)
    return re.sub(r"\b\d+ (articles|chunks|collections|ms)\b", r"N \1", line)


def test_a_reranker_is_tried(
    citewell: RunCitewell, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reranker that is set is run on a passage; without one, nothing is said of it."""
    _, checks = examined(citewell, data_dir)
    assert "reranker" not in checks
    model = make_cross_encoder(data_dir.with_name("model"), {("q", "a"): 1.0, ("q", "b"): 0.0})
    monkeypatch.setenv("CITEWELL_RERANKER", str(model))
    _, checks = examined(citewell, data_dir)
    assert checks["reranker"]["ok"]
    assert str(model) in checks["reranker"]["said"]


@pytest.mark.parametrize("weights", [b"broken", None])
def test_a_reranker_that_cannot_be_loaded_is_wrong(
    citewell: RunCitewell, data_dir: Path, monkeypatch: pytest.MonkeyPatch, weights: bytes | None
) -> None:
    """One that is missing or broken is wrong, and the store beside it is tried all the same."""
    model = data_dir.with_name("model")
    if weights:
        make_cross_encoder(model, {("q", "a"): 1.0, ("q", "b"): 0.0})
        (model / "model.safetensors").write_bytes(weights)
    monkeypatch.setenv("CITEWELL_RERANKER", str(model))
    status, checks = examined(citewell, data_dir)
    assert status == 1
    assert not checks["reranker"]["ok"]
    assert checks["encoder"]["ok"]
    assert "citewell ingest" in checks["store"]["said"]


@pytest.mark.parametrize("value", ["true", "false", " ", "1", "TRUE"])
@pytest.mark.parametrize("name", TRACING)
@pytest.mark.parametrize("other", [None, *TRACING])
def test_tracing_is_told(
    langsmith_forgets: None,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    other: str | None,
) -> None:
    """Where LangChain would send prompts to LangSmith, the doctor says so, and by which variable.

    Whether it would is told by LangSmith's own package.
    """
    if other is not None:
        monkeypatch.setenv(other, "true")
    monkeypatch.setenv(name, value)
    said = [check.said for check in _tracing()]
    assert bool(said) == langsmith.utils.tracing_is_enabled()
    if value == "true" and other in (None, name):
        assert said == [f"{name} sends prompts and replies to LangSmith"]


def test_no_variable_no_tracing() -> None:
    """Where no variable is set, nothing is said."""
    assert _tracing() == []


def test_files_that_vanish_are_not_counted(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search indexes drop files while the folder is measured: the others are counted."""
    (data_dir / "kept").write_bytes(b"x" * 2_000_000)
    walk = os.walk

    def late(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        return ((place, folders, ["gone", *names]) for place, folders, names in walk(folder))

    monkeypatch.setattr("app.doctor.os.walk", late)
    assert ": 2.0 MB, " in _folder(data_dir).said


def test_a_full_disk_is_told(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk on which no rebuild has room is wrong."""
    monkeypatch.setattr("app.doctor.LEAST_FREE", 10**18)
    check = _folder(data_dir)
    assert not check.ok
    assert "Make room" in check.said


def test_a_running_server_is_examined(citewell: RunCitewell, server: Server) -> None:
    """Beside a server all is well there, and it has no chat model."""
    done = citewell(server.data_dir, "doctor")
    assert done.returncode == 0, done.stdout
    assert "18 articles" in done.stdout
    assert "none is set (CITEWELL_LLM)" in done.stdout
    assert done.stdout.endswith("All is well.\n")
