"""Fixtures that every folder's tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes import FINGERPRINT, HashEncoder, clear_away
from tests.model_server import ModelServer
from tests.real_model import RealModel, start_real_model
from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.store import Store

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the library is imported

settings.register_profile(
    "citewell",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("citewell")

OpenStore = Callable[..., Store]

PROVIDERS = ("OPENAI_", "ANTHROPIC_", "OLLAMA_", "LANGSMITH_", "LANGCHAIN_")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's settings and the model hub out of every test."""
    for name in list(os.environ):
        if name.startswith("CITEWELL_") or name.startswith(PROVIDERS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def encoder() -> HashEncoder:
    """An encoder that needs no model and counts what it embeds."""
    return HashEncoder()


@pytest.fixture(scope="session")
def real_encoder() -> SentenceTransformerEncoder:
    """The default model, loaded once."""
    return SentenceTransformerEncoder()


@pytest.fixture(scope="session")
def real_model() -> RealModel:
    """A small chat model, served once; without its weights the test is skipped."""
    return start_real_model()


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """A chat model that says what the test tells it to."""
    with ModelServer() as server:
        yield server


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    """Open the store of the test's own folder, or of `folder`; closed after the test."""
    opened: list[Store] = []

    def open_one(folder: Path | None = None, **options: Any) -> Store:  # noqa: ANN401
        options.setdefault("fingerprint", FINGERPRINT)
        store = Store(folder or tmp_path / "data", **options)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        if store._lock.is_locked:
            store.close()
    clear_away()


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    """An empty store."""
    return open_store()
