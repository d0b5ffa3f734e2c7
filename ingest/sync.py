"""What is new, changed and gone in a source; publishes it in groups and reports."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ingest.extract import Extracted, extract
from ingest.report import Failure, IngestReport, Progress
from ingest.sources import Item, Source, digest, open_source
from ingest.split import split
from vectorstore.errors import ArticleFormatError, IngestError, SourceError
from vectorstore.language import detect
from vectorstore.publication import Publication
from vectorstore.reader import Known
from vectorstore.store import Store
from vectorstore.types import (
    Article,
    ArticleHead,
    Chunk,
    Embedding,
    Encoder,
    EncoderInput,
    embedding_context,
)

logger = logging.getLogger(__name__)

GROUP = 128  # articles and chunks to embed that are published together


@dataclass
class _Tally:
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: int = 0
    chunks: int = 0
    failed: list[Failure] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Prepared:
    article: Article
    chunks: tuple[Chunk, ...]
    missing: tuple[Chunk, ...]  # those without an embedding yet
    source: str
    source_sha256: str
    new: bool


class Sync:
    """Takes sources into one collection of an open store."""

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        collection: str,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._collection = collection  # the opaque id
        self._on_progress = on_progress

    def run(self, arguments: Iterable[str | Source], prune: bool = False) -> IngestReport:
        """Publish what is new or changed, and remove what is gone if `prune` says so.

        An argument is a source, or what names one on a command line.

        An input that cannot be taken in is reported and stops nothing else. Running the same
        again embeds nothing and changes nothing.
        """
        start = time.perf_counter()
        tally = _Tally()
        sources = []
        for argument in arguments:
            try:
                sources.append(argument if isinstance(argument, Source) else open_source(argument))
            except SourceError as exc:
                tally.failed.append(Failure(str(argument), str(exc)))
        total = sum(source.total for source in sources)
        done = 0
        for source in sources:
            done = self._take(source, prune, tally, done, total)
        self._store.catch_up()
        report = IngestReport(
            added=tally.added,
            updated=tally.updated,
            unchanged=tally.unchanged,
            removed=tally.removed,
            failed=tuple(tally.failed),
            vanished=tuple(tally.vanished),
            skipped=tally.skipped,
            chunks=tally.chunks,
            seconds=round(time.perf_counter() - start, 3),
        )
        logger.info("ingested: %d added, %d updated", report.added, report.updated)
        return report

    def _take(self, source: Source, prune: bool, tally: _Tally, done: int, total: int) -> int:
        known = self._store.catalogue.known(self._collection)
        tally.skipped += source.skipped
        seen: dict[str, str] = {}
        group: list[_Prepared] = []
        whole = source.whole
        for item in source.items:
            waiting = len(group)
            try:
                prepared = self._prepare(item, source, known, seen)
                if prepared is None:
                    tally.unchanged += 1
                else:
                    group.append(prepared)
            except IngestError as exc:
                tally.failed.append(Failure(item.where, str(exc)))
                whole = whole and item.uri is not None
            if sum(1 + len(prepared.missing) for prepared in group) >= GROUP:
                self._publish(group, tally)
                done += len(group)
                group = []
            elif len(group) == waiting:
                done += 1  # nothing to publish
            self._on_progress(Progress(done, total, item.where))
        self._publish(group, tally)
        done += len(group)
        self._on_progress(Progress(done, total, source.root))
        if whole:
            self._clear(source, known, seen, prune, tally)
        return done

    def _prepare(
        self, item: Item, source: Source, known: Mapping[str, Known], seen: dict[str, str]
    ) -> _Prepared | None:
        """Return what has to be published for an item, None if nothing has."""
        if item.uri is not None:
            first = seen.setdefault(item.uri, item.where)
            if first != item.where:
                msg = f"has the uri {item.uri!r}, which {first} has too; only the first was taken."
                raise ArticleFormatError(msg)
        data = item.read()
        sha256 = digest(data)
        uri = str(item.uri)
        old = known.get(uri)
        if old is not None:
            rival = _rival(old, source, item)
            if old.source_sha256 == sha256:
                if old.source != source.root and rival is None:  # the folder has moved
                    self._store.note_source(old.head.id, source.root, sha256)
                return None
            if rival is not None:
                msg = (
                    f"would replace {uri!r}, which came from {rival}. "
                    "Ingest it into another --collection, or rename one of the two."
                )
                raise ArticleFormatError(msg)
        article, headings = self._to_article(uri, extract(data, item.kind, item.name))
        if old is not None and old.head == article.head:
            self._store.note_source(old.head.id, source.root, sha256)
            return None
        chunks = split(article, headings, self._encoder.count_tokens, self._encoder.max_tokens)
        if not chunks:
            msg = "holds no sentence that could be cited."
            raise ArticleFormatError(msg)
        kept = self._store.catalogue.chunk_ids(article.head.id)
        missing = tuple(chunk for chunk in chunks if chunk.id not in kept)
        return _Prepared(article, chunks, missing, source.root, sha256, new=old is None)

    def _to_article(self, uri: str, found: Extracted) -> tuple[Article, frozenset[int]]:
        identity = f"{self._collection}\0{uri}".encode("utf-8", "surrogatepass")
        head = ArticleHead(
            id=f"a{hashlib.sha256(identity).hexdigest()[:24]}",
            uri=uri,
            title=found.title,
            sha256=hashlib.sha256(found.text.encode()).hexdigest(),
            collection=self._collection,
            url=found.url,
            authors=found.authors,
            published=found.published,
            modified=found.modified,
            language=found.language or detect(found.text),
        )
        return Article(head, found.text), found.headings

    def _publish(self, group: list[_Prepared], tally: _Tally) -> None:
        if not group:
            return
        embeddings = embed(self._encoder, group)
        self._store.publish(
            [
                Publication(
                    article=prepared.article,
                    chunks=prepared.chunks,
                    embeddings=embeddings,
                    source=prepared.source,
                    source_sha256=prepared.source_sha256,
                )
                for prepared in group
            ]
        )
        tally.added += sum(prepared.new for prepared in group)
        tally.updated += sum(not prepared.new for prepared in group)
        tally.chunks += len(embeddings)

    def _clear(
        self,
        source: Source,
        known: Mapping[str, Known],
        seen: Mapping[str, str],
        prune: bool,
        tally: _Tally,
    ) -> None:
        gone = [
            known_article.head
            for uri, known_article in known.items()
            if known_article.source == source.root and uri not in seen
        ]
        if prune and gone:
            self._store.remove([head.id for head in gone])
            tally.removed += len(gone)
        elif gone:
            tally.vanished += [head.uri for head in gone]


def _rival(old: Known, source: Source, item: Item) -> Path | None:
    """Return the other file that an article of the same name came from, if it is still there.

    A web address names the same article wherever it is found; a file's path or a record's bare
    id does not.
    """
    if old.source == source.root or "://" in old.head.uri:
        return None
    other = Path(old.source)
    if item.kind != "record":
        other /= old.head.uri
    return other if other.is_file() else None


def embed(encoder: Encoder, group: Iterable[_Prepared]) -> dict[str, Embedding]:
    """Return the embeddings of the group's missing chunks, by chunk id."""
    chunks: list[Chunk] = []
    inputs: list[EncoderInput] = []
    for prepared in group:
        context = embedding_context(prepared.article.head)
        for chunk in prepared.missing:
            spans = tuple((s.start - chunk.start, s.end - chunk.start) for s in chunk.sentences)
            chunks.append(chunk)
            inputs.append(EncoderInput(context, chunk.text, spans))
    embeddings = encoder.encode_chunks(inputs)
    return {chunk.id: found for chunk, found in zip(chunks, embeddings, strict=True)}
