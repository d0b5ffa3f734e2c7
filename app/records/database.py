"""The records' database: opened, read, and written in transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Executable, Row, event
from sqlalchemy.exc import DatabaseError

from vectorstore.database import History, open_database
from vectorstore.errors import StoreError

RECORDS = History("app.records:migrations", "records_schema", "r0003")


class Database:
    """The records' tables in one SQLite file, brought to the newest schema at opening.

    Raises:
        StoreError: The file is no database, is damaged, or is newer than this program.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = open_database(path, RECORDS)
        event.listen(self._engine, "connect", _overwrite)
        self._engine.dispose()  # connections that were opened without it

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def rows(self, query: Executable) -> list[Row[Any]]:
        """Return what a query finds."""
        with self._engine.connect() as connection:
            return list(connection.execute(query).all())

    def row(self, query: Executable) -> Row[Any] | None:
        """Return the first row that a query finds."""
        with self._engine.connect() as connection:
            return connection.execute(query).first()

    def fold(self) -> None:
        """Empty the write-ahead log, which still holds what was deleted; readers may delay it."""
        with self._engine.connect() as connection:
            bare = connection.execution_options(isolation_level="AUTOCOMMIT")
            bare.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection whose changes are committed at the end, all or none."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except DatabaseError as exc:
            msg = f"Writing to {self._path} failed: {exc.orig}. Check free space and permissions."
            raise StoreError(msg) from exc


def _overwrite(connection: Any, _: object) -> None:  # noqa: ANN401 (a DBAPI connection)
    """Have SQLite overwrite with zeros what is deleted: people's questions are among it."""
    connection.execute("PRAGMA secure_delete=ON")
