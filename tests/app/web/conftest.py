"""The chat as it is served: behind the guard and its gate, over two articles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.api.guard import Guard
from app.api.runtime import Runtime
from app.api.server import build
from tests.app.runtimes import SECRET, opened

Serve = Callable[..., tuple[Runtime, TestClient]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve the chat under some settings; returns the runtime and a client."""
    with ExitStack() as stack:

        def one(**settings: Any) -> tuple[Runtime, TestClient]:  # noqa: ANN401 (of each setting)
            settings = (
                settings if settings.get("auth") == "none" else {"secret": SECRET, **settings}
            )
            runtime = stack.enter_context(opened(tmp_path, **settings))
            guard = Guard(
                build(runtime), runtime.settings, runtime.access.identify, runtime.is_portal
            )
            client = TestClient(guard, "http://127.0.0.1:7860", follow_redirects=False)
            return runtime, stack.enter_context(client)

        yield one
