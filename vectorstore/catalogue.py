"""Articles, chunks, embeddings and the outbox in SQL: the truth that both indexes follow.

A version of an article is `staged`, then `current`, then `superseded`. Nothing but current
versions is ever handed to a reader, so what an index holds too early or too long is not seen.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import (
    Connection,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DatabaseError

from vectorstore.database import open_database
from vectorstore.errors import StoreError, UnknownNameError
from vectorstore.publication import Publication, stage
from vectorstore.rows import (
    Located,
    chunk_rows,
    conditions,
    current,
    to_head,
    to_located,
    to_matrix,
    visible,
)
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
    Filter,
    Matrix,
)


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


class Catalogue:
    """The catalogue in one SQLite file, brought to the newest schema at opening.

    Raises:
        StoreError: The file is not a catalogue, is damaged, or is newer than this program.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = open_database(path)

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
                stage(connection, publication)

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
            return to_matrix(connection.execute(query))

    def placed(self, numbers: Sequence[int]) -> Iterator[tuple[int, str, ArticleHead]]:
        """Yield (number, text, article) of chunks in their newest version, staged ones too."""
        newest = (
            select(placements.c.chunk, func.max(placements.c.version).label("version"))
            .where(placements.c.chunk.in_(numbers))
            .group_by(placements.c.chunk)
            .subquery()
        )
        with self._engine.connect() as connection:
            for row in connection.execute(chunk_rows(newest)):
                yield row.chunk_number, row.chunk_text, to_head(row)

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
            visible(condition)
            .with_only_columns(placements.c.chunk)
            .where(placements.c.chunk.in_(numbers))
        )
        with self._engine.connect() as connection:
            return set(connection.scalars(query))

    def visible_embeddings(self, condition: Filter) -> tuple[list[int], Matrix]:
        """Return the number and vector of every chunk the filter lets through."""
        query = (
            visible(condition)
            .join(chunks, chunks.c.number == placements.c.chunk)
            .with_only_columns(chunks.c.number, chunks.c.embedding)
        )
        with self._engine.connect() as connection:
            return to_matrix(connection.execute(query))

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
                row.chunk_number: to_located(row) for row in connection.execute(chunk_rows(current))
            }

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


def _generation(connection: Connection) -> int:
    return int(connection.scalar(select(facts.c.value).where(facts.c.key == "generation")) or 0)


def _grow(connection: Connection) -> None:
    grown = _generation(connection) + 1
    connection.execute(delete(facts).where(facts.c.key == "generation"))
    connection.execute(insert(facts).values(key="generation", value=str(grown)))
