"""A runtime whose service is open over two articles, under any settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import Request

from app.api.runtime import Runtime
from app.settings import Settings
from tests.app.api.conftest import ARTICLES, LoadedEncoder
from vectorstore.lock import acquire_lock

SECRET = "s" * 32


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[Runtime]:  # noqa: ANN401 (of each setting)
    """Open a service without a model in `folder`; its articles are in `bridge` and `tunnel`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.service.SentenceTransformerEncoder", lambda *_: LoadedEncoder())
        chosen = Settings(data_dir=folder / "data", **settings)
        runtime = Runtime(chosen, acquire_lock(chosen.data_dir))
        runtime.start(build_page=lambda: None, on_failure=lambda: None)
        for name, text in ARTICLES.items():
            (folder / name).write_text(text)
            runtime.service().ingest([str(folder / name)], name.removesuffix(".md"))
        try:
            yield runtime
        finally:
            runtime.close()


def ids(runtime: Runtime, *names: str) -> tuple[str, ...]:
    """Return the ids of collections."""
    known = {each.name: each.id for each in runtime.service().collections()}
    return tuple(known[name] for name in names)


def whoami(app: FastAPI) -> FastAPI:
    """Add a page that tells who asks, and in which collections they may."""

    @app.get("/api/whoami")
    def tell(request: Request) -> dict[str, Any]:
        found = request.state.identity
        return {"subject": found.subject, "rights": dict(found.rights)}

    return app
