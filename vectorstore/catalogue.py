"""Articles, chunks, embeddings and the outbox in SQL: the truth that both indexes follow.

A version of an article is `staged`, then `current`, then `superseded`. Nothing but current
versions is ever handed to a reader, so what an index holds too early or too long is not seen.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    create_engine,
    delete,
    event,
    exists,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import DatabaseError

from vectorstore.errors import StoreError, UnknownNameError
from vectorstore.schema import (
    articles,
    chunks,
    collections,
    facts,
    followers,
    outbox,
    placements,
    versions,
)
from vectorstore.types import (
    Article,
    ArticleHead,
    Chunk,
    Embedding,
    Filter,
    Matrix,
    Sentence,
    SentenceVectors,
)

SCHEMA = "c0001"  # the newest step in vectorstore/migrations/versions


@dataclass(frozen=True, slots=True)
class Publication:
    """An article with its chunks, ready to be staged.

    `embeddings` holds those of the chunks the catalogue does not have yet, by chunk id.
    `source` is the folder or file it came from, `source_sha256` the digest of its bytes there.
    """

    article: Article
    chunks: tuple[Chunk, ...]
    embeddings: Mapping[str, Embedding]
    source: str
    source_sha256: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalogue holds of an article, for telling what a source changed."""

    head: ArticleHead
    source: str
    source_sha256: str


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of articles; `id` is opaque and outlives a change of name."""

    id: str
    name: str
    articles: int
    chunks: int


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One thing the indexes have to do: `add` or `remove` a chunk, by its number."""

    seq: int
    action: str
    chunk: int
    collection: str


@dataclass(frozen=True, slots=True)
class Located:
    """A chunk of a current version, with its article's head and its sentences' vectors."""

    number: int
    chunk: Chunk
    article: ArticleHead
    sentence_vectors: SentenceVectors


class Catalogue:
    """The catalogue in one SQLite file, brought to the newest schema at opening.

    Raises:
        StoreError: The file is not a catalogue, is damaged, or is newer than this program.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = create_engine(f"sqlite:///{path}")
        event.listen(self._engine, "connect", _set_pragmas)
        try:
            with self._engine.begin() as connection:
                _migrate(connection)
        except DatabaseError as exc:
            self._engine.dispose()
            msg = f"{path} cannot be used as a catalogue: {exc.orig}. Restore it from a backup."
            raise StoreError(msg) from exc

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except DatabaseError as exc:
            msg = f"Writing to {self.path} failed: {exc.orig}. Check free space and permissions."
            raise StoreError(msg) from exc

    # -- what the store remembers about itself -------------------------------------------

    def facts(self) -> dict[str, str]:
        """Return everything the store remembers about itself."""
        with self._engine.connect() as connection:
            return {row.key: row.value for row in connection.execute(select(facts))}

    def remember(self, values: Mapping[str, str]) -> None:
        """Set facts, replacing those of the same keys."""
        with self._write() as connection:
            connection.execute(delete(facts).where(facts.c.key.in_(list(values))))
            connection.execute(
                insert(facts), [{"key": key, "value": value} for key, value in values.items()]
            )

    def generation(self) -> int:
        """Return a number that grows in the transaction of each change readers can see."""
        with self._engine.connect() as connection:
            return _generation(connection)

    # -- collections ---------------------------------------------------------------------

    def create_collection(self, name: str) -> str:
        """Return the id of the collection `name`, created if there is none."""
        with self._write() as connection:
            found = connection.scalar(select(collections.c.id).where(collections.c.name == name))
            if found is not None:
                return str(found)
            new = f"c{uuid.uuid4().hex}"
            connection.execute(insert(collections).values(id=new, name=name))
            return new

    def collections(self) -> list[Collection]:
        """Return every collection with its counts, by name."""
        query = (
            select(
                collections.c.id,
                collections.c.name,
                func.count(articles.c.id.distinct()).label("articles"),
                func.count(placements.c.chunk).label("chunks"),
            )
            .select_from(collections)
            .outerjoin(
                articles,
                (articles.c.collection_id == collections.c.id) & articles.c.current.is_not(None),
            )
            .outerjoin(placements, placements.c.version == articles.c.current)
            .group_by(collections.c.id)
            .order_by(collections.c.name)
        )
        with self._engine.connect() as connection:
            return [Collection(**row._mapping) for row in connection.execute(query)]

    # -- publication: stage, flip, retire, sweep -----------------------------------------

    def stage(self, publications: Sequence[Publication]) -> None:
        """Write the new versions, their new chunks, and what the indexes have to add."""
        with self._write() as connection:
            for publication in publications:
                _stage(connection, publication)

    def flip(self) -> None:
        """Make every staged version the current one, in one transaction."""
        with self._write() as connection:
            staged = connection.execute(
                select(versions.c.number, versions.c.article_id)
                .where(versions.c.state == "staged")
                .order_by(versions.c.number)
            ).all()
            for version in staged:
                connection.execute(
                    update(versions)
                    .where(versions.c.article_id == version.article_id)
                    .where(versions.c.state == "current")
                    .values(state="superseded")
                )
                connection.execute(
                    update(versions)
                    .where(versions.c.number == version.number)
                    .values(state="current")
                )
                connection.execute(
                    update(articles)
                    .where(articles.c.id == version.article_id)
                    .values(current=version.number)
                )
            if staged:
                _grow(connection)

    def retire(self, article_ids: Sequence[str]) -> None:
        """Take articles from readers at once; `orphan` and `sweep` clear what is left."""
        with self._write() as connection:
            for article_id in article_ids:
                connection.execute(
                    update(versions)
                    .where(versions.c.article_id == article_id)
                    .values(state="superseded")
                )
                connection.execute(
                    update(articles).where(articles.c.id == article_id).values(current=None)
                )
            _grow(connection)

    def orphan(self) -> None:
        """Tell the indexes to remove the chunks that only superseded versions hold."""
        live = select(placements.c.chunk).join(versions).where(versions.c.state != "superseded")
        gone = (
            select(placements.c.chunk, articles.c.collection_id)
            .join(versions, versions.c.number == placements.c.version)
            .join(articles, articles.c.id == versions.c.article_id)
            .where(versions.c.state == "superseded", placements.c.chunk.not_in(live))
            .distinct()
        )
        with self._write() as connection:
            if not connection.scalar(select(exists().where(versions.c.state == "superseded"))):
                return
            rows = [
                {"action": "remove", "chunk": row.chunk, "collection_id": row.collection_id}
                for row in connection.execute(gone)
            ]
            if rows:
                connection.execute(insert(outbox), rows)

    def sweep(self) -> None:
        """Delete superseded versions, chunks without a version, and what all have applied."""
        with self._write() as connection:
            old = select(versions.c.number).where(versions.c.state == "superseded")
            touched = select(versions.c.article_id).where(versions.c.state == "superseded")
            article_ids = list(connection.scalars(touched.distinct()))
            connection.execute(delete(placements).where(placements.c.version.in_(old)))
            connection.execute(delete(versions).where(versions.c.state == "superseded"))
            for article_id in article_ids:
                placed = select(placements.c.chunk).where(placements.c.chunk == chunks.c.number)
                connection.execute(
                    delete(chunks).where(chunks.c.article_id == article_id, ~exists(placed))
                )
                kept = select(versions.c.number).where(versions.c.article_id == articles.c.id)
                connection.execute(
                    delete(articles).where(articles.c.id == article_id, ~exists(kept))
                )
            slowest = connection.scalar(select(func.min(followers.c.seq))) or 0
            connection.execute(delete(outbox).where(outbox.c.seq <= slowest))

    # -- what the indexes follow ---------------------------------------------------------

    def pending(self, follower: str, limit: int) -> list[OutboxEntry]:
        """Return what `follower` has not applied yet, oldest first."""
        reached = select(followers.c.seq).where(followers.c.name == follower)
        query = (
            select(outbox)
            .where(outbox.c.seq > func.coalesce(reached.scalar_subquery(), 0))
            .order_by(outbox.c.seq)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return [
                OutboxEntry(row.seq, row.action, row.chunk, row.collection_id)
                for row in connection.execute(query)
            ]

    def acknowledge(self, follower: str, seq: int | None = None) -> None:
        """Note that `follower` has applied everything up to `seq` (default: all there is)."""
        with self._write() as connection:
            if seq is None:
                newest = text("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
                seq = connection.scalar(newest) or 0
            connection.execute(delete(followers).where(followers.c.name == follower))
            connection.execute(insert(followers).values(name=follower, seq=seq))

    def embeddings(self, numbers: Sequence[int]) -> tuple[list[int], Matrix]:
        """Return those of `numbers` that exist, and their vectors row by row."""
        query = select(chunks.c.number, chunks.c.embedding).where(chunks.c.number.in_(numbers))
        with self._engine.connect() as connection:
            return _to_matrix(connection.execute(query))

    def placed(self, numbers: Sequence[int]) -> Iterator[tuple[int, str, ArticleHead]]:
        """Yield (number, text, article) of chunks in their newest version, staged ones too."""
        newest = (
            select(placements.c.chunk, func.max(placements.c.version).label("version"))
            .where(placements.c.chunk.in_(numbers))
            .group_by(placements.c.chunk)
            .subquery()
        )
        with self._engine.connect() as connection:
            for row in connection.execute(_chunk_rows(newest)):
                yield row.chunk_number, row.chunk_text, _to_head(row)

    def chunk_numbers(self) -> list[tuple[int, str]]:
        """Return (number, collection id) of every chunk that is kept, by number."""
        query = (
            select(chunks.c.number, articles.c.collection_id)
            .join(articles, articles.c.id == chunks.c.article_id)
            .order_by(chunks.c.number)
        )
        with self._engine.connect() as connection:
            return [(row.number, row.collection_id) for row in connection.execute(query)]

    # -- what readers see ----------------------------------------------------------------

    def visible(self, numbers: Sequence[int], condition: Filter) -> set[int]:
        """Return those of `numbers` that are in a current version the filter lets through."""
        query = (
            _visible(condition)
            .with_only_columns(placements.c.chunk)
            .where(placements.c.chunk.in_(numbers))
        )
        with self._engine.connect() as connection:
            return set(connection.scalars(query))

    def visible_embeddings(self, condition: Filter) -> tuple[list[int], Matrix]:
        """Return the number and vector of every chunk the filter lets through."""
        query = (
            _visible(condition)
            .join(chunks, chunks.c.number == placements.c.chunk)
            .with_only_columns(chunks.c.number, chunks.c.embedding)
        )
        with self._engine.connect() as connection:
            return _to_matrix(connection.execute(query))

    def locate(self, numbers: Sequence[int]) -> dict[int, Located]:
        """Return the chunks that are in a current version, by number."""
        current = (
            select(placements.c.chunk, placements.c.version)
            .join(articles, articles.c.current == placements.c.version)
            .where(placements.c.chunk.in_(numbers))
            .subquery()
        )
        with self._engine.connect() as connection:
            return {
                row.chunk_number: _to_located(row)
                for row in connection.execute(_chunk_rows(current))
            }

    def heads(self, condition: Filter | None = None) -> list[ArticleHead]:
        """Return the articles a reader may see, newest first, undated ones last."""
        query = (
            _current()
            .where(*_conditions(condition or Filter()))
            .order_by(versions.c.published.desc().nulls_last(), versions.c.title, articles.c.id)
        )
        with self._engine.connect() as connection:
            return [_to_head(row) for row in connection.execute(query)]

    def article(self, article_id: str) -> Article:
        """Return an article's current version.

        Raises:
            UnknownNameError: There is no such article.
        """
        with self._engine.connect() as connection:
            query = _current().add_columns(versions.c.text).where(articles.c.id == article_id)
            row = connection.execute(query).one_or_none()
        if row is None:
            msg = f"There is no article {article_id!r}. See: citewell articles list"
            raise UnknownNameError(msg)
        return Article(_to_head(row), row.text)

    def known(self, collection: str) -> dict[str, Known]:
        """Return what is published in a collection, by uri."""
        query = (
            _current()
            .add_columns(articles.c.source, versions.c.source_sha256)
            .where(articles.c.collection_id == collection)
        )
        with self._engine.connect() as connection:
            return {
                row.uri: Known(_to_head(row), row.source, row.source_sha256)
                for row in connection.execute(query)
            }

    def chunk_ids(self, article_id: str) -> set[str]:
        """Return the ids of the article's chunks whose embeddings are kept."""
        query = select(chunks.c.id).where(chunks.c.article_id == article_id)
        with self._engine.connect() as connection:
            return set(connection.scalars(query))

    def note_source(self, article_id: str, source: str, source_sha256: str) -> None:
        """Note new bytes or a new place for an article whose text and head did not change."""
        with self._write() as connection:
            connection.execute(
                update(articles).where(articles.c.id == article_id).values(source=source)
            )
            connection.execute(
                update(versions)
                .where(versions.c.article_id == article_id, versions.c.state == "current")
                .values(source_sha256=source_sha256)
            )


def _set_pragmas(connection: Any, _: object) -> None:  # noqa: ANN401 (a DBAPI connection)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # what is acknowledged survives a power cut
        "foreign_keys=ON",
        "busy_timeout=10000",
        "mmap_size=268435456",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _migrate(connection: Connection) -> None:
    """Bring the database to SCHEMA; alembic is imported only when there is work to do."""
    if inspect(connection).has_table("catalogue_schema"):
        found = connection.scalar(text("SELECT version_num FROM catalogue_schema"))
        if found == SCHEMA:
            return
    if connection.dialect.name == "sqlite":  # whose driver would commit each table by itself
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "vectorstore:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, SCHEMA)
    except CommandError as exc:
        msg = f"The catalogue has a schema this version of Citewell does not know: {exc}. Upgrade."
        raise StoreError(msg) from exc


def _generation(connection: Connection) -> int:
    return int(connection.scalar(select(facts.c.value).where(facts.c.key == "generation")) or 0)


def _grow(connection: Connection) -> None:
    grown = _generation(connection) + 1
    connection.execute(delete(facts).where(facts.c.key == "generation"))
    connection.execute(insert(facts).values(key="generation", value=str(grown)))


def _stage(connection: Connection, publication: Publication) -> None:
    head = publication.article.head
    found = select(articles.c.id).where(articles.c.id == head.id)
    if connection.scalar(found) is None:
        connection.execute(
            insert(articles).values(
                id=head.id,
                collection_id=head.collection,
                uri=head.uri,
                source=publication.source,
            )
        )
    else:
        connection.execute(
            update(articles).where(articles.c.id == head.id).values(source=publication.source)
        )
    version = connection.scalar(
        insert(versions).returning(versions.c.number),
        {
            "article_id": head.id,
            "state": "staged",
            "source_sha256": publication.source_sha256,
            "title": head.title,
            "url": head.url,
            "authors": json.dumps(head.authors, ensure_ascii=False),
            "published": head.published,
            "modified": head.modified,
            "language": head.language,
            "sha256": head.sha256,
            "text": publication.article.text,
        },
    )
    known = {
        row.id: row.number
        for row in connection.execute(
            select(chunks.c.id, chunks.c.number).where(chunks.c.article_id == head.id)
        )
    }
    # A chunk that only superseded versions hold may have left the indexes already.
    live = set(
        connection.scalars(
            select(placements.c.chunk)
            .join(versions, versions.c.number == placements.c.version)
            .where(versions.c.article_id == head.id, versions.c.state != "superseded")
        )
    )
    for chunk in publication.chunks:
        if chunk.id not in known:
            embedding = publication.embeddings[chunk.id]
            number = connection.scalar(
                insert(chunks).returning(chunks.c.number),
                {
                    "id": chunk.id,
                    "article_id": head.id,
                    "embedding": embedding.chunk.astype(np.float32).tobytes(),
                    "sentence_vectors": embedding.sentences.astype(np.float16).tobytes(),
                },
            )
            known[chunk.id] = int(number or 0)
        elif known[chunk.id] in live:
            continue
        connection.execute(
            insert(outbox).values(
                action="add", chunk=known[chunk.id], collection_id=head.collection
            )
        )
    rows = [
        {
            "version": version,
            "ordinal": chunk.ordinal,
            "chunk": known[chunk.id],
            "start": chunk.start,
            "end": chunk.end,
            "sentences": json.dumps([[s.start, s.end] for s in chunk.sentences]),
        }
        for chunk in publication.chunks
    ]
    if rows:
        connection.execute(insert(placements), rows)


def _current() -> Select[Any]:
    return select(
        articles.c.id.label("article_id"),
        articles.c.uri,
        articles.c.collection_id,
        versions.c.title,
        versions.c.url,
        versions.c.authors,
        versions.c.published,
        versions.c.modified,
        versions.c.language,
        versions.c.sha256,
    ).join(versions, versions.c.number == articles.c.current)


def _conditions(condition: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if condition.collections is not None:
        found.append(articles.c.collection_id.in_(condition.collections))
    if condition.published_from is not None:
        found.append(versions.c.published >= condition.published_from)
    if condition.published_to is not None:
        found.append(versions.c.published <= condition.published_to)
    return found


def _visible(condition: Filter) -> Select[Any]:
    query = select(placements.c.chunk).join(articles, articles.c.current == placements.c.version)
    if condition.dated:
        query = query.join(versions, versions.c.number == placements.c.version)
    return query.where(*_conditions(condition))


def _chunk_rows(wanted: Any) -> Select[Any]:  # noqa: ANN401 (a subquery of (chunk, version))
    return (
        select(
            placements.c.chunk.label("chunk_number"),
            chunks.c.id.label("chunk_id"),
            chunks.c.sentence_vectors,
            placements.c.ordinal,
            placements.c.start,
            placements.c.end,
            placements.c.sentences,
            # SQL counts characters from 1, as Python counts them from 0
            func.substr(
                versions.c.text, placements.c.start + 1, placements.c.end - placements.c.start
            ).label("chunk_text"),
            articles.c.id.label("article_id"),
            articles.c.uri,
            articles.c.collection_id,
            versions.c.title,
            versions.c.url,
            versions.c.authors,
            versions.c.published,
            versions.c.modified,
            versions.c.language,
            versions.c.sha256,
        )
        .select_from(wanted)
        .join(
            placements,
            (placements.c.chunk == wanted.c.chunk) & (placements.c.version == wanted.c.version),
        )
        .join(chunks, chunks.c.number == placements.c.chunk)
        .join(versions, versions.c.number == placements.c.version)
        .join(articles, articles.c.id == versions.c.article_id)
    )


def _to_head(row: Row[Any]) -> ArticleHead:
    return ArticleHead(
        id=row.article_id,
        uri=row.uri,
        title=row.title,
        sha256=row.sha256,
        collection=row.collection_id,
        url=row.url,
        authors=tuple(json.loads(row.authors)),
        published=row.published,
        modified=row.modified,
        language=row.language,
    )


def _to_located(row: Row[Any]) -> Located:
    sentences = tuple(Sentence(start, end) for start, end in json.loads(row.sentences))
    chunk = Chunk(
        id=row.chunk_id,
        article_id=row.article_id,
        ordinal=row.ordinal,
        start=row.start,
        end=row.end,
        text=row.chunk_text,
        sentences=sentences,
    )
    vectors = np.frombuffer(row.sentence_vectors, dtype=np.float16).reshape(len(sentences), -1)
    return Located(row.chunk_number, chunk, _to_head(row), vectors)


def _to_matrix(rows: Iterable[Row[Any]]) -> tuple[list[int], Matrix]:
    pairs = [(row.number, row.embedding) for row in rows]
    if not pairs:
        return [], np.zeros((0, 0), dtype=np.float32)
    matrix = np.frombuffer(b"".join(blob for _, blob in pairs), dtype=np.float32)
    return [number for number, _ in pairs], matrix.reshape(len(pairs), -1)
