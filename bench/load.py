"""One server under load: writers and readers at once, then questions beside a bulk ingest.

Writers give the running server new versions of their articles through its socket; readers ask over
HTTP, each after a pause of 1 to 4 seconds. Every fifth question is about a writer's article, and
its answer must come from a version that is no older than what was published two seconds before
it was asked. The first sentence is timed by the reader, retrieval by the server.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from corpora import (
    argument_parser,
    build,
    scifact_records,
    squad_questions,
    workplace,
    write_records,
)
from report import Figure, percentile, print_figures

from app.control import Remote
from vectorstore.errors import CitewellError

STALE = 2.0  # seconds after which a publication must be seen
PATIENCE = 120.0
PAUSES = (1.0, 4.0)  # seconds between a reader's questions
CITEWELL = Path(sys.executable).with_name("citewell")


@dataclass
class Station:
    """A writer's article: the versions it was promised, and when."""

    name: str
    published: list[tuple[float, int]] = field(default_factory=list)

    def least(self, asked: float) -> int:
        """Return the version that a question asked then must see at least."""
        return max((v for when, v in self.published if when <= asked - STALE), default=0)

    @property
    def question(self) -> str:
        """What readers ask about it."""
        return f"What is the reading of station {self.name}?"

    def record(self, version: int) -> dict[str, str]:
        """Return a version as JSON Lines hold it."""
        text = (
            f"The reading of station {self.name} is {version} units. The station stands on a hill "
            "and sends one reading after the other.\n\nNobody lives there."
        )
        return {"uri": f"station-{self.name}", "title": f"Station {self.name}", "text": text}


@dataclass
class Seen:
    """What the readers met; lists grow from many threads."""

    first: list[float] = field(default_factory=list)
    retrieval: list[float] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    checked: int = 0
    degraded: int = 0


class Server:
    """`citewell serve` on a store, ready to answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [str(CITEWELL), "--data-dir", str(folder), "serve", "--port", "0"],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.url = ""
        for line in self._process.stderr or ():
            if found := re.search(r"Citewell is at (http://\S+)", line):
                self.url = found.group(1)
                break
        # else the server stands still when the pipe is full of its log
        threading.Thread(target=self._drain, daemon=True).start()
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if httpx.get(f"{self.url}/readyz").status_code == 200:
                return
            time.sleep(0.2)
        sys.exit("the server did not get ready")

    def _drain(self) -> None:
        for _ in self._process.stderr or ():
            pass

    def stop(self) -> None:
        """End it as an operator does."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)


def ask(client: httpx.Client, url: str, question: str, seen: Seen) -> list[dict[str, Any]]:
    """Ask, note the times, and return the passages."""
    began = time.perf_counter()
    first = 0.0
    passages: list[dict[str, Any]] = []
    name = ""
    with client.stream(
        "POST", f"{url}/api/v1/answers", json={"question": question, "stream": True}
    ) as reply:
        reply.raise_for_status()
        for line in reply.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
                if name == "sentence" and not first:
                    first = time.perf_counter() - began
                seen.degraded += name == "degraded"
            elif line.startswith("data: "):
                data = json.loads(line[6:])
                if name == "passages":
                    passages = data["passages"]
                elif name == "done":
                    seen.retrieval.append(data["timings_ms"].get("retrieve", 0.0))
                elif name == "error":
                    seen.errors.append(f"{question}: {data['detail']}")
    if first:
        seen.first.append(first * 1e3)
    return passages


def read(
    server: Server, questions: list[str], stations: list[Station], seen: Seen, until: float, n: int
) -> None:
    """Be one reader."""
    chance = random.Random(n)  # noqa: S311 (no secret)
    time.sleep(chance.uniform(0, PAUSES[1]))
    with httpx.Client(timeout=30) as client:
        while time.monotonic() < until:
            station = chance.choice(stations) if stations and chance.random() < 0.2 else None
            question = station.question if station else chance.choice(questions)
            asked = time.monotonic()
            try:
                passages = ask(client, server.url, question, seen)
            except httpx.HTTPError as exc:
                seen.errors.append(f"{question}: {exc!r}")
                continue
            if station and station.least(asked):
                seen.checked += 1
                text = " ".join(p["text"] for p in passages if p["title"].endswith(station.name))
                found = re.search(r"is (\d+) units", text)
                version = int(found.group(1)) if found else 0
                if version < station.least(asked):
                    seen.stale.append(f"{station.name}: {version} < {station.least(asked)}")
            time.sleep(chance.uniform(*PAUSES))


def write(server: Server, station: Station, folder: Path, errors: list[str], until: float) -> None:
    """Be one writer: publish one version after the other."""
    remote = Remote(server.folder)
    version = 0
    while time.monotonic() < until:
        version += 1
        source = write_records(folder, f"station-{station.name}", [station.record(version)])
        arguments = {"sources": [str(source)], "collection": None, "prune": False}
        try:
            report = remote.execute("ingest", arguments, lambda _: None)
        except CitewellError as exc:
            errors.append(f"writer {station.name}: {exc}")
            return
        if report["failed"] or report["added"] + report["updated"] != 1:
            errors.append(f"writer {station.name}: {report}")
        station.published.append((time.monotonic(), version))
        time.sleep(0.5)


def together(
    server: Server, questions: list[str], folder: Path, readers: int, writers: int, seconds: float
) -> Seen:
    """Let readers and writers work at the same time."""
    seen = Seen()
    stations = [Station(name) for name in ("Kilo", "Lima", "Mike", "November", "Oscar")[:writers]]
    until = time.monotonic() + seconds
    tasks = [
        *(
            threading.Thread(target=read, args=(server, questions, stations, seen, until, n))
            for n in range(readers)
        ),
        *(
            threading.Thread(target=write, args=(server, station, folder, seen.errors, until))
            for station in stations
        ),
    ]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    versions = [len(station.published) for station in stations]
    print(f"{sum(versions)} versions published, {seen.checked} answers compared", file=sys.stderr)
    return seen


def main() -> None:
    """Measure both, print both, fail where a bound is missed."""
    parser = argument_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="readers beside writers")
    parser.add_argument("--bulk-seconds", type=float, default=180, help="readers beside an ingest")
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--writers", type=int, default=4)
    options = parser.parse_args()
    with workplace(options.keep) as keep:
        base = build("squad", options.data, keep)
        folder = keep / "load"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(base, folder, ignore=shutil.ignore_patterns("socket", "lock"))
        questions = [question.text for question in squad_questions(options.data)[::7]]
        server = Server(folder)
        try:
            seen = together(
                server, questions, keep / "stations", options.readers, options.writers,
                options.seconds,
            )  # fmt: skip
            bulk = _beside_bulk(server, questions, options.data, keep, options.bulk_seconds)
        finally:
            server.stop()
    for error in [*seen.errors, *seen.stale, *bulk.errors][:20]:
        print(error)
    load = os.getloadavg()[0]
    done = print_figures(
        [
            Figure("questions", float(len(seen.retrieval)), digits=0, note=f"load {load:.1f}"),
            Figure("errors", float(len(seen.errors)), ceiling=0, digits=0),
            Figure("answers compared with what was published", float(seen.checked), digits=0),
            Figure("older than 2 s", float(len(seen.stale)), ceiling=0, digits=0),
            Figure("retrieval p50 (ms)", percentile(seen.retrieval, 0.5), digits=1),
            Figure("retrieval p95 (ms)", percentile(seen.retrieval, 0.95), ceiling=100, digits=1),
            Figure("first sentence p50 (ms)", percentile(seen.first, 0.5), digits=0),
            Figure("first sentence p95 (ms)", percentile(seen.first, 0.95), digits=0),
            Figure("beside a bulk ingest: questions", float(len(bulk.first)), digits=0),
            Figure("errors", float(len(bulk.errors)), ceiling=0, digits=0),
            Figure("first sentence p50 (ms)", percentile(bulk.first, 0.5), digits=0),
            Figure("first sentence p95 (ms)", percentile(bulk.first, 0.95), ceiling=200, digits=0),
        ]
    )
    if not done:
        sys.exit(1)


def _beside_bulk(
    server: Server, questions: list[str], data: Path, keep: Path, seconds: float
) -> Seen:
    """Let two readers ask while the server takes in SciFact."""
    source = write_records(keep, "bulk", scifact_records(data))
    seen = Seen()
    progress: list[int] = []
    begun = threading.Event()

    def note(step: Any) -> None:  # noqa: ANN401 (a Progress)
        progress.append(step.done)
        if step.done:
            begun.set()

    def ingest() -> None:
        arguments = {"sources": [str(source)], "collection": "bulk", "prune": False}
        try:
            Remote(server.folder).execute("ingest", arguments, note)
        except CitewellError as exc:
            if time.monotonic() < until:
                seen.errors.append(f"bulk: {exc}")

    until = time.monotonic() + PATIENCE + seconds
    threading.Thread(target=ingest, daemon=True).start()
    begun.wait(PATIENCE)
    until = time.monotonic() + seconds
    readers = [
        threading.Thread(target=read, args=(server, questions, [], seen, until, n))
        for n in range(2)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    print(f"{max(progress)} articles taken in beside the questions", file=sys.stderr)
    return seen


if __name__ == "__main__":
    main()
