"""Dates, written out and relative."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.dates import date_supported, find_dates, relative_dates


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("opened on 4 July 2017", (2017, 7, 4)),
        ("on July 4th, 2017", (2017, 7, 4)),
        ("2017-07-04", (2017, 7, 4)),
        ("in Sept. 1999", (1999, 9, None)),
        ("in 1999", (1999, None, None)),
        ("in May", (None, 5, None)),
    ],
)
def test_dates_are_read_as_far_as_they_are_told(
    text: str, parts: tuple[int | None, int | None, int | None]
) -> None:
    """Each form of writing gives the same day, month and year."""
    (found,) = find_dates(text)
    assert (found.year, found.month, found.day) == parts


def test_a_decade_bears_out_no_single_year() -> None:
    """1994 lies in the 1990s, so the year bears out the decade and not the other way round."""
    year, decade = find_dates("in 1994")[0], find_dates("in the 1990s")[0]
    assert date_supported(decade, [year], ())
    assert not date_supported(year, [decade], ())


@pytest.mark.parametrize(
    ("words", "day"),
    [("yesterday", date(2018, 5, 8)), ("three days ago", date(2018, 5, 6))],
)
def test_relative_days_are_counted_from_publication(words: str, day: date) -> None:
    """What an article calls yesterday is the day before it was published."""
    (found,) = relative_dates(f"It opened {words}.", date(2018, 5, 9))
    assert (found.year, found.month, found.day) == (day.year, day.month, day.day)


@given(st.text(max_size=200), st.dates())
def test_what_is_read_stands_in_the_text(text: str, published: date) -> None:
    """Offsets are inside the text, whatever it holds and whenever it was published."""
    for found in [*find_dates(text), *relative_dates(text, published)]:
        assert 0 <= found.start < found.end <= len(text)
