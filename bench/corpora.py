"""The corpora of the benchmarks: built by the real pipeline, kept, and their questions.

SQuAD gives each of its 2,067 paragraphs as an article, SciFact each of its 5,183 abstracts.
Both become JSON Lines files that `Service.ingest` takes in like any other source.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np

from app.service import Service
from app.settings import Settings
from ingest.sync import IngestReport, Progress
from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.types import Embedding, EncoderInput, Vector

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


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON Lines file, gzipped or not."""
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open()
    with opened as file:
        return [json.loads(line) for line in file]


def squad_records(data: Path) -> list[Record]:
    """Return SQuAD's paragraphs as articles; the uri is the paragraph's id."""
    return [
        {"uri": row["pid"], "title": row["title"].replace("_", " "), "text": row["text"]}
        for row in read_lines(need(data / "data/squad/paragraphs.jsonl"))
    ]


def scifact_records(data: Path) -> list[Record]:
    """Return SciFact's abstracts as articles; the uri is the document's id."""
    return [
        {"uri": str(row["_id"]), "title": row["title"], "text": row["text"]}
        for row in read_lines(need(data / "data/scifact/corpus.jsonl.gz"))
    ]


def squad_questions(data: Path) -> list[Question]:
    """Return the questions of SQuAD 1.1 dev; relevant is the paragraph each was asked on."""
    return [
        Question(
            id=row["id"],
            text=row["question"],
            title=row["title"].replace("_", " "),
            relevant={row["pid"]: 1},
            answers=tuple(dict.fromkeys(row["answers"])),
        )
        for row in read_lines(need(data / "data/squad/questions_v1.1.dev.jsonl"))
    ]


def scifact_questions(data: Path) -> list[Question]:
    """Return the claims of SciFact dev with their judged abstracts."""
    return [
        Question(str(row["_id"]), row["text"], "", {str(k): v for k, v in row["qrels"].items()})
        for row in read_lines(need(data / "data/scifact/queries.dev.jsonl"))
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


# -- queries encoded once ----------------------------------------------------------------


class CachedQueries:
    """The real encoder, with the vectors of known queries computed in batches beforehand."""

    def __init__(self, encoder: SentenceTransformerEncoder) -> None:
        self._encoder = encoder
        self._vectors: dict[str, Vector] = {}

    fingerprint = property(lambda self: self._encoder.fingerprint)
    max_tokens = property(lambda self: self._encoder.max_tokens)

    def prepare(self, queries: Sequence[str], cache: Path | None = None) -> None:
        """Encode the queries, or read their vectors from `cache` if it was written for them."""
        texts = list(dict.fromkeys(query.strip() for query in queries))
        if cache is not None and cache.exists():
            with np.load(cache) as saved:
                if saved["texts"].tolist() == texts:
                    self._vectors |= dict(zip(texts, saved["vectors"], strict=True))
                    return
        print(f"Encoding {len(texts)} questions", file=sys.stderr, flush=True)
        vectors = np.asarray(
            self._encoder._model.encode_query(texts, batch_size=64, show_progress_bar=False),
            dtype=np.float32,
        )
        if cache is not None:
            np.savez(cache, texts=np.array(texts), vectors=vectors)
        self._vectors |= dict(zip(texts, vectors, strict=True))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text."""
        return self._encoder.count_tokens(texts)

    def encode_query(self, query: str) -> Vector:
        """Return the query's prepared vector; one that was not prepared is encoded."""
        found = self._vectors.get(query)
        return self._encoder.encode_query(query) if found is None else found

    def encode_queries(self, queries: Sequence[str]) -> list[Vector]:
        """Return the queries' vectors."""
        return [self.encode_query(query) for query in queries]

    def encode_chunks(self, inputs: Sequence[EncoderInput]) -> list[Embedding]:
        """Return one embedding for each input."""
        return self._encoder.encode_chunks(inputs)
