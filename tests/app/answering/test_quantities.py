"""Numbers with their units, in digits and words."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.quantities import find_quantities, quantity_supported


@pytest.mark.parametrize(
    ("text", "value", "dimension"),
    [
        ("over 3.5 million km", "3500000000", "metre"),
        ("two hundred and five thousand", "205000", None),
        ("$14m", "14000000", "dollar"),
        ("the 21st", "21", "ordinal"),
        ("36-year-old", "36", "age"),
        ("12 percent", "12", "percent"),
        ("2 dozen", "24", None),
    ],
)
def test_numbers_are_read_in_the_base_of_their_unit(
    text: str, value: str, dimension: str | None
) -> None:
    """Digits, words, scales and units make one value."""
    (found,) = find_quantities(text)
    assert (found.value, found.dimension) == (Decimal(value), dimension)


@pytest.mark.parametrize(
    ("claimed", "told", "supported"),
    [
        ("1,500 metres", "1.5 km", True),
        ("5 miles", "5 km", False),
        ("about 100 people", "104 people", True),
        ("100 people", "104 people", False),
        ("over 100 people", "104 people", True),
        ("5 percent", "5", False),
    ],
)
def test_a_number_is_supported_by_its_equal(claimed: str, told: str, supported: bool) -> None:
    """Units are converted where the factor is exact, and hedges leave room."""
    mine, theirs = find_quantities(claimed), find_quantities(told)
    assert quantity_supported(mine[0], theirs) is supported


@given(st.text(max_size=200))
def test_what_is_read_stands_in_the_text(text: str) -> None:
    """Offsets are inside the text, in order and not empty."""
    ends = [0]
    for found in find_quantities(text):
        assert ends[-1] <= found.start < found.end <= len(text)
        ends.append(found.end)
