"""How long things take: the first sentence, the commands, the page, ingesting.

Everything is measured on the example articles. What a busy machine could spoil is measured in
alternation, and as a ratio: the page is compared with importing gradio, which it cannot do
without, in the same minute.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from corpora import ROOT, argument_parser, open_service, read_lines, workplace
from report import Figure, percentile, print_figures

from app.answering.answer import Done, SentenceReleased
from app.service import Service

REPEATS = 5  # of every answerable question
HELPS = 10
PAIRS = 3  # of a start of the server and a bare import of gradio
FRESH = 3  # stores that are filled, to measure ingesting
PATIENCE = 300.0  # seconds that a server may take to start
PAUSE = 0.02  # seconds between two looks at a starting server


def environment() -> dict[str, str]:
    """Return the environment without settings of Citewell, for commands."""
    kept = {k: v for k, v in os.environ.items() if not k.upper().startswith("CITEWELL_")}
    return kept | {"GRADIO_ANALYTICS_ENABLED": "False"}


def citewell(*arguments: str | Path) -> list[str]:
    """Return the command line of `citewell` beside this Python."""
    return [str(Path(sys.executable).with_name("citewell")), *map(str, arguments)]


def timed(command: list[str]) -> float:
    """Run a command and return the seconds it took."""
    start = time.perf_counter()
    subprocess.run(
        command,
        env=environment(),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - start


# -- answering ---------------------------------------------------------------------------


def ask(service: Service, question: str) -> tuple[float | None, dict[str, float]]:
    """Return the milliseconds to the first sentence, None if refused, and the timings told."""
    start = time.perf_counter()
    first = None
    timings: dict[str, float] = {}
    for event in service.ask(question):
        match event:
            case SentenceReleased() if first is None:
                first = (time.perf_counter() - start) * 1e3
            case Done():
                timings = dict(event.timings)
    return first, timings


def answer_figures(store: Path) -> list[Figure]:
    """Ask the answerable example questions over and over, on one thread.

    Each time the store is opened anew: what was asked before is remembered.
    """
    questions = [
        entry["question"]
        for entry in read_lines(ROOT / "examples/questions.jsonl")
        if entry["answer"]
    ]
    told = []
    for _ in range(REPEATS):
        service = open_service(store, threads=1)
        service.encoder.load()
        for warm_up in range(10):
            ask(service, f"Who measured the mountain {warm_up}?")
        told += [ask(service, question) for question in questions]
        service.close()
    firsts = [first for first, _ in told if first is not None]
    encodes = [timings["encode"] for _, timings in told]
    rests = [first - timings["encode"] for first, timings in told if first is not None]
    figures = []
    for name, values in (
        ("first sentence", firsts),
        ("of it, encoding the question", encodes),
        ("of it, all else", rests),
    ):
        for share in (0.5, 0.95):
            label = f"{name}, p{share * 100:.0f} (ms)"
            note = f"{len(values)} times"
            ceiling = 60 if label == "first sentence, p50 (ms)" else None
            value = percentile(values, share)
            figures.append(Figure(label, value, ceiling=ceiling, digits=1, note=note))
    return figures


def ingest_figures(folder: Path) -> list[Figure]:
    """Fill fresh stores with the example articles, the encoder being warm."""
    rates = []
    for n in range(FRESH):
        service = open_service(folder / f"fresh-{n}", threads=os.cpu_count() or 1)
        service.encoder.load()
        report = service.ingest([str(ROOT / "examples/articles")])
        rates.append(report.chunks / report.seconds)
        service.close()
    note = f"median of {FRESH} fresh stores, {report.chunks} chunks each, {os.cpu_count()} threads"
    return [Figure("ingest (chunks/s)", median(rates), digits=1, note=note)]


# -- starting ----------------------------------------------------------------------------


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def status(port: int, path: str) -> int:
    """Return the status a path answers with, 0 while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def start_server(store: Path) -> tuple[float, float, float]:
    """Start `citewell serve`; return the seconds until /healthz, / and /readyz answer 200."""
    port = free_port()
    start = time.perf_counter()
    server = subprocess.Popen(
        citewell("--data-dir", store, "serve", "--port", str(port)),
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    try:
        times = []
        for path in ("/healthz", "/", "/readyz"):
            while status(port, path) != 200:
                if server.poll() is not None or time.perf_counter() - start > PATIENCE:
                    sys.exit(f"citewell serve did not answer {path}.")
                time.sleep(PAUSE)
            times.append(time.perf_counter() - start)
        return times[0], times[1], times[2]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)


def start_figures(store: Path) -> list[Figure]:
    """Start the server and import gradio in turn."""
    bare = [sys.executable, "-c", "import gradio"]
    timed(bare)  # so that neither reads a cold disk
    imports, starts = [], []
    for _ in range(PAIRS):
        imports.append(timed(bare))
        starts.append(start_server(store))
    ratios = [page / bare for (_, page, _), bare in zip(starts, imports, strict=True)]
    note = f"median of {PAIRS}"
    return [
        Figure("page / import gradio (ratio)", median(ratios), ceiling=1.6, digits=2, note=note),
        Figure("import gradio (s)", median(imports), digits=1, note=note),
        Figure("/healthz 200 (s)", median(s[0] for s in starts), digits=1, note=note),
        Figure("page 200 (s)", median(s[1] for s in starts), digits=1, note=note),
        Figure("/readyz 200 (s)", median(s[2] for s in starts), digits=1, note=note),
    ]


def help_figures() -> list[Figure]:
    """Run `citewell --help` some times."""
    seconds = [timed(citewell("--help")) for _ in range(HELPS)]
    return [
        Figure(
            "citewell --help (s)", median(seconds), ceiling=0.5, digits=2, note=f"median of {HELPS}"
        ),
    ]


def main() -> int:
    """Measure and print."""
    options = argument_parser(__doc__).parse_args()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores; load average at the start {load:.1f}")
    with workplace(options.keep) as folder:
        figures = ingest_figures(folder)
        store = folder / "fresh-0"
        figures = [*answer_figures(store), *help_figures(), *start_figures(store), *figures]
    return 0 if print_figures(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
