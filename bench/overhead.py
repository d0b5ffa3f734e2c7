"""What Citewell's own work adds to a chat model's stream, and how soon quotations take over.

Three tables. *CPU*: questions over the example articles are answered by a chat model; the thread
that reads the stream does all of Citewell's work on it (marks, checks, citations; encoder and
torch on one thread), so its CPU time is Citewell's and the rest of the process is the bare
stream's: the client and, with the tests' SmolLM2-135M on llama.cpp in the same process, the
model's own. A scripted model in another process costs nothing here: what is left is the client
alone, the least that a stream can cost. *Sentence*: from the last piece of a sentence to its
release. *Take-over*: a model that says nothing; from its deadline to the first quotation.

    python bench/overhead.py
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from report import percentile, print_table

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests' models

from app.answering.answer import Degraded, SentenceReleased
from app.generation.reply import Reply
from app.service import Service
from app.settings import load_settings
from tests.model_server import ModelServer, Script
from tests.real_model import start_real_model

ROOT = Path(__file__).parents[1]
QUESTIONS = (
    "How many tree species are there on Earth?",
    "When did the James Webb Space Telescope take off?",
    "Which metal was the old kilogram made of?",
    "How high is Mount Everest?",
    "When did Notre-Dame reopen?",
    "How high did inflation climb?",
)
SILENCE = 0.5  # seconds
_KEY = re.compile(r"^key: (\w+)$", re.MULTILINE)
_SAID = re.compile(r"[A-Z][^.\n]{40,200}\.(?=\s)")


def script(messages: list[dict[str, Any]]) -> Script:
    """Return a reply of eight sentences, each nearly one of a passage's, in pieces of a word."""
    told = str(messages[-1]["content"])
    keys = list(_KEY.finditer(told))
    ends = [*(key.start() for key in keys[1:]), len(told)]
    said: list[str] = []
    for key, end in zip(keys, ends, strict=True):
        for found in _SAID.findall(told[key.end() : end])[:2]:
            said.append(f"It is reported that {found[:-1]} [{key[1]}].")
    return Script(re.findall(r"\S+\s*", " ".join(said[:8])))


def play(told: Any) -> None:  # noqa: ANN401 (a connection)
    """Serve the script until the other end says so."""
    with ModelServer() as server:
        server.play(script)
        told.send(server.url)
        told.recv()


@contextmanager
def scripted() -> Iterator[dict[str, Any]]:
    """Yield the settings of a scripted model in another process."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=play, args=(there,))
    process.start()
    try:
        yield {"llm": "openai:scripted", "llm_base_url": here.recv(), "llm_api_key": "none"}
    finally:
        here.send(None)
        process.join()


def cpu(name: str, service: Service, rounds: int) -> list[str]:
    """Return a row: CPU of the stream and of the work on it, over all questions."""
    own = whole = 0.0
    sentences = 0
    writer: Any = service.engine._writer
    read = writer._read

    def timed(*given: Any) -> Any:  # noqa: ANN401
        nonlocal own, whole
        mine, all_ = time.thread_time(), time.process_time()
        result = yield from read(*given)
        own += time.thread_time() - mine
        whole += time.process_time() - all_
        return result

    writer._read = timed
    for _ in range(rounds):
        for question in QUESTIONS:
            events = list(service.engine.stream(question))
            sentences += sum(isinstance(event, SentenceReleased) for event in events)
    writer._read = read
    n = rounds * len(QUESTIONS)
    cells = [f"{1_000 * (whole - own) / n:.1f}", f"{1_000 * own / n:.1f}"]
    return [name, f"{n}", f"{sentences / n:.1f}", *cells, f"{own / (whole - own):.3f}"]


def take_over(service: Service, times: int) -> list[float]:
    """Return the seconds from the deadline to the first quotation, one for each try."""
    begun: list[float] = []
    init: Callable[..., None] = Reply.__init__

    def noted(self: Reply, *given: Any) -> None:  # noqa: ANN401
        init(self, *given)
        begun.append(self._begun)

    Reply.__init__ = noted  # type: ignore[method-assign]
    late = []
    for n in range(times):
        begun.clear()
        told = False
        for event in service.engine.stream(QUESTIONS[n % len(QUESTIONS)]):
            told = told or isinstance(event, Degraded)
            if isinstance(event, SentenceReleased):
                late.append(time.monotonic() - begun[-1] - SILENCE)
                break
        if not told:
            sys.exit("the model was not given up")
    Reply.__init__ = init  # type: ignore[method-assign]
    return sorted(late)


@contextmanager
def serving(folder: Path, **llm: Any) -> Iterator[Service]:  # noqa: ANN401
    """Yield the service over the example articles with such a model, warmed up."""
    service = Service(load_settings(data_dir=folder, **llm))
    try:
        service.ingest([str(ROOT / "examples" / "articles")])
        list(service.engine.stream(QUESTIONS[0]))
        yield service
    finally:
        service.close()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)  # so that the reading thread's CPU time is all of the encoder's
    headers = ["model", "answers", "sentences", "stream, ms CPU", "Citewell, ms CPU", "ratio"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "data"
        rows = []
        real = start_real_model()
        with serving(place, **{**real.settings, "llm_max_tokens": 160}) as service:
            rows.append(cpu("SmolLM2-135M, here", service, 1))
        with scripted() as settings, serving(place, **settings) as service:
            rows.append(cpu("scripted, elsewhere", service, options.rounds))
        print_table(headers, rows)
        with ModelServer() as server:
            server.play(Script(["Never."], before=20))
            model = {"llm": "openai:scripted", "llm_base_url": server.url, "llm_retries": 0}
            with serving(place, **model, llm_first_token=SILENCE) as service:
                late = take_over(service, 5 * len(QUESTIONS))
    cells = [f"{1_000 * percentile(late, share):.0f}" for share in (0.5, 0.95)]
    print_table(
        ["take-overs", "p50, ms", "p95, ms", "worst, ms"],
        [[f"{len(late)}", *cells, f"{1_000 * late[-1]:.0f}"]],
    )


if __name__ == "__main__":
    main()
