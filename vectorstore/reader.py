"""What the catalogue can be asked; `catalogue.py` adds what changes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, Engine, Select, func, select

from vectorstore.errors import UnknownNameError
from vectorstore.rows import (
    LOCATED,
    Located,
    conditions,
    current,
    newest_chunk_rows,
    to_chunk,
    to_head,
    to_located,
    to_matrix,
)
from vectorstore.schema import (
    articles,
    chunks,
    collections,
    embeddings,
    encoders,
    facts,
    followers,
    outbox,
    placements,
    versions,
)
from vectorstore.types import Article, ArticleHead, Chunk, Filter, Matrix

AT_ONCE = 10_000  # values bound in one statement; SQLite allows 32,766


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
class Shown:
    """What readers see of an article: by what it is filtered, and its current chunks."""

    article_id: str
    collection: str
    source: str
    language: str | None
    published: date | None
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LexicalRow:
    """A chunk as the lexical index takes it."""

    number: int
    text: str
    article: ArticleHead
    source: str


class Reader:
    """Queries over an open database; `encoder` is the number of the one in use."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.encoder = 0

    # -- what the store remembers about itself -------------------------------------------

    def facts(self) -> dict[str, str]:
        """Return everything the store remembers about itself."""
        with self._engine.connect() as connection:
            return {row.key: row.value for row in connection.execute(select(facts))}

    def encoders(self) -> dict[str, int]:
        """Return the number of every encoder that has embeddings, by fingerprint."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(encoders.c.fingerprint, encoders.c.number))
            return {row.fingerprint: row.number for row in rows}

    def followers(self) -> dict[str, int]:
        """Return how far each follower of the outbox has come."""
        with self._engine.connect() as connection:
            return {row.name: row.seq for row in connection.execute(select(followers))}

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

    def embeddings(
        self, numbers: Sequence[int], encoder: int | None = None
    ) -> tuple[list[int], Matrix]:
        """Return those of `numbers` that are embedded, and their vectors row by row."""
        pairs: list[tuple[int, bytes]] = []
        with self._engine.connect() as connection:
            for start in range(0, len(numbers), AT_ONCE):
                query = select(embeddings.c.chunk, embeddings.c.vector).where(
                    embeddings.c.encoder == (encoder or self.encoder),
                    embeddings.c.chunk.in_(numbers[start : start + AT_ONCE]),
                )
                pairs += [(row.chunk, row.vector) for row in connection.execute(query)]
        return to_matrix(pairs)

    def placed(self, numbers: Sequence[int]) -> Iterator[LexicalRow]:
        """Yield chunks with the article of their newest version, staged ones too."""
        with self._engine.connect() as connection:
            for row in connection.execute(newest_chunk_rows(numbers)):
                yield LexicalRow(row.chunk_number, row.chunk_text, to_head(row), row.source)

    def chunk_numbers(self) -> list[tuple[int, str]]:
        """Return (number, collection id) of every chunk that is kept, by number."""
        query = (
            select(chunks.c.number, articles.c.collection_id)
            .join(articles, articles.c.id == chunks.c.article_id)
            .order_by(chunks.c.number)
        )
        with self._engine.connect() as connection:
            return [(row.number, row.collection_id) for row in connection.execute(query)]

    def orphans(self) -> int:
        """Return how many chunks no version holds."""
        with self._engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(unplaced().subquery())) or 0

    def staged_numbers(self) -> list[int]:
        """Return the numbers of the chunks in staged versions."""
        query = (
            select(placements.c.chunk)
            .join(versions, versions.c.number == placements.c.version)
            .where(versions.c.state == "staged")
            .distinct()
        )
        with self._engine.connect() as connection:
            return list(connection.scalars(query))

    def count_unembedded(self, encoder: int) -> int:
        """Return how many chunks have no vectors under an encoder."""
        with self._engine.connect() as connection:
            query = select(func.count()).select_from(chunks).where(_bare(encoder))
            return connection.scalar(query) or 0

    def unembedded(self, encoder: int, limit: int) -> list[tuple[int, Chunk, ArticleHead]]:
        """Return chunks (number, chunk, article) that have no vectors under an encoder."""
        with self._engine.connect() as connection:
            wanted = select(chunks.c.number).where(_bare(encoder)).limit(limit)
            numbers = list(connection.scalars(wanted))
            rows = connection.execute(newest_chunk_rows(numbers)) if numbers else ()
            return [(row.chunk_number, to_chunk(row), to_head(row)) for row in rows]

    # -- what readers see ----------------------------------------------------------------

    def shown(self, article_ids: Sequence[str] | None = None) -> list[Shown]:
        """Return what readers see of these articles (default: of all), gone ones left out."""
        heads = select(
            articles.c.id,
            articles.c.collection_id,
            articles.c.source,
            versions.c.language,
            versions.c.published,
        ).join(versions, versions.c.number == articles.c.current)
        placed = select(articles.c.id, placements.c.chunk).join(
            placements, placements.c.version == articles.c.current
        )
        if article_ids is not None:
            heads = heads.where(articles.c.id.in_(article_ids))
            placed = placed.where(articles.c.id.in_(article_ids))
        numbers: dict[str, list[int]] = {}
        with self._engine.connect() as connection:
            for article_id, number in connection.execute(placed):
                numbers.setdefault(article_id, []).append(number)
            return [
                Shown(*row, tuple(numbers.get(row.id, ()))) for row in connection.execute(heads)
            ]

    def every_vector(self, encoder: int | None = None) -> Iterator[tuple[list[int], Matrix]]:
        """Yield the numbers and vectors of all chunks that are kept, AT_ONCE at a time."""
        query = select(embeddings.c.chunk, embeddings.c.vector).where(
            embeddings.c.encoder == (encoder or self.encoder)
        )
        with self._engine.connect() as connection:
            cursor = connection.execute(query).cursor  # rows as they are: there are many
            while rows := cursor.fetchmany(AT_ONCE):
                yield to_matrix(rows)

    def locate(self, numbers: Sequence[int]) -> dict[int, Located]:
        """Return the chunks that are in a current version, by number."""
        wanted = {"numbers": numbers, "encoder": self.encoder}
        with self._engine.connect() as connection:
            return {r.chunk_number: to_located(r) for r in connection.execute(LOCATED, wanted)}

    def located_in(self, article_id: str) -> list[Located]:
        """Return an article's chunks in its current version, in order; none if it is gone."""
        query = (
            select(placements.c.chunk)
            .join(articles, articles.c.current == placements.c.version)
            .where(articles.c.id == article_id)
            .order_by(placements.c.ordinal)
        )
        with self._engine.connect() as connection:
            numbers = list(connection.scalars(query))
        found = self.locate(numbers)
        return [found[number] for number in numbers if number in found]

    def heads(self, condition: Filter | None = None) -> list[ArticleHead]:
        """Return the articles a reader may see, newest first, undated ones last."""
        query = (
            current()
            .where(*conditions(condition or Filter()))
            .order_by(versions.c.published.desc().nulls_last(), versions.c.title, articles.c.id)
        )
        with self._engine.connect() as connection:
            return [to_head(row) for row in connection.execute(query)]

    def article(self, article_id: str) -> Article:
        """Return an article's current version.

        Raises:
            UnknownNameError: There is no such article.
        """
        with self._engine.connect() as connection:
            query = current().add_columns(versions.c.text).where(articles.c.id == article_id)
            row = connection.execute(query).one_or_none()
        if row is None:
            msg = f"There is no article {article_id!r}. See: citewell articles list"
            raise UnknownNameError(msg)
        return Article(to_head(row), row.text)

    def known(self, collection: str) -> dict[str, Known]:
        """Return what is published in a collection, by uri."""
        query = (
            current()
            .add_columns(articles.c.source, versions.c.source_sha256)
            .where(articles.c.collection_id == collection)
        )
        with self._engine.connect() as connection:
            return {
                row.uri: Known(to_head(row), row.source, row.source_sha256)
                for row in connection.execute(query)
            }

    def chunk_ids(self, article_id: str) -> set[str]:
        """Return the ids of the article's chunks whose embeddings are kept."""
        query = (
            select(chunks.c.id)
            .join(embeddings, embeddings.c.chunk == chunks.c.number)
            .where(chunks.c.article_id == article_id, embeddings.c.encoder == self.encoder)
        )
        with self._engine.connect() as connection:
            return set(connection.scalars(query))

    def connect(self) -> Connection:
        """Return a connection for queries that only `upkeep` needs."""
        return self._engine.connect()


def unplaced() -> Select[tuple[int]]:
    """Select the numbers of the chunks that no version holds."""
    placed = select(placements.c.chunk).where(placements.c.chunk == chunks.c.number)
    return select(chunks.c.number).where(~placed.exists())


def _bare(encoder: int) -> ColumnElement[bool]:
    """Ask that a placed chunk has no vectors under an encoder."""
    done = select(embeddings.c.chunk).where(
        embeddings.c.encoder == encoder, embeddings.c.chunk == chunks.c.number
    )
    placed = select(placements.c.chunk).where(placements.c.chunk == chunks.c.number)
    return ~done.exists() & placed.exists()


def remembered(folder: Path) -> dict[str, str]:
    """Return the facts of a data folder's store without opening it; none where there is none."""
    path = folder / "catalogue.sqlite3"
    if not path.is_file():
        return {}
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return dict(connection.execute("SELECT key, value FROM facts").fetchall())
        finally:
            connection.close()
    except sqlite3.DatabaseError:  # opening the store will say what is wrong with it
        return {}
