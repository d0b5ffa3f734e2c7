"""What a question says of time: the articles' own time filters, that of events only ranks."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.times import Period, Time, read_time

TODAY = date(2026, 11, 24)  # a Tuesday


def days(first: str | None, last: str | None) -> Period:
    """Return a period from ISO dates."""
    return Period(first and date.fromisoformat(first), last and date.fromisoformat(last))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "period"),
    [
        ("What was reported last June?", days("2026-06-01", "2026-06-30")),
        ("What was reported last November?", days("2025-11-01", "2025-11-30")),
        ("What happened yesterday?", days("2026-11-23", "2026-11-23")),
        ("What happened last week?", days("2026-11-16", "2026-11-22")),
        ("Who won last month?", days("2026-10-01", "2026-10-31")),
        ("Which species were found in the past 3 months?", days("2026-08-24", "2026-11-24")),
        ("What changed over the past year?", days("2025-11-24", "2026-11-24")),
        ("Any news since last June?", days("2026-06-01", None)),
        ("What do the articles from 2023 say about whales?", days("2023-01-01", "2023-12-31")),
        ("Show me news about whales from March 2024", days("2024-03-01", "2024-03-31")),
        ("Are there articles between May and July?", days("2026-05-01", "2026-07-31")),
        ("Which articles since March 2024 name a whale?", days("2024-03-01", None)),
        ("What was published before 2020?", days(None, "2019-12-31")),
        ("last week's headlines", days("2026-11-16", "2026-11-22")),
        ("What are today's headlines?", days("2026-11-24", "2026-11-24")),
        ("What was reported in December?", days("2025-12-01", "2025-12-31")),
    ],
)
def test_the_time_of_articles_filters(question: str, period: Period) -> None:
    """A time told from today on, or one beside the articles, is a filter with whole ends."""
    assert read_time(question, TODAY).only == period


@pytest.mark.parametrize(
    ("question", "near"),
    [
        ("Who won the election in 1936?", days("1936-01-01", "1936-12-31")),
        ("What happened in 2023?", days("2023-01-01", "2023-12-31")),
        ("What article was published in 1937?", days("1937-01-01", "1937-12-31")),
        ("Who led in the last year of the war?", days("2025-01-01", "2025-12-31")),
        ("What did it earn in its last year?", days("2025-01-01", "2025-12-31")),
        ("What happened 50 years ago?", days("1976-01-01", "1976-12-31")),
        ("What may one do in March?", days("2026-03-01", "2026-03-31")),
    ],
)
def test_the_time_of_an_event_only_ranks(question: str, near: Period) -> None:
    """A time that may be that of what is told of filters nothing."""
    assert read_time(question, TODAY) == Time(near=(near,))


def test_several_times_filter_nothing() -> None:
    """A question that sets two times side by side needs the articles of both."""
    time = read_time("How do news from 2023 and news from 2025 differ?", TODAY)
    assert time.only is None
    assert time.near == (days("2023-01-01", "2023-12-31"), days("2025-01-01", "2025-12-31"))


@pytest.mark.parametrize(
    ("question", "newest", "current"),
    [
        ("What is the latest on the treaty?", True, False),
        ("Who is the current mayor?", False, True),
        ("How many live there today?", False, True),
        ("Who knows the mayor?", False, False),
    ],
)
def test_the_newest_is_told_from_the_current(question: str, newest: bool, current: bool) -> None:
    """The latest is asked for in so many words; "now" and "today" say less."""
    assert read_time(question, TODAY) == Time(newest=newest, current=current)


def test_this_week_filters_and_is_current() -> None:
    """The articles of this week are those of its seven days."""
    found = read_time("What happened this week?", TODAY)
    assert found == Time(only=days("2026-11-23", "2026-11-29"), current=True)


@given(
    st.lists(
        st.sampled_from(
            "last past this next June May 2023 2019 week weeks month year years 3 30 31 in from "
            "since until before between and to articles news of the today yesterday ago".split()
        ),
        max_size=8,
    ),
    st.dates(date(1900, 1, 1), date(2100, 1, 1)),
)
def test_no_question_breaks_it(words: list[str], today: date) -> None:
    """Whatever words meet, a filter's ends are in order and it has begun."""
    only = read_time(" ".join(words), today).only
    if only is not None:
        assert only.first is None or only.first <= today
        assert not (only.first and only.last) or only.first <= only.last


@given(st.text(max_size=80), st.dates(date(1900, 1, 1), date(2100, 1, 1)))
def test_no_text_breaks_it(text: str, today: date) -> None:
    """Any text is read, in the same way each time."""
    assert read_time(text, today) == read_time(text, today)


def test_a_period_holds_its_ends() -> None:
    """Both ends belong to a period; a day that is not known does not."""
    june = days("2026-06-01", "2026-06-30")
    held = [june.holds(date(2026, *day)) for day in ((5, 31), (6, 1), (6, 30), (7, 1))]
    assert held == [False, True, True, False]
    assert not june.holds(None)
    assert days(None, "2026-06-30").holds(date.min)
