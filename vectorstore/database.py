"""Opening the catalogue's database: its settings, and its newest schema."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError

from vectorstore.errors import StoreError

SCHEMA = "c0002"  # the newest step in vectorstore/migrations/versions


@dataclass(frozen=True, slots=True)
class History:
    """The steps that bring a schema to its newest form, as alembic runs them.

    `folder` is `package:directory`; `table` is where the database keeps the step it has.
    """

    folder: str
    table: str
    newest: str


CATALOGUE = History("vectorstore:migrations", "catalogue_schema", SCHEMA)


def open_database(path: Path, history: History = CATALOGUE) -> Engine:
    """Return the database in a SQLite file, created if there is none, in the newest schema.

    Raises:
        StoreError: The file is not a catalogue, is damaged, or is newer than this program.
    """
    # as many readers at once as a server has threads, without opening connections anew
    engine = create_engine(f"sqlite:///{path}", pool_size=40)
    event.listen(engine, "connect", _set_pragmas)
    try:
        with engine.begin() as connection:
            _migrate(connection, history)
    except DatabaseError as exc:
        engine.dispose()
        msg = f"{path} cannot be used as a catalogue: {exc.orig}. Restore it from a backup."
        raise StoreError(msg) from exc
    return engine


def _set_pragmas(connection: Any, _: object) -> None:  # noqa: ANN401 (a DBAPI connection)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # what is acknowledged survives a power cut
        "foreign_keys=ON",
        "busy_timeout=10000",
        "mmap_size=268435456",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _migrate(connection: Connection, history: History) -> None:
    """Bring the database to the newest form; alembic is imported only when there is work to do."""
    if inspect(connection).has_table(history.table):
        found = connection.scalar(text(f"SELECT version_num FROM {history.table}"))  # noqa: S608 (ours)
        if found == history.newest:
            return
    if connection.dialect.name == "sqlite":  # whose driver would commit each table by itself
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", history.folder)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["table"] = history.table
    try:
        command.upgrade(config, history.newest)
    except CommandError as exc:
        msg = f"The database has a schema this version of Citewell does not know: {exc}. Upgrade."
        raise StoreError(msg) from exc
