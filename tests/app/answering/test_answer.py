"""How an answer speaks of the days whose articles were asked."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.answer import NOT_FOUND, not_found_text, period_text, says_not_found
from vectorstore.types import Filter


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (None, None, ""),
        ("2026-06-01", "2026-06-30", "of June 2026"),
        ("2026-05-01", "2026-07-31", "of May 2026 to July 2026"),
        ("2023-01-01", "2023-12-31", "of 2023"),
        ("2019-01-01", "2021-12-31", "of 2019 to 2021"),
        ("2026-11-23", "2026-11-23", "of 23 November 2026"),
        ("2026-11-16", "2026-11-22", "of 16 November 2026 to 22 November 2026"),
        ("2024-02-01", "2024-02-28", "of 1 February 2024 to 28 February 2024"),
        ("2024-03-01", None, "since 1 March 2024"),
        (None, "2019-12-31", "until 31 December 2019"),
    ],
)
def test_days_are_told_as_far_as_they_are_whole(
    first: str | None, last: str | None, words: str
) -> None:
    """Whole months and years are named as such, other days with both ends."""
    ends = [date.fromisoformat(end) if end else None for end in (first, last)]
    assert period_text(Filter(None, None, None, *ends)) == words


@given(st.none() | st.dates(), st.none() | st.dates())
def test_a_refusal_is_known_again(first: date | None, last: date | None) -> None:
    """Every refusal, whatever days it names, is told from an answer."""
    said = not_found_text(Filter(published_from=first, published_to=last))
    assert says_not_found(said)
    assert (said == NOT_FOUND) == (first is None and last is None)
    assert not says_not_found(f"{said} And more.")
