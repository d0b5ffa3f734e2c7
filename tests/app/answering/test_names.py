"""Names, and whether a text knows them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.names import Vocabulary, find_names


def test_names_are_runs_of_capitals() -> None:
    """First words that are no names are left out, joints stay in."""
    found = [name.text for name in find_names("Then Anna van Dyk left Bonn in May.")]
    assert found == ["Anna van Dyk", "Bonn"]


@pytest.mark.parametrize(
    ("name", "text", "known"),
    [
        ("in the UN", "The United Nations met.", True),
        ("by Dr Vik", "Anna Vik drew it.", True),
        ("a Canadian", "Canada joined.", True),
        ("of Dutch", "The Netherlands won.", True),
        ("in Arniko", "Araniko lived there.", True),
        ("at the World Health Organization", "the WHO said", True),
        ("in Oslo", "Bergen is wet.", False),
    ],
)
def test_a_name_is_known_by_its_other_forms(name: str, text: str, known: bool) -> None:
    """Acronyms, peoples, aliases, titles and spellings are the same name."""
    (found,) = find_names(name)
    assert (Vocabulary([text]).missing(found) == []) is known


@given(st.text(max_size=200))
def test_what_is_read_stands_in_the_text(text: str) -> None:
    """A name is the text between its offsets, and every text knows its own names."""
    for name in find_names(text):
        assert text[name.start : name.end] == name.text
