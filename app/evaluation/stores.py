"""The stores an evaluation asks: corpora built into a cache, and a copy of the user's own data.

A corpus is built once by the real pipeline, with the service's encoder, into a folder that is
named by what is in it; a later run embeds nothing. The vectors of questions are kept beside.
The user's data folder is only read: what is asked is a copy of its catalogue.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from app.evaluation.sets import Record
from app.service import Service
from app.settings import Settings
from ingest.report import Progress
from ingest.sources import Item, Source
from ingest.split import SPLITTER
from vectorstore.backup import copy_catalogue
from vectorstore.encoder import DEFAULT_MODEL, SentenceTransformerEncoder
from vectorstore.errors import SettingsError
from vectorstore.reader import remembered
from vectorstore.types import Embedding, Encoder, EncoderInput, Vector

PLACES = "citewell-eval"  # what the names of places begin with, in the filter by source
AT_ONCE = 32  # questions of one pass of the encoder
BUILT = "built.json"

Emit = Callable[[Progress], None]


def default_cache() -> Path:
    """Return the folder where corpora are kept: the user's cache, as XDG names it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "citewell" / "eval"


def place_name(place: str) -> str:
    """Return a record's place as the filter by source names it."""
    return f"{PLACES}/{place}"


def service_settings(settings: Settings) -> Settings:
    """Return the settings with the encoder that the service would take for its data folder."""
    facts = remembered(settings.data_dir)
    return settings.model_copy(
        update={
            "encoder": settings.encoder or facts.get("model", DEFAULT_MODEL),
            "precision": settings.precision or facts.get("precision", "fp32"),
        }
    )


@contextmanager
def corpus_service(
    settings: Settings, cache: Path, name: str, records: Sequence[Record], emit: Emit
) -> Iterator[Service]:
    """Open the store of a corpus, built if the cache does not have it.

    Raises:
        SettingsError: The corpus could not be taken in.
    """
    folder = cache / f"{name.replace('/', '-')}-{_digest(settings, records)}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as exc:
        msg = f"{folder} cannot be created: {exc.strerror}. Name another folder with --cache."
        raise SettingsError(msg) from exc
    with _opened(settings.model_copy(update={"data_dir": folder / "data"})) as service:
        if not (folder / BUILT).exists():
            fill(service, name, records, emit)
            (folder / BUILT).write_text(json.dumps({"name": name, "articles": len(records)}))
        yield service


def _digest(settings: Settings, records: Sequence[Record]) -> str:
    """Return what a corpus is known by: its articles, how they are split, and the encoder."""
    digest = hashlib.sha256(f"{settings.encoder}\0{settings.precision}\0{SPLITTER}".encode())
    for record in records:
        digest.update(json.dumps(asdict(record)).encode())
    return digest.hexdigest()[:12]


def fill(service: Service, name: str, records: Sequence[Record], emit: Emit) -> None:
    """Take records in, and give each its place.

    Raises:
        SettingsError: One of them could not be taken in.
    """
    items = (
        Item(f"{name}:{at}", record.uri, "record", record.uri, record.line)
        for at, record in enumerate(records, start=1)
    )
    source = Source(PLACES, items, len(records), whole=True)
    report = service.ingest([source], on_progress=emit)
    if report.failed:
        first = report.failed[0]
        msg = (
            f"{len(report.failed)} articles of {name} could not be taken in, the first: "
            f"{first.source} {first.error}"
        )
        raise SettingsError(msg)
    places = {record.uri: record.place for record in records if record.place}
    if places:
        (collection,) = (known.id for known in service.collections())
        for uri, known in service.store.catalogue.known(collection).items():
            if uri in places:
                service.store.note_source(
                    known.head.id, place_name(places[uri]), known.source_sha256
                )
        service.store.catch_up()


@contextmanager
def own_service(settings: Settings) -> Iterator[Service]:
    """Open a copy of the user's own store, whether or not a server has it open.

    Raises:
        SettingsError: There is none.
    """
    if not remembered(settings.data_dir):
        msg = (
            f"{settings.data_dir} holds no articles to ask. Ingest some, or name the folder "
            "with --data-dir."
        )
        raise SettingsError(msg)
    folder = Path(tempfile.mkdtemp(prefix="citewell-eval-"))
    try:
        copy_catalogue(settings.data_dir, folder)
        with _opened(settings.model_copy(update={"data_dir": folder})) as service:
            yield service
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _opened(settings: Settings) -> Iterator[Service]:
    service = Service(settings, threads=os.cpu_count() or 1)
    try:
        service.store.settle()
        yield service
    finally:
        service.close()


class CachedQueries:
    """An encoder, with the vectors of known queries computed in bulk beforehand."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors: dict[str, Vector] = {}

    @property
    def fingerprint(self) -> str:
        """That of the encoder."""
        return self._encoder.fingerprint

    @property
    def max_tokens(self) -> int:
        """That of the encoder."""
        return self._encoder.max_tokens

    def prepare(
        self, queries: Iterable[str], cache: Path | None = None, emit: Emit = lambda _: None
    ) -> None:
        """Encode the queries that are not in `cache`, and add them to it."""
        if cache is not None and cache.exists():
            with np.load(cache) as saved:
                vectors = saved["vectors"].astype(np.float32)
                self._vectors |= dict(zip(saved["texts"].tolist(), vectors, strict=True))
        texts = {query.strip() for query in queries} - self._vectors.keys()
        missing = sorted(
            texts, key=lambda text: (len(text), text)
        )  # a pass is as long as its longest
        for start in range(0, len(missing), AT_ONCE):
            some = missing[start : start + AT_ONCE]
            self._vectors |= dict(zip(some, self._encoder.encode_queries(some), strict=True))
            emit(Progress(start + len(some), len(missing), "questions"))
        if cache is not None and missing:
            self._save(cache)

    def _save(self, cache: Path) -> None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        fresh = cache.with_name(f"{cache.stem}.writing.npz")
        np.savez(
            fresh, texts=np.array(list(self._vectors)), vectors=np.stack([*self._vectors.values()])
        )
        fresh.replace(cache)

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


def query_cache(cache: Path, encoder: SentenceTransformerEncoder | Encoder) -> Path:
    """Return the file that keeps the vectors of questions under an encoder."""
    digest = hashlib.sha256(encoder.fingerprint.encode()).hexdigest()[:12]
    return cache / f"questions-{digest}.npz"
