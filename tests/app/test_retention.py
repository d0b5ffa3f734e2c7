"""What is remembered is forgotten when its time is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.records.records import Records
from app.retention import DAY, Retention, forget
from tests.kept import body
from vectorstore.errors import StoreError

PATIENCE = 10.0  # seconds


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    """Records with an answer in a conversation, feedback, a job and an audit entry of now."""
    opened = Records(tmp_path / "catalogue.sqlite3")
    conversation = opened.conversations.create("user:ada", "Trees")
    opened.conversations.keep("user:ada", body("q1", "Trees?"), conversation.id)
    opened.feedback.give("q1", "helpful", None, None)
    opened.jobs.finish(opened.jobs.create("user:ada", "ingest").id, {}, None)
    opened.jobs.create("user:ada", "ingest")
    opened.audit.note("user:ada", "ingest")
    yield opened
    opened.close()


def left(records: Records) -> tuple[int, int, int, int, int]:
    """Return how many answers, conversations, verdicts, jobs and audit entries there are."""
    return (
        len(records.conversations.of_owner("user:ada")),
        len(records.conversations.page("user:ada", 10)),
        len(records.feedback.page(10)),
        len(records.jobs.page(None, 10)),
        len(records.audit.page(10)),
    )


def test_what_is_older_is_deleted(records: Records) -> None:
    """After so many days answers, conversations, feedback, ended jobs and the audit are gone."""
    assert forget(records, 90, time.time() + 89 * DAY) == 0
    assert left(records) == (1, 1, 1, 2, 1)
    assert forget(records, 90, time.time() + 91 * DAY) == 1
    assert left(records) == (0, 0, 0, 1, 0)  # a job that still runs stays


def test_much_is_deleted_a_day_at_a_time(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """No deletion reaches over more than a day of answers, and together they reach them all."""
    real = time.time()
    for number, days_ago in enumerate((99.0, 98.5, 97.0, 91.0, 89.0)):
        monkeypatch.setattr(
            "app.records.conversations.time.time", lambda d=days_ago: real - d * DAY
        )
        records.conversations.keep("user:ada", body(f"old{number}", "Old?"))
    forgotten: list[int] = []
    forget_before = records.conversations.forget_before

    def count(moment: float) -> int:
        forgotten.append(forget_before(moment))
        return forgotten[-1]

    monkeypatch.setattr(records.conversations, "forget_before", count)
    assert forget(records, 90, real) == 4
    assert forgotten == [2, 1, 1, 0]
    assert len(records.conversations.of_owner("user:ada")) == 2


def test_a_conversation_stays_with_its_newer_answers(records: Records) -> None:
    """A conversation is deleted only when none of its answers is left."""
    (conversation,) = records.conversations.page("user:ada", 1)
    forget(records, 1, time.time() + DAY / 2)
    assert records.conversations.read("user:ada", conversation.id)[1]


def test_zero_days_keep_all(records: Records) -> None:
    """Without a limit nothing is ever deleted."""
    assert forget(records, 0, time.time() + 10_000 * DAY) == 0
    assert left(records) == (1, 1, 1, 2, 1)


def test_it_is_done_at_the_start_and_again(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round runs at once and then after each pause, until it is stopped."""
    rounds = threading.Semaphore(0)
    real = time.time
    monkeypatch.setattr("app.retention.time.time", lambda: real() + 91 * DAY)

    def reach() -> Records:
        rounds.release()
        return records

    retention = Retention(90, reach, pause=0.01)
    retention.start()
    for _ in range(3):
        assert rounds.acquire(timeout=PATIENCE)
    retention.stop()
    assert left(records)[0] == 0
    assert not [thread for thread in threading.enumerate() if thread.name == "retention"]


def test_what_fails_today_is_tried_again(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    """Records that cannot be reached are told of in the log and do not end the thread."""
    tried = threading.Semaphore(0)

    def reach() -> Records:
        tried.release()
        msg = "The store is closed."
        raise StoreError(msg)

    retention = Retention(90, reach, pause=0.01)
    retention.start()
    for _ in range(2):
        assert tried.acquire(timeout=PATIENCE)
    retention.stop()
    assert "The store is closed." in caplog.text


def test_nothing_is_started_for_nothing(records: Records) -> None:
    """With 0 days, and after a stop, there is no thread."""
    for retention in (Retention(0, lambda: records), Retention(90, lambda: records)):
        retention.stop()
        retention.start()
        assert retention._thread is None
