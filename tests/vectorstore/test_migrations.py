from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from vectorstore.catalogue import Catalogue
from vectorstore.database import SCHEMA
from vectorstore.errors import StoreError
from vectorstore.schema import metadata
from vectorstore.store import Store


def test_the_migrated_schema_is_the_declared_one(tmp_path: Path) -> None:
    """The steps bring an empty database to the tables that the code declares."""
    Catalogue(tmp_path / "c.sqlite3").close()
    engine = create_engine(f"sqlite:///{tmp_path / 'c.sqlite3'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "version_table": "catalogue_schema",
            },
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_checks_and_number_sequences_are_migrated_too(tmp_path: Path) -> None:
    """What the comparison of schemas does not see, checks and AUTOINCREMENT, is the same."""
    Catalogue(tmp_path / "migrated.sqlite3").close()
    migrated = create_engine(f"sqlite:///{tmp_path / 'migrated.sqlite3'}")
    declared = create_engine(f"sqlite:///{tmp_path / 'declared.sqlite3'}")
    metadata.create_all(declared)
    for table in metadata.tables:
        found = []
        for engine in (migrated, declared):
            with engine.connect() as connection:
                query = text("SELECT sql FROM sqlite_master WHERE type='table' AND name=:name")
                sql = connection.scalar(query, {"name": table})
            checks = inspect(engine).get_check_constraints(table)
            found.append(("AUTOINCREMENT" in sql, sorted(str(c["sqltext"]) for c in checks)))
        assert found[0] == found[1], table
    migrated.dispose()
    declared.dispose()


def test_the_newest_step_is_the_one_the_code_asks_for() -> None:
    """SCHEMA names the only head among the migration steps."""
    folder = Path(__file__).parents[2] / "vectorstore" / "migrations"
    assert ScriptDirectory(str(folder)).get_heads() == [SCHEMA]


def test_opening_again_migrates_nothing(tmp_path: Path) -> None:
    """A catalogue of the newest schema is opened without a change to its file."""
    path = tmp_path / "c.sqlite3"
    Catalogue(path).close()
    before = path.read_bytes()
    Catalogue(path).close()
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(open_store: Callable[..., Store], tmp_path: Path) -> None:
    """A catalogue written by a newer program is not touched, and the error says: upgrade."""
    open_store().close()
    engine = create_engine(f"sqlite:///{tmp_path / 'data' / 'catalogue.sqlite3'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE catalogue_schema SET version_num = 'c9999'"))
    with pytest.raises(StoreError, match=r"c9999.*Upgrade"):
        open_store()
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM catalogue_schema")) == "c9999"
    engine.dispose()
