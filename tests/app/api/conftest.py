"""A service that is opened in this process, with an encoder that needs no model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A runtime whose service is open, over two articles in two collections."""
    monkeypatch.setattr("app.service.SentenceTransformerEncoder", lambda *_: LoadedEncoder())
    settings = Settings(data_dir=tmp_path / "data")
    started = Runtime(settings, acquire_lock(settings.data_dir))
    started.start(build_page=lambda: None, on_failure=lambda: None)
    for name, text in ARTICLES.items():
        (tmp_path / name).write_text(text)
        started.service().ingest([str(tmp_path / name)], name.removesuffix(".md"))
    yield started
    started.close()
