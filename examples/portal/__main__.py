"""Start the example: Citewell on 127.0.0.1, the portal on localhost, until Ctrl-C.

The two names are one machine but two sites to a browser, as the portal and Citewell are in an
organisation: the widget's requests cross origins, and no cookie of the one reaches the other.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from examples.portal.mint import Assistant
from examples.portal.portal import HERE, Portal

NAME = "halden"
CITEWELL = Path(sys.executable).with_name("citewell")
PATIENCE = 300.0  # seconds for Citewell to warm up on a busy machine
SOURCES = {  # collection: what is in it
    "library": HERE.parent / "articles",
    "handbook": HERE / "articles" / "handbook",
    "hr": HERE / "articles" / "hr",
    "it": HERE / "articles" / "it",
}
ADDED = (  # what `citewell portals add` is told beside the origin
    *("--collection", "handbook", "--collection", "library"),
    *("--group", "hr=hr", "--group", "it=it"),
    *("--welcome", "Ask about leave, travel and safety; your team's articles are included."),
    *("--starter", "How many days of annual leave do I have?"),
    *("--starter", "How much may a hotel cost?"),
)
USERS = """  name     password          group
  mara     lantern-quay-41   hr
  ines     copper-gull-83    hr
  tomasz   north-rope-26     it"""


class Citewell:
    """A `citewell serve` of our own, with its settings and its data folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._port = port
        self._kept = folder / "portal.json"  # our secrets, which outlive a restart
        folder.mkdir(parents=True, exist_ok=True)
        if not self._kept.exists():
            self._keep({"secret": secrets.token_hex(32)})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers questions."""
        log = self._folder / "citewell.log"
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                self._line("serve", "--port", str(self._port)), stderr=said, env=self._environment()
            )
        ends = time.monotonic() + PATIENCE
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > ends:
                sys.exit(f"Citewell did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)

    def _is_ready(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz").status_code == 200
        return False

    def fill(self) -> None:
        """Take in the articles; what is there already costs nothing."""
        for collection, source in SOURCES.items():
            self._run("ingest", str(source), "--collection", collection)

    def key_for(self, origin: str) -> str:
        """Make the portal known, or what has changed of it; return the secret it signs with."""
        kept = self._read()
        if "key" not in kept and self._knows(NAME):  # a start that was interrupted
            self._run("portals", "remove", NAME)
        line = ("portals", "add", NAME, "--origin", origin, *ADDED, "--replace", "--json")
        secret = json.loads(self._run(*line)).get("secret")  # told of a new portal only
        if secret:
            self._keep({**kept, "key": secret})
        return str(secret or kept["key"])

    def _knows(self, portal: str) -> bool:
        listed = json.loads(self._run("portals", "list", "--json"))["portals"]
        return any(each["name"] == portal for each in listed)

    def wait(self) -> None:
        """Return when it has ended."""
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """End it; it closes its store."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            self._line(*arguments), capture_output=True, text=True, env=self._environment()
        )
        if done.returncode:
            sys.exit(f"citewell {' '.join(arguments)} failed:\n{done.stderr}")
        return done.stdout

    def _line(self, *arguments: str) -> list[str]:
        return [str(CITEWELL), "--data-dir", str(self._folder / "data"), *arguments]

    def _environment(self) -> dict[str, str]:
        others = {key: value for key, value in os.environ.items() if not key.startswith("CITEWELL")}
        return {**others, "CITEWELL_AUTH": "keys", "CITEWELL_SECRET": self._read()["secret"]}

    def _read(self) -> dict[str, Any]:
        kept: dict[str, Any] = json.loads(self._kept.read_text(encoding="utf-8"))
        return kept

    def _keep(self, kept: dict[str, Any]) -> None:
        self._kept.touch(mode=0o600)
        self._kept.write_text(json.dumps(kept), encoding="utf-8")


def listen(port: int) -> socket.socket:
    """Return a socket on 127.0.0.1, which `localhost` leads to; 0 takes any free port."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as exc:
        sys.exit(f"Port {port} cannot be used: {exc.strerror}. Choose another.")


def chosen() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m examples.portal", description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=Path("data-portal"))
    parser.add_argument("--port", type=int, default=8080, help="of the portal")
    parser.add_argument("--chat-port", type=int, default=7861, help="of Citewell")
    return parser.parse_args()


def main() -> None:
    """Start both, and end both."""
    options = chosen()
    # Else SIGTERM would leave Citewell behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    listener = listen(options.port)
    with listen(options.chat_port) as free:  # told now rather than in Citewell's log
        chat_port = free.getsockname()[1]
    origin = f"http://localhost:{listener.getsockname()[1]}"
    citewell = Citewell(options.data_dir, chat_port)
    print("Starting Citewell; the first time takes a minute.", flush=True)
    try:
        citewell.start()
        citewell.fill()
        assistant = Assistant(citewell.url, NAME, origin, citewell.key_for(origin))
        app = Portal(assistant).application()
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))

        def follow() -> None:
            citewell.wait()
            server.should_exit = True

        threading.Thread(target=follow, daemon=True).start()
        print(f"The portal is at {origin} (Citewell at {citewell.url}). Log in as\n{USERS}")
        print("Ctrl-C ends both.", flush=True)
        server.run(sockets=[listener])
    finally:
        citewell.stop()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
