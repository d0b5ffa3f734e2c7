"""What the kept answers tell together."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from app.records.insight import Asked, Day, Latency, normalised
from app.records.records import Records
from tests.kept import body

NOW = 1_750_000_000.0  # 2025-06-15, 15:06:40 UTC
DAY = 24 * 3600.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The records' file."""
    return tmp_path / "catalogue.sqlite3"


@pytest.fixture
def records(path: Path) -> Iterator[Records]:
    """Empty records."""
    opened = Records(path)
    yield opened
    opened.close()


class Clock:
    """Keeps answers as if they had been asked some days before NOW."""

    def __init__(self, records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
        self._records = records
        self._patch = monkeypatch
        self._number = 0

    def ask(
        self,
        days_ago: float,
        question: str,
        outcome: str = "answered",
        owner: str = "user:ada",
        **timings: float,
    ) -> str:
        """Keep an answer; return its id."""
        self._number += 1
        name = f"q{self._number}"
        self._patch.setattr("time.time", lambda: NOW - days_ago * DAY)
        self._records.conversations.keep(owner, body(name, question, outcome, timings or None))
        return name

    def judge(self, days_ago: float, answer: str, verdict: str, reason: str | None = None) -> None:
        """Give feedback."""
        self._patch.setattr("time.time", lambda: NOW - days_ago * DAY)
        self._records.feedback.give(answer, verdict, reason, None)


@pytest.fixture
def clock(records: Records, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Asks at other times."""
    return Clock(records, monkeypatch)


@pytest.mark.parametrize(
    ("question", "same"),
    [
        ("  When did it  OPEN?!", "when did it open"),
        ("When\ndid it open", "when did it open"),
        ("STRASSE?", "straße".casefold()),
        ("متى افتتح؟", "متى افتتح"),
        ("何時ですか？", "何時ですか"),
        ("C++ or C?", "c++ or c"),
        ("???", ""),
    ],
)
def test_spellings_of_a_question_are_one(question: str, same: str) -> None:
    """Case, spaces and the marks at the end do not tell questions apart."""
    assert normalised(question) == same


def test_what_is_asked_most_comes_first(records: Records, clock: Clock) -> None:
    """Spellings count together under the newest one; what is older does not count."""
    clock.ask(3, "How many trees?")
    clock.ask(1, "how many TREES")
    clock.ask(2, "How many trees ?")
    clock.ask(1, "Who?")
    clock.ask(0.5, "Why?")
    for _ in range(9):
        clock.ask(31, "How old?")
    assert records.insight.most_asked(30, 10, NOW) == [
        Asked("how many TREES", 3, NOW - DAY),
        Asked("Why?", 1, NOW - DAY / 2),
        Asked("Who?", 1, NOW - DAY),
    ]
    assert [each.question for each in records.insight.most_asked(30, 1, NOW)] == ["how many TREES"]
    assert records.insight.most_asked(365, 1, NOW)[0].question == "How old?"


def test_gaps_are_what_was_not_answered(records: Records, clock: Clock) -> None:
    """A gap counts its askings by outcome and names the closest articles; answers are none."""
    clock.ask(3, "Canteen hours?", "not_found")
    clock.ask(2, "canteen hours", "partial")
    clock.ask(1, "Canteen  Hours?", "not_found")
    clock.ask(2, "Parking?", "not_found")
    clock.ask(1, "Trees?", "answered")
    clock.ask(40, "Older?", "not_found")
    first, second = records.insight.gaps(30, now=NOW)
    assert (first.question, first.count, first.last) == ("Canteen  Hours?", 3, NOW - DAY)
    assert (first.not_found, first.partial) == (2, 1)
    assert first.closest == ("The title of c1",)
    assert second.question == "Parking?"
    assert len(records.insight.gaps(30, 1, NOW)) == 1


def test_a_gap_survives_an_erasure(records: Records, clock: Clock) -> None:
    """That something was asked stays when an article is erased; its title does not."""
    clock.ask(1, "Parking?", "not_found")
    records.conversations.forget_articles(["c1"])
    (gap,) = records.insight.gaps(30, now=NOW)
    assert (gap.question, gap.count, gap.closest) == ("Parking?", 1, ())
    assert records.insight.latency(30, NOW)["total"].count == 0


def test_days_are_whole_and_none_is_left_out(records: Records, clock: Clock) -> None:
    """Each day in UTC has its counts, one without answers too."""
    clock.ask(0, "a")
    clock.ask(0.1, "b", "not_found")
    clock.ask(1, "c")  # the day before
    clock.ask(3, "d", "partial")
    assert records.insight.by_day(3, NOW) == (
        Day(date(2025, 6, 12), 1, 0),
        Day(date(2025, 6, 13), 0, 0),
        Day(date(2025, 6, 14), 1, 0),
        Day(date(2025, 6, 15), 2, 1),
    )


def test_latencies_are_percentiles(records: Records, clock: Clock) -> None:
    """Half of the answers came within p50 and 95 of 100 within p95; refusals have no sentence."""
    for number in range(1, 21):
        clock.ask(1, f"q{number}", total=float(number), first_sentence=number / 2)
    clock.ask(1, "refused", "not_found", total=100.0)
    clock.ask(31, "old", total=1e6)
    found = records.insight.latency(30, NOW)
    assert found["first_sentence"] == Latency(5.0, 9.5, 20)
    assert found["total"] == Latency(11.0, 20.0, 21)


def test_only_the_newest_answers_are_measured(
    records: Records, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many answers the newest tell how fast it goes."""
    monkeypatch.setattr("app.records.insight.MEASURED", 2)
    for days_ago, total in ((3, 900.0), (2, 10.0), (1, 20.0)):
        clock.ask(days_ago, "x", total=total)
    assert records.insight.latency(30, NOW)["total"] == Latency(10.0, 20.0, 2)


def test_the_figures_add_up(records: Records, clock: Clock) -> None:
    """Answers, people, outcomes, verdicts and reasons are those of the time looked back on."""
    one = clock.ask(1, "a")
    two = clock.ask(1, "b", "partial", "user:eve")
    old = clock.ask(31, "c", "not_found", "user:old")
    clock.judge(1, one, "helpful")
    clock.judge(1, two, "unhelpful", "outdated")
    clock.judge(31, old, "unhelpful", "wrong")
    stats = records.insight.stats(30, NOW)
    assert (stats.answers, stats.people) == (2, 2)
    assert stats.outcomes == {"answered": 1, "partial": 1, "not_found": 0}
    assert stats.verdicts == {"helpful": 1, "unhelpful": 1}
    assert stats.reasons == {"outdated": 1}
    assert sum(day.answers for day in stats.by_day) == 2


def test_without_answers_all_is_nothing(records: Records) -> None:
    """Empty records give zeros and no percentiles."""
    stats = records.insight.stats(7, NOW)
    assert (stats.answers, stats.people, stats.latency["total"]) == (0, 0, Latency(None, None, 0))
    assert records.insight.gaps(7) == []


# -- one person's data -----------------------------------------------------------------------


def test_a_person_gets_what_is_theirs(records: Records, clock: Clock) -> None:
    """An export holds one person's conversations, answers and feedback, and nobody else's."""
    conversation = records.conversations.create("user:ada", "Trees")
    records.conversations.keep("user:ada", body("qa", "Mine?"), conversation.id)
    theirs = clock.ask(1, "Theirs?", owner="user:eve")
    clock.judge(1, "qa", "helpful")
    clock.judge(1, theirs, "unhelpful")
    found = records.people.export("user:ada")
    assert [each.title for each in found.conversations] == ["Trees"]
    assert [each.question for each in found.answers] == ["Mine?"]
    assert [(each.answer, each.verdict) for each in found.feedback] == [("qa", "helpful")]
    assert records.people.export("user:nobody").answers == ()


def test_a_person_is_deleted_from_the_file(records: Records, path: Path, clock: Clock) -> None:
    """After a deletion no file of the records holds what they asked; others' answers stay."""
    secret = b"Xylophone"
    clock.ask(1, "Where is my Xylophone?")
    kept = clock.ask(1, "Trees?", owner="user:eve")
    holding = [f.name for f in path.parent.iterdir() if secret in f.read_bytes()]
    assert holding
    assert records.people.delete("user:ada") == 1
    assert [f.name for f in path.parent.iterdir() if secret in f.read_bytes()] == []
    assert records.conversations.answer("user:eve", kept).question == "Trees?"
    assert records.people.delete("user:ada") == 0


def test_a_deleted_persons_sessions_end(records: Records) -> None:
    """Sessions end for exactly this person: neither for one of that name in a portal, nor back."""
    web = records.sessions.create("ada", [], 60)
    portal = records.sessions.create("ada", [], 60, "p1")
    other = records.sessions.create("ada", [], 60, "p2")
    records.people.delete("user:ada")
    assert [records.sessions.find(t) is None for t in (web, portal, other)] == [True, False, False]
    records.people.delete("portal:p1/ada")
    assert [records.sessions.find(t) is None for t in (portal, other)] == [True, False]
    records.people.delete("key:ada")
    assert records.sessions.find(other) is not None


def test_what_was_replied_to_them_is_gone(records: Records, path: Path) -> None:
    """The replies that are kept for clients that repeat a request hold answers too."""
    from app.records.replies import Reply

    records.replies.keep("user:ada", "k1", Reply("sha", 200, "{}"))
    records.people.delete("user:ada")
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT count(*) FROM replies").fetchone() == (0,)
    file.close()
