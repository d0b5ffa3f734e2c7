"""The corpora of the benchmarks: built by the real pipeline, kept, and their questions.

SQuAD gives each of its 2,067 paragraphs as an article, SciFact each of its 5,183 abstracts.
Both become JSON Lines files that `Service.ingest` takes in like any other source.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from app.evaluation import adapters
from app.evaluation.files import read_lines as read_lines
from app.evaluation.sets import Record as Article
from app.evaluation.stores import CachedQueries as CachedQueries
from app.service import Service
from app.settings import Settings
from ingest.sync import IngestReport, Progress

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

Corpus = Literal["squad", "scifact"]
Record = dict[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the article uris that are relevant to it and the gold answers, if any."""

    id: str
    text: str
    title: str
    relevant: Mapping[str, int]  # uri -> grade
    answers: tuple[str, ...] = ()


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options every benchmark has."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n", 1)[0])
    parser.add_argument(
        "--data",
        type=Path,
        default=SHARED,
        help="the folder with data/squad, data/scifact and articles [../shared]",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        help="keep what is built in this folder, and reuse what it holds [a temporary folder]",
    )
    return parser


def need(path: Path) -> Path:
    """Return the path, or end the program with one line that says what is missing."""
    if not path.exists():
        name = os.path.relpath(path, ROOT)
        sys.exit(f"{name} is absent. Give the folder that holds it with --data.")
    return path


@contextmanager
def workplace(keep: Path | None) -> Iterator[Path]:
    """Yield the folder to build in; a temporary one is removed at the end."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    folder = Path(tempfile.mkdtemp(prefix="citewell-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# -- articles and questions --------------------------------------------------------------


def squad_records(data: Path) -> list[Record]:
    """Return SQuAD's paragraphs as articles; the uri is the paragraph's id."""
    need(data / "data/squad/paragraphs.jsonl")
    return _plain(adapters.squad_records(data / "data/squad"))


def scifact_records(data: Path) -> list[Record]:
    """Return SciFact's abstracts as articles; the uri is the document's id."""
    need(data / "data/scifact/corpus.jsonl.gz")
    return _plain(adapters.scifact_records(data / "data/scifact"))


def _plain(records: Iterable[Article]) -> list[Record]:
    return [{"uri": each.uri, "title": each.title, "text": each.text} for each in records]


def squad_questions(data: Path) -> list[Question]:
    """Return the questions of SQuAD 1.1 dev; relevant is the paragraph each was asked on."""
    return [
        Question(each.id, each.text, each.cluster, each.relevant, each.answers[0])
        for each in adapters.squad_questions(need(data / "data/squad/questions_v1.1.dev.jsonl"))
    ]


def scifact_questions(data: Path) -> list[Question]:
    """Return the claims of SciFact dev with their judged abstracts."""
    return [
        Question(each.id, each.text, "", each.relevant)
        for each in adapters.scifact_questions(need(data / "data/scifact/queries.dev.jsonl"))
    ]


# -- stores ------------------------------------------------------------------------------


def open_service(folder: Path, threshold: float | None = None, threads: int = 1) -> Service:
    """Open a store with the default settings, whatever the environment says."""
    default = Settings.model_fields["threshold"].default
    settings = Settings(
        data_dir=folder,
        encoder=Settings.model_fields["encoder"].default,
        threshold=default if threshold is None else threshold,
    )
    return Service(settings, threads)


def fill(service: Service, folder: Path, name: str, records: Iterable[Record]) -> IngestReport:
    """Take articles in from a JSON Lines file of their own.

    The file stays, because taking it in again under the same name changes nothing.
    """
    source = write_records(folder, name, records)
    report = service.ingest([str(source)], on_progress=_show_progress)
    if report.failed:
        sys.exit(f"{len(report.failed)} articles were not taken in: {report.failed[0]}")
    return report


def write_records(folder: Path, name: str, records: Iterable[Record]) -> Path:
    """Write articles as JSON Lines and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{name}.jsonl"
    with source.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return source


def _show_progress(progress: Progress) -> None:
    if progress.done % 200 == 0 and progress.done:
        print(f"  {progress.done} of {progress.total} articles", file=sys.stderr, flush=True)


def build(corpus: Corpus, data: Path, folder: Path) -> Path:
    """Return the store of a corpus in `folder`, built if it is not there yet."""
    records = squad_records(data) if corpus == "squad" else scifact_records(data)
    store = folder / corpus
    service = open_service(store, threads=os.cpu_count() or 1)
    try:
        held = len(service.articles())
        if held != len(records):
            print(f"Building {corpus} ({len(records)} articles)", file=sys.stderr, flush=True)
            report = fill(service, folder, corpus, records)
            rate = report.chunks / report.seconds
            print(f"  {report.chunks} chunks, {rate:.1f} a second", file=sys.stderr, flush=True)
    finally:
        service.close()
    return store
