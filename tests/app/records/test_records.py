"""The records: their schema, and what outlives what."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from app.records.database import RECORDS, Database
from app.records.portals import PortalConfig, PortalKey
from app.records.records import Records
from app.records.schema import metadata
from vectorstore.catalogue import Catalogue
from vectorstore.database import History
from vectorstore.errors import UnknownNameError
from vectorstore.schema import metadata as catalogue_metadata


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    """Empty records."""
    opened = Records(tmp_path / "catalogue.sqlite3")
    yield opened
    opened.close()


def body(number: int, article: str = "a1") -> dict[str, Any]:
    """Return an answer's JSON, as far as the records read it."""
    return {
        "id": f"q{number}",
        "question": f"Question {number}?",
        "outcome": "answered",
        "passages": [{"article_id": article}],
        "citations": [],
        "closest": [],
    }


def test_both_schemas_are_the_declared_ones(tmp_path: Path) -> None:
    """In one file the catalogue's and the records' steps make just the tables that are declared."""
    path = tmp_path / "catalogue.sqlite3"
    Records(path).close()
    Catalogue(path).close()
    Records(path).close()
    engine = create_engine(f"sqlite:///{path}")
    both = [*metadata.tables, *catalogue_metadata.tables]
    for declared, table in ((metadata, "records_schema"), (catalogue_metadata, "catalogue_schema")):
        mine = set(declared.tables)
        options = {
            "compare_type": True,
            "version_table": table,
            "include_name": lambda name, kind, _, mine=mine: kind != "table" or name in mine,
        }
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts=options)
            assert compare_metadata(context, declared) == []
    engine.dispose()
    assert len(both) == len(set(both))


def test_the_newest_step_is_the_one_the_code_asks_for() -> None:
    """RECORDS names the only head among the migration steps."""
    folder = Path(__file__).parents[3] / "app" / "records" / "migrations"
    assert ScriptDirectory(str(folder)).get_heads() == [RECORDS.newest]


def test_an_older_database_keeps_its_portals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A portal of the first schema keeps its key and secret; sessions of before have ended."""
    path = tmp_path / "catalogue.sqlite3"
    with monkeypatch.context() as patch:
        patch.setattr(
            "app.records.database.RECORDS", History(RECORDS.folder, RECORDS.table, "r0001")
        )
        Database(path).close()
    with closing(sqlite3.connect(path)) as old, old:
        old.executemany(
            "INSERT INTO portals (id, name, origins, collections, public_key, created) "
            "VALUES (?, ?, '[\"https://a.example\"]', '[\"c1\"]', ?, 7)",
            [("p1", "hr", None), ("p2", "press", "PEM")],
        )
        old.execute(
            "INSERT INTO sessions VALUES (?, 'ada', '[]', 'p1', ?), (?, 'ben', '[]', NULL, ?)",
            (hashed("one"), time.time() + 60, hashed("two"), time.time() + 60),
        )
    records = Records(path)
    hr, press = records.portals.all()
    assert hr.keys == (PortalKey("p1", None, 7, None),)
    assert press.keys == (PortalKey("p2", "PEM", 7, None),)
    assert (hr.origins, hr.collections, hr.groups) == (("https://a.example",), ("c1",), {})
    assert (hr.is_public, hr.starters, hr.limit_user) == (False, (), None)
    assert records.sessions.find("one") is None
    found = records.sessions.find("two")
    assert found is not None
    assert found.subject == "ben"
    records.close()


def hashed(token: str) -> str:
    """Return what is kept of a session's token."""
    return sha256(token.encode()).hexdigest()


def test_a_portals_groups_see_what_they_are_given(records: Records) -> None:
    """All users see its collections, in order and once; each group its further ones."""
    config = PortalConfig(
        origins=("https://a.example",),
        collections=("c1",),
        groups={"a": ("c2", "c1"), "b": ("c3",)},
    )
    portal = records.portals.add("hr", config)
    assert portal.seen_by([]) == ("c1",)
    assert portal.seen_by(["b", "a", "z"]) == ("c1", "c3", "c2")
    assert records.portals.find("hr") == records.portals.find(portal.id) == portal
    assert records.portals.origins() == {"https://a.example"}
    records.portals.remove("hr")
    assert records.portals.all() == []


def test_a_key_is_kept_as_a_hash_only(records: Records, tmp_path: Path) -> None:
    """The secret finds its key and stands in no file."""
    key, secret = records.keys.create("portal", ["ask"], ["c1"], time.time() + 60)
    found = records.keys.find(secret)
    assert found is not None
    assert (found.id, found.collections) == (key.id, ("c1",))
    assert records.keys.find(f"{secret}x") is None
    assert records.keys.all()[0].used is not None
    for path in tmp_path.iterdir():
        assert secret[4:].encode() not in path.read_bytes()


def test_a_key_ends_with_its_time(records: Records) -> None:
    """An expired key is not found."""
    _, secret = records.keys.create("old", ["ask"], None, time.time() - 1)
    assert records.keys.find(secret) is None


def test_two_keys_of_one_name_are_not_confused(records: Records) -> None:
    """A name that two keys have revokes neither; an id does."""
    first, _ = records.keys.create("portal", ["ask"])
    records.keys.create("portal", ["ask"])
    with pytest.raises(UnknownNameError, match="2 keys"):
        records.keys.revoke("portal")
    assert records.keys.revoke(first.id) == first
    assert len(records.keys.all()) == 1


def test_a_session_ends(records: Records) -> None:
    """A session is found until its time, its end, or the end of all its portal's."""
    tokens = [records.sessions.create("ada", ["staff"], 60, "p1") for _ in range(3)]
    found = records.sessions.find(tokens[0])
    assert found is not None
    assert (found.subject, found.groups, found.portal) == ("ada", ("staff",), "p1")
    records.sessions.end(tokens[0])
    assert records.sessions.find(tokens[0]) is None
    assert records.sessions.find(tokens[1]) is not None
    records.sessions.end_all(portal="p1")
    assert records.sessions.find(tokens[1]) is None
    expired = records.sessions.create("ada", [], -1)
    assert records.sessions.find(expired) is None


def test_what_is_good_once_is_so_once(records: Records) -> None:
    """Only the first use counts, until it has expired by itself."""
    assert records.sessions.spend("jti", time.time() + 60)
    assert not records.sessions.spend("jti", time.time() + 60)


def test_what_is_old_is_forgotten(records: Records) -> None:
    """Answers from before a moment are deleted, with the conversations that this empties."""
    old = records.conversations.create("ada", "Old")
    records.conversations.keep("ada", body(1), old.id)
    time.sleep(0.01)
    moment = time.time()
    records.conversations.keep("ada", body(2))
    assert records.conversations.forget_before(moment) == 1
    assert [answer.id for answer in records.conversations.of_owner("ada")] == ["q2"]
    with pytest.raises(UnknownNameError):
        records.conversations.read("ada", old.id)


def test_one_users_questions_are_deleted(records: Records) -> None:
    """Everything of one owner goes, with its feedback, and nothing of another's."""
    for number, owner in ((1, "ada"), (2, "ada"), (3, "bob")):
        records.conversations.keep(owner, body(number))
        records.feedback.give(f"q{number}", "helpful", None, None)
    assert records.conversations.forget_owner("ada") == 2
    assert [each.answer for each in records.feedback.page(10)] == ["q3"]


def test_jobs_of_a_dead_process_were_interrupted(records: Records) -> None:
    """What ran when the process ended is not said to run."""
    job = records.jobs.create("ada", "upload")
    records.jobs.interrupt()
    found = records.jobs.find("ada", job.id)
    assert found.state == "interrupted"
    assert found.finished is not None
    with pytest.raises(UnknownNameError):
        records.jobs.find("bob", job.id)


def test_what_cites_an_erased_article_is_forgotten(records: Records) -> None:
    """An answer that cites an article which is not among its passages loses its text with it."""
    records.conversations.keep("ada", {**body(1), "citations": [{"article_id": "a2"}]})
    records.conversations.keep("ada", body(2))
    records.conversations.forget_articles(["a2"])
    assert records.conversations.answer("ada", "q1").body is None
    assert records.conversations.answer("ada", "q2").body is not None
