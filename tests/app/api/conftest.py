"""A service that is opened in this process, with an encoder that needs no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.api.guard import Guard
from app.api.rest import rest_app
from app.api.runtime import Runtime
from app.settings import Settings
from tests.fakes import HashEncoder
from vectorstore.lock import acquire_lock

ARTICLES = {
    "bridge.md": "---\ntitle: The bridge\ndate: 1932-03-19\nlanguage: en\n---\n"
    "The harbour bridge opened on 19 March 1932.\n",
    "tunnel.md": "---\ntitle: The tunnel\ndate: 1992-08-30\nlanguage: en\n---\n"
    "The harbour tunnel opened on 30 August 1992.\n",
}


class LoadedEncoder(HashEncoder):
    """A fake with the names by which a model is loaded."""

    model = "hash"
    precision = "fp32"


@dataclass
class Api:
    """A service with authentication, and clients of it."""

    runtime: Runtime

    def client(self, *rights: str, collections: Sequence[str] | None = None) -> TestClient:
        """Return a client with a key for these rights, in these collections; nobody without."""
        headers = {}
        if rights:
            service = self.runtime.service()
            ids = None if collections is None else service.ids_of(collections)
            _, secret = service.records.keys.create("test", rights, ids)
            headers["authorization"] = f"Bearer {secret}"
        return client_of(self.runtime, headers)


def client_of(runtime: Runtime, headers: dict[str, str] | None = None) -> TestClient:
    """Return a client of the guarded API; errors come as replies, as over the network."""
    guarded = Guard(
        rest_app(runtime),
        runtime.settings,
        runtime.access.identify,
        runtime.is_portal,
        runtime.admit,
    )
    return TestClient(
        guarded, base_url="http://127.0.0.1", headers=headers, raise_server_exceptions=False
    )


def start(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Runtime:  # noqa: ANN401
    """Return a runtime whose service is open, over two articles in two collections."""
    monkeypatch.setattr("app.service.SentenceTransformerEncoder", lambda *_: LoadedEncoder())
    chosen = Settings(data_dir=folder / "data", **settings)
    started = Runtime(chosen, acquire_lock(chosen.data_dir))
    started.start(build_page=lambda: None, on_failure=lambda: None)
    for name, text in ARTICLES.items():
        (folder / name).write_text(text)
        started.service().ingest([str(folder / name)], name.removesuffix(".md"))
    return started


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A runtime without authentication."""
    started = start(tmp_path, monkeypatch)
    yield started
    started.close()


@pytest.fixture
def client(runtime: Runtime) -> TestClient:
    """A client of the API on this machine, without authentication."""
    return client_of(runtime)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A service with API keys and portals."""
    started = start(tmp_path, monkeypatch, auth="keys", secret="s" * 40)
    yield Api(started)
    started.close()
