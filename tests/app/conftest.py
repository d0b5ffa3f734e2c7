"""The real thing: `citewell serve` over the demo articles, started once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli import main
from app.session import _chosen

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "articles"
CITEWELL = Path(sys.executable).with_name("citewell")
PATIENCE = 120.0  # seconds; importing takes long on a busy machine

RunCitewell = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**extra: str) -> dict[str, str]:
    """Return the environment without settings of the user's own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CITEWELL_")}
    return {**kept, **extra}


def run_citewell(data_dir: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the installed command on a data folder."""
    return subprocess.run(
        [str(CITEWELL), "--data-dir", str(data_dir), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(),
        check=False,
    )


@pytest.fixture
def citewell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCitewell:
    """Run the command on a data folder as `run_citewell` does, but in this process: sooner."""

    def run(data_dir: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        line = ["citewell", "--data-dir", str(data_dir), *map(str, arguments)]
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", line)
            patch.setitem(_chosen, "data_dir", None)
            with pytest.raises(SystemExit) as end:
                main()
        return subprocess.CompletedProcess(line, int(end.value.code or 0), *capsys.readouterr())

    return run


@dataclass(frozen=True)
class Server:
    """A running server, its data folder, what it wanted to reach, and the lines it has said."""

    url: str
    data_dir: Path
    process: subprocess.Popen[str]
    watched: Path
    said: list[str]

    def citewell(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the command beside the server."""
        return run_citewell(self.data_dir, *arguments)

    def citewell_json(self, *arguments: str | Path) -> Any:  # noqa: ANN401 (JSON)
        """Run the command beside the server and return what it printed."""
        result = self.citewell(*arguments)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


def start(data_dir: Path, **extra: str) -> Server:
    """Start a server on a free port and wait until its page answers."""
    watched = data_dir.with_name(f"{data_dir.name}.watched")
    watched.touch()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "watched.py"), "--data-dir", str(data_dir),
         "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(WATCHED=str(watched), PYTHONPATH=str(ROOT), **extra),
    )  # fmt: skip
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"Citewell is at (http://\S+)", line):
            # else the server stands still when the pipe is full of its log
            threading.Thread(target=_drain, args=(process, said), daemon=True).start()
            return Server(found.group(1), data_dir, process, watched, said)
    pytest.fail(f"the server ended: {''.join(said)}")


def _drain(process: subprocess.Popen[str], said: list[str]) -> None:
    assert process.stderr is not None
    with process.stderr:
        said.extend(process.stderr)


def wait_until_ready(server: Server) -> None:
    """Wait until the encoder is warm."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (
            httpx.get(f"{server.url}/readyz").status_code == 200
            and (server.data_dir / "socket").exists()
        ):
            return
        time.sleep(0.1)
    pytest.fail("the server did not get ready")


def stop(server: Server) -> None:
    """End the server as an operator does."""
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=30)


@pytest.fixture(scope="session")
def demo_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder into which the demo articles were ingested by the command."""
    data_dir = tmp_path_factory.mktemp("demo") / "data"
    result = run_citewell(data_dir, "ingest", EXAMPLES, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["added"], report["failed"]) == (18, [])
    return data_dir


@pytest.fixture(scope="session")
def server(demo_dir: Path) -> Iterator[Server]:
    """A warm server over the demo articles."""
    running = start(demo_dir, CITEWELL_EXAMPLES='["How many tree species are there on Earth?"]')
    wait_until_ready(running)
    yield running
    stop(running)
    assert not list((demo_dir / "chroma").glob("*.dirty")), "SIGTERM must close the store"
