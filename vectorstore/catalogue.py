"""Articles, chunks, embeddings and the outbox in SQL: the truth that both indexes follow.

A version of an article is `staged`, then `current`, then `superseded`. Nothing but current
versions is ever handed to a reader, so what an index holds too early or too long is not seen.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    Connection,
    Select,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.exc import DatabaseError

from vectorstore.database import open_database
from vectorstore.errors import StoreError, UnknownNameError
from vectorstore.publication import Publication, stage, write_embeddings
from vectorstore.reader import Reader, unplaced
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
    sentence_embeddings,
    versions,
)
from vectorstore.steps import Step, ignore
from vectorstore.types import Embedding

PATIENCE = 50  # tenths of a second


class Catalogue(Reader):
    """The catalogue in one SQLite file, brought to the newest schema at opening.

    Args:
        path: The file, created if there is none.
        on_step: Called before and after each commit, for tests that inject faults.

    Raises:
        StoreError: The file is not a catalogue, is damaged, or is newer than this program.
    """

    def __init__(self, path: Path, on_step: Step = ignore) -> None:
        super().__init__(open_database(path))
        self.path = path
        self._on_step = on_step

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _write(self, step: str) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
                self._on_step(f"{step}: before commit")
        except DatabaseError as exc:
            msg = f"Writing to {self.path} failed: {exc.orig}. Check free space and permissions."
            raise StoreError(msg) from exc
        self._on_step(f"{step}: committed")

    # -- what the store remembers about itself -------------------------------------------

    def remember(self, values: Mapping[str, str]) -> None:
        """Set facts, replacing those of the same keys."""
        with self._write("remember") as connection:
            _remember(connection, values)

    def use_encoder(self, fingerprint: str) -> int:
        """Return the number of an encoder, given to it at its first use."""
        known = self.encoders()
        if fingerprint in known:
            return known[fingerprint]
        with self._write("remember") as connection:
            return int(
                connection.scalar(
                    insert(encoders).returning(encoders.c.number), {"fingerprint": fingerprint}
                )
                or 0
            )

    def add_embeddings(self, encoder: int, found: Mapping[int, Embedding]) -> None:
        """Keep the vectors of chunks, by number, under an encoder that may not be in use yet.

        Those that were removed meanwhile are passed over.
        """
        with self._write("embed") as connection:
            there = connection.scalars(select(chunks.c.number).where(chunks.c.number.in_(found)))
            write_embeddings(connection, encoder, {number: found[number] for number in there})

    def forget_encoders(self, keep: int, limit: int = 2_000) -> bool:
        """Delete embeddings of all encoders but one, `limit` at a time; say if that was all."""
        with self._write("forget") as connection:
            done = True
            for table in (embeddings, sentence_embeddings):
                old = select(table.c.encoder, table.c.chunk).where(table.c.encoder != keep)
                for row in connection.execute(old.limit(limit)).all():
                    done = False
                    connection.execute(
                        delete(table).where(
                            table.c.encoder == row.encoder, table.c.chunk == row.chunk
                        )
                    )
            if done:
                connection.execute(delete(encoders).where(encoders.c.number != keep))
            return done

    # -- collections ---------------------------------------------------------------------

    def create_collection(self, name: str) -> str:
        """Return the id of the collection `name`, created if there is none."""
        with self._engine.connect() as connection:
            found = connection.scalar(select(collections.c.id).where(collections.c.name == name))
        if found is not None:
            return str(found)
        with self._write("collection") as connection:
            new = f"c{uuid.uuid4().hex}"
            connection.execute(insert(collections).values(id=new, name=name))
            return new

    def rename_collection(self, collection: str, name: str) -> None:
        """Give a collection, by id, another name that none has yet."""
        with self._write("collection") as connection:
            connection.execute(
                update(collections).where(collections.c.id == collection).values(name=name)
            )

    def delete_collection(self, collection: str) -> None:
        """Delete a collection, by id, whose articles are gone."""
        with self._write("collection") as connection:
            connection.execute(delete(collections).where(collections.c.id == collection))

    # -- publication: stage, flip, retire, sweep -----------------------------------------

    def stage(self, publications: Sequence[Publication]) -> None:
        """Write the new versions, their new chunks, and what the indexes have to add.

        Raises:
            UnknownNameError: The collection of one of them was deleted meanwhile.
        """
        with self._write("stage") as connection:
            there = set(connection.scalars(select(collections.c.id)))
            for publication in publications:
                head = publication.article.head
                if head.collection not in there:
                    msg = f"The collection of {head.uri!r} was deleted meanwhile. Ingest it again."
                    raise UnknownNameError(msg)
                stage(connection, publication, self.encoder)

    def flip(self) -> list[str]:
        """Make every staged version the current one, in one transaction; return the articles."""
        with self._write("flip") as connection:
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
            return list(dict.fromkeys(version.article_id for version in staged))

    def retire(self, article_ids: Sequence[str]) -> None:
        """Take articles from readers at once; `orphan` and `sweep` clear what is left."""
        with self._write("retire") as connection:
            for article_id in article_ids:
                connection.execute(
                    update(versions)
                    .where(versions.c.article_id == article_id)
                    .values(state="superseded")
                )
                connection.execute(
                    update(articles).where(articles.c.id == article_id).values(current=None)
                )

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
        with self._write("orphan") as connection:
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
        with self._write("sweep") as connection:
            old = select(versions.c.number).where(versions.c.state == "superseded")
            touched = select(versions.c.article_id).where(versions.c.state == "superseded")
            article_ids = list(connection.scalars(touched.distinct()))
            connection.execute(delete(placements).where(placements.c.version.in_(old)))
            connection.execute(delete(versions).where(versions.c.state == "superseded"))
            for article_id in article_ids:
                _drop_chunks(connection, unplaced().where(chunks.c.article_id == article_id))
                kept = select(versions.c.number).where(versions.c.article_id == articles.c.id)
                connection.execute(
                    delete(articles).where(articles.c.id == article_id, ~exists(kept))
                )
            slowest = connection.scalar(select(func.min(followers.c.seq))) or 0
            connection.execute(delete(outbox).where(outbox.c.seq <= slowest))

    def drop_orphans(self) -> None:
        """Delete every chunk that no version holds; a whole catalogue has none."""
        with self._write("sweep") as connection:
            _drop_chunks(connection, unplaced())

    def note_source(self, article_id: str, source: str, source_sha256: str) -> None:
        """Note new bytes or a new place for an article whose text and head did not change."""
        with self._write("note") as connection:
            moved = connection.scalar(
                select(articles.c.source != source).where(articles.c.id == article_id)
            )
            connection.execute(
                update(articles).where(articles.c.id == article_id).values(source=source)
            )
            connection.execute(
                update(versions)
                .where(versions.c.article_id == article_id, versions.c.state == "current")
                .values(source_sha256=source_sha256)
            )
            if moved:  # the lexical index filters by it
                placed = (
                    select(literal("add"), placements.c.chunk, articles.c.collection_id)
                    .join(articles, articles.c.current == placements.c.version)
                    .where(articles.c.id == article_id)
                )
                connection.execute(
                    insert(outbox).from_select(["action", "chunk", "collection_id"], placed)
                )

    # -- the file ------------------------------------------------------------------------

    def vacuum(self) -> None:
        """Write the file anew without what was deleted, and empty its write-ahead log."""
        with self._bare_connection() as connection:
            connection.exec_driver_sql("VACUUM")
            for _ in range(PATIENCE):
                folded = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
                if not folded[0]:
                    return
                time.sleep(0.1)  # a reader still needs the log
        msg = f"The log of {self.path} is being read all the time. Run this again."
        raise StoreError(msg)

    def copy_to(self, path: Path) -> None:
        """Write one state of the catalogue to a new file, while it may be changed."""
        with self._bare_connection() as connection:
            connection.exec_driver_sql("VACUUM INTO ?", (str(path),))

    @contextmanager
    def _bare_connection(self) -> Iterator[Connection]:
        """Yield a connection without a transaction, which VACUUM cannot be in."""
        try:
            with self._engine.connect() as connection:
                yield connection.execution_options(isolation_level="AUTOCOMMIT")
        except DatabaseError as exc:
            msg = f"Rewriting {self.path} failed: {exc.orig}. Check free space and permissions."
            raise StoreError(msg) from exc

    # -- what follows the outbox ---------------------------------------------------------

    def acknowledge(self, follower: str, seq: int | None = None) -> None:
        """Note that `follower` has applied everything up to `seq` (default: all there is)."""
        with self._write("acknowledge") as connection:
            _follow(connection, follower, seq)

    def switch(self, values: Mapping[str, str], followers_kept: Sequence[str]) -> None:
        """Set the facts that name another generation, and drop the followers that it replaces."""
        with self._write("switch") as connection:
            _remember(connection, values)
            connection.execute(delete(followers).where(followers.c.name.not_in(followers_kept)))


def _drop_chunks(connection: Connection, numbers: Select[tuple[int]]) -> None:
    """Delete chunks, by a query for their numbers, with all their vectors."""
    for table, column in (
        (embeddings, embeddings.c.chunk),
        (sentence_embeddings, sentence_embeddings.c.chunk),
        (chunks, chunks.c.number),
    ):
        connection.execute(delete(table).where(column.in_(numbers)))


def _remember(connection: Connection, values: Mapping[str, str]) -> None:
    if not values:
        return
    connection.execute(delete(facts).where(facts.c.key.in_(list(values))))
    connection.execute(
        insert(facts), [{"key": key, "value": value} for key, value in values.items()]
    )


def _follow(connection: Connection, follower: str, seq: int | None) -> None:
    if seq is None:
        newest = text("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
        seq = connection.scalar(newest) or 0
    connection.execute(delete(followers).where(followers.c.name == follower))
    connection.execute(insert(followers).values(name=follower, seq=seq))
