"""What one server bears: answers at a steady rate, the highest rate, and ten times the rate.

The store holds 10,000 chunks: SQuAD's paragraphs, and SciFact's abstracts as many as it takes.
Each question is asked once, so that no cache answers. Arrivals are a Poisson process, and times
count from the moment a question was due to the first sentence (openloop.py). The generator
shares the machine with the server, and its time is not taken off.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import httpx
from corpora import (
    argument_parser,
    build,
    fill,
    need,
    open_service,
    read_lines,
    scifact_records,
    workplace,
)
from openloop import Asked, Generator
from report import Figure, percentile, print_figures, print_table

BENCH = Path(__file__).parent
CITEWELL = Path(sys.executable).with_name("citewell")
PATIENCE = 120.0
GROUP = 200  # articles taken in between two looks at the number of chunks
BOUND = 600.0  # ms within which 95 % shall have the first sentence
OVERLOAD = 10  # times the rate
OVERLOAD_SECONDS = 20.0
AFTER = 10.0  # seconds at the rate after the overload
PRECISION = 4.0  # requests a second to which the highest rate is found
PAUSE = 2.0  # seconds between two loads
UNLIMITED = {"CITEWELL_LIMIT_USER": "1000000/minute", "CITEWELL_STREAMS": "1000"}


def store(data: Path, keep: Path, chunks: int) -> Path:
    """Return a store of so many chunks, built if it is not there yet."""
    folder = keep / f"serve-{chunks}"
    if (folder / "built").exists():
        return folder
    if not folder.exists():
        base = build("squad", data, keep)
        shutil.copytree(base, folder, ignore=shutil.ignore_patterns("socket", "lock"))
    service = open_service(folder, threads=os.cpu_count() or 1)
    records = scifact_records(data)
    try:
        for start in range(0, len(records), GROUP):
            held = sum(each.chunks for each in service.collections())
            if held >= chunks:
                break
            print(f"{held} of {chunks} chunks", file=sys.stderr, flush=True)
            lacking = max(1, (chunks - held) // 2)  # an abstract has two chunks
            name = f"serve-scifact-{start}"
            fill(service, keep, name, records[start : start + min(GROUP, lacking)])
    finally:
        service.close()
    (folder / "built").touch()
    return folder


def questions(data: Path) -> Iterator[str]:
    """Yield questions, none twice: those of SQuAD 1.1 and 2.0, then each with its subject."""
    rows = [
        row
        for name in ("v1.1", "v2.0")
        for row in read_lines(need(data / f"data/squad/questions_{name}.dev.jsonl"))
    ]
    plain = {" ".join(row["question"].split()): row["title"].replace("_", " ") for row in rows}
    texts = list(plain)
    random.Random(1).shuffle(texts)  # noqa: S311 (no secret)
    return chain(
        texts,
        (f"{plain[text]}: {text}" for text in texts),
        (f"{text} ({plain[text]})" for text in texts),
    )


# -- the server ---------------------------------------------------------------------------


class Server:
    """`citewell serve` in a process of its own, watched."""

    def __init__(self, folder: Path, batching: bool = True) -> None:
        command = [str(CITEWELL)] if batching else [sys.executable, str(BENCH / "unbatched.py")]
        log = folder.with_suffix(".log")
        with log.open("w") as out:  # a line for each request: nothing for a pipe
            self._process = subprocess.Popen(
                [*command, "--data-dir", str(folder), "serve", "--port", "0"],
                stderr=out,
                env={**os.environ, "PYTHONPATH": str(BENCH.parent), **UNLIMITED},
            )
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            time.sleep(0.2)
            if found := re.search(r"is at http://\S+:(\d+)", log.read_text()):
                self.port = int(found.group(1))
                if httpx.get(f"http://127.0.0.1:{self.port}/readyz").status_code == 200:
                    return
        self._process.kill()
        sys.exit(f"the server did not get ready; see {log}")

    @property
    def cpu(self) -> float:
        """The seconds that all its threads have computed."""
        line = Path(f"/proc/{self._process.pid}/stat").read_text()
        user, system = line.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    @property
    def resident(self) -> float:
        """The MB that it holds."""
        held = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(held) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def stop(self) -> None:
        """End it as an operator does."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)


@dataclass
class Watch:
    """The server's memory, second by second, and its time, while the context lasts."""

    server: Server
    resident: list[float] = field(default_factory=list)
    cpu: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Watch:
        self.cpu = -self.server.cpu
        threading.Thread(target=self._look, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.cpu += self.server.cpu
        self.resident.append(self.server.resident)

    def _look(self) -> None:
        while not self._ended.wait(1.0):
            self.resident.append(self.server.resident)


# -- what is measured ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Load:
    """What became of some requests; times are milliseconds."""

    asked: Sequence[Asked]

    @property
    def first(self) -> list[float]:
        """Until the first sentence, of those that were served."""
        return [a.first * 1e3 for a in self.asked if a.first is not None and not a.error]

    @property
    def refused(self) -> list[float]:
        """Until the refusal."""
        return [a.refused * 1e3 for a in self.asked if a.refused is not None]

    @property
    def errors(self) -> list[str]:
        """What went wrong."""
        return [a.error for a in self.asked if a.error]

    def p(self, share: float) -> float:
        """A percentile of `first`."""
        return percentile(self.first, share) if self.first else float("inf")

    @property
    def holds(self) -> bool:
        """Whether everybody was served and nearly all in time."""
        return not self.errors and not self.refused and self.p(0.95) <= BOUND

    def __str__(self) -> str:
        return (
            f"{len(self.first)} served, p50 {self.p(0.5):.0f}, p95 {self.p(0.95):.0f} ms, "
            f"{len(self.refused)} refused, {len(self.errors)} errors"
        )


def ask(generator: Generator, rate: float, seconds: float, rest: float = 0.0) -> Load:
    """Ask at a rate, and say what came of it; `rest` seconds more at a tenth of it."""
    time.sleep(PAUSE)
    load = Load(generator.run(rate, seconds, rate / OVERLOAD if rest else 0.0, rest))
    print(f"{rate:.0f}/s for {seconds:.0f} s: {load}", file=sys.stderr, flush=True)
    for error in sorted(set(load.errors))[:5]:
        print(f"  {error}", file=sys.stderr)
    return load


def highest(generator: Generator, rate: float, seconds: float) -> float:
    """Return the highest rate that holds: doubled until it does not, then halved in between."""
    low, high = 0.0, rate
    while ask(generator, high, seconds).holds:
        low, high = high, 2 * high
    while high - low > PRECISION:
        middle = (low + high) / 2
        if ask(generator, middle, seconds).holds:
            low = middle
        else:
            high = middle
    return low


def recovery(load: Load, end: float) -> float:
    """Return the seconds after `end` from which on everybody was served in time."""
    late = [
        asked.due - end
        for asked in load.asked
        if asked.due >= end and (asked.first is None or asked.error or asked.first * 1e3 > BOUND)
    ]
    return max(late, default=0.0)


def main() -> None:
    """Measure all, print all, fail where a bound is missed."""
    parser = argument_parser(__doc__)
    parser.add_argument("--chunks", type=int, default=10_000, help="in the store")
    parser.add_argument("--rate", type=float, default=30, help="questions a second")
    parser.add_argument("--seconds", type=float, default=300, help="at that rate")
    parser.add_argument("--step", type=float, default=30, help="seconds for each rate tried")
    parser.add_argument("--build-only", action="store_true", help="only build the store")
    options = parser.parse_args()
    with workplace(options.keep) as keep:
        folder = store(options.data, keep, options.chunks)
        if not options.build_only and not measure(folder, options):
            sys.exit(1)


def measure(folder: Path, options: argparse.Namespace) -> bool:
    """Measure a server over a store, with batching and without; whether all bounds are met."""
    rate = options.rate
    server = Server(folder)
    try:
        generator = Generator(server.port, questions(options.data))
        ask(generator, rate, 3)  # caches and pages are warm from here on
        with Watch(server) as watch:
            steady = ask(generator, rate, options.seconds)
        most = highest(generator, 2 * rate, options.step)
        over = ask(generator, OVERLOAD * rate, OVERLOAD_SECONDS, AFTER)
        held = server.resident
    finally:
        server.stop()
    server = Server(folder, batching=False)
    try:
        generator = Generator(server.port, questions(options.data))
        ask(generator, rate, 3)
        with Watch(server) as alone:
            single = ask(generator, rate, options.step)
        unbatched = highest(generator, 2 * rate, options.step)
    finally:
        server.stop()
    crowd = Load([asked for asked in over.asked if asked.due < OVERLOAD_SECONDS])
    third = max(1, len(watch.resident) // 3)
    note = f"{rate:.0f}/s for {options.seconds:.0f} s"
    print_table(
        ["", "p50 (ms)", "p95 (ms)", "CPU an answer (ms)", "highest rate (1/s)"],
        [
            _row("together", steady, watch, most),
            _row("each alone", single, alone, unbatched),
        ],
    )
    return print_figures(
        [
            Figure("answers", float(len(steady.first)), digits=0, note=note),
            Figure("errors", float(len(steady.errors)), ceiling=0, digits=0),
            Figure("refused", float(len(steady.refused)), ceiling=0, digits=0),
            Figure("first sentence p50 (ms)", steady.p(0.5), ceiling=150, digits=0),
            Figure("first sentence p95 (ms)", steady.p(0.95), ceiling=BOUND, digits=0),
            Figure("memory in the first third (MB)", max(watch.resident[:third]), digits=0),
            Figure("memory in the last third (MB)", max(watch.resident[-third:]), digits=0),
            Figure("overload: served", float(len(crowd.first)), digits=0,
                   note=f"{OVERLOAD * rate:.0f}/s for {OVERLOAD_SECONDS:.0f} s"),
            Figure("overload: refused", float(len(crowd.refused)), digits=0),
            Figure("overload: errors", float(len(crowd.errors)), ceiling=0, digits=0),
            Figure("overload: served p95 (ms)", crowd.p(0.95), ceiling=1500, digits=0),
            Figure("overload: refusal p95 (ms)",
                   percentile(crowd.refused, 0.95) if crowd.refused else 0.0, digits=0),
            Figure("recovery (s)", recovery(over, OVERLOAD_SECONDS), ceiling=2, digits=2),
            Figure("memory at the end (MB)", held, digits=0),
        ]
    )  # fmt: skip


def _row(name: str, load: Load, watch: Watch, most: float) -> list[str]:
    each = watch.cpu / max(1, len(load.first)) * 1e3
    return [name, f"{load.p(0.5):.0f}", f"{load.p(0.95):.0f}", f"{each:.1f}", f"{most:.0f}"]


if __name__ == "__main__":
    main()
