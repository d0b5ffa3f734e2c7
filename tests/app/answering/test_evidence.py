"""Passages as they are read for the check."""

from __future__ import annotations

from datetime import date

from app.answering.evidence import Evidence, read


def test_a_passage_is_read_once() -> None:
    """The same passage gives the same reading, for all the sentences that cite it."""
    passage = Evidence("It opened. It closed.")
    assert read(passage) is read(Evidence("It opened. It closed."))
    assert [line.text for line in read(passage).lines] == ["It opened.", "It closed."]


def test_the_day_is_taken_from_a_dateline_where_it_is_not_given() -> None:
    """A short line with a whole date near the top is the day of publication."""
    assert read(Evidence("Posted on 9 May 2018\nIt opened last week.")).day == date(2018, 5, 9)
    assert read(Evidence("It opened.", published=date(2020, 1, 2))).day == date(2020, 1, 2)
    assert read(Evidence("It opened.")).day is None


def test_a_day_that_is_none_is_left_alone() -> None:
    """31 February is no day of publication."""
    assert read(Evidence("Posted on 31 February 2018")).day is None
