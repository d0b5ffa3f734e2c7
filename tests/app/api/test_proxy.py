"""Behind nginx, under a path of its own, with its buffering left on."""

from __future__ import annotations

import itertools
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from app.answering.answer import Event, SentenceReleased
from app.api.guard import Guard
from app.api.rest import rest_app
from tests.app.api.conftest import start

PAUSE = 0.3  # seconds between two sentences
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
CONFIGURATION = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /kept/ {{
      proxy_pass http://127.0.0.1:{inner};
      proxy_set_header Host $http_host;
      proxy_http_version 1.1;
    }}
    location /stripped/ {{
      proxy_pass http://127.0.0.1:{inner}/;
      proxy_set_header Host $http_host;
      proxy_buffering on;
    }}
  }}
}}
"""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Wait until somebody listens on a port."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"nobody listens on port {port}")


@contextmanager
def behind_nginx(folder: Path, port: int, inner: int) -> Iterator[None]:
    """Have nginx on one port pass on what comes under /kept/ and /stripped/ to another."""
    if not Path(NGINX).exists():
        pytest.skip("nginx is not installed: apt install nginx-light")
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, inner=inner))
    nginx = subprocess.Popen([NGINX, "-c", str(configuration), "-p", str(folder)])
    try:
        wait_for(port)
        yield
    finally:
        nginx.terminate()
        nginx.wait(20)


@pytest.fixture(params=["kept", "stripped"])
def url(
    request: Any,  # noqa: ANN401 (a fixture's request)
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """The service's address behind nginx, which keeps or strips the path it is mounted under."""
    port, inner = free_port(), free_port()
    public = f"http://127.0.0.1:{port}/{request.param}"
    runtime = start(tmp_path, monkeypatch, public_url=public)
    guard = Guard(rest_app(runtime), runtime.settings, runtime.access.identify)
    server = uvicorn.Server(uvicorn.Config(guard, port=inner, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(inner)
    with behind_nginx(tmp_path, port, inner):
        yield public
    server.should_exit = True
    thread.join(20)
    runtime.close()


def test_sentences_arrive_one_by_one(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sentence is there before the next one is made."""
    from app.answering.engine import Engine

    original = Engine._events

    def slowly(*arguments: Any) -> Iterator[Event]:  # noqa: ANN401
        for event in original(*arguments):
            yield event
            if isinstance(event, SentenceReleased):
                time.sleep(PAUSE)

    monkeypatch.setattr(Engine, "_events", slowly)
    asked = {"question": "What can you answer?", "stream": True}
    arrived = []
    with httpx.stream("POST", f"{url}/api/v1/answers", json=asked, timeout=30) as reply:
        assert reply.status_code == 200
        for line in reply.iter_lines():
            if line == "event: sentence":
                arrived.append(time.monotonic())
    gaps = [after - before for before, after in itertools.pairwise(arrived)]
    assert len(arrived) == 3
    assert all(gap > PAUSE / 2 for gap in gaps), gaps


def test_the_api_is_under_its_path(url: str) -> None:
    """Articles and errors come, and a link to a job leads to where the reader reaches it."""
    assert len(httpx.get(f"{url}/api/v1/articles").json()["items"]) == 2
    assert httpx.get(f"{url}/api/v1/articles/none").status_code == 404
    sent = [("files", ("tower.txt", b"The tower opened in 1950."))]
    reply = httpx.post(f"{url}/api/v1/articles", files=sent)
    base = url.removesuffix(f"/{url.rsplit('/', 1)[1]}")
    assert httpx.get(f"{base}{reply.headers['location']}").status_code == 200
    foreign = {"origin": "http://evil.example"}
    assert httpx.get(f"{url}/api/v1/articles", headers=foreign).status_code == 403
