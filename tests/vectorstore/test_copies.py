"""What counts as a copy of a text, and what never does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorstore.copies import is_copy, outline

REPORT = (
    "The harbour bridge was closed to lorries on Monday after engineers found cracks in 12 of its "
    "hangers. The city said that buses would be led over the old ferry until the hangers had been "
    "replaced, which it expects to take 6 weeks. Nobody was hurt."
)
TEXTS = st.lists(st.sampled_from("a b c d e 1 2 über 橋".split()), max_size=40).map(" ".join)


def copied(later: str, earlier: str) -> bool:
    """Compare two texts."""
    return is_copy(outline(later), outline(earlier))


@pytest.mark.parametrize(
    "later",
    [
        REPORT.upper().replace(" ", "  "),
        REPORT.replace("Nobody was hurt.", "No one was hurt."),
        REPORT.replace("on Monday", "yesterday"),
        REPORT[: REPORT.index("Nobody")],
    ],
)
def test_an_edited_copy_is_one(later: str) -> None:
    """Other case, a word exchanged, an end cut off: nothing new is said."""
    assert copied(later, REPORT)


@pytest.mark.parametrize(
    "later",
    [
        REPORT.replace("12", "14"),
        REPORT.replace("6 weeks", "9 weeks"),
        REPORT + " The mayor, who had asked for the bridge to be looked at, wants it replaced.",
        "Engineers found cracks in 12 of the bridge's hangers, so lorries are kept off it for now.",
        "",
    ],
)
def test_what_says_something_else_is_none(later: str) -> None:
    """Another figure, more text, the same news in other words: both are kept."""
    assert not copied(later, REPORT)


def test_short_texts_are_copies_only_if_they_are_the_same() -> None:
    """A few words that differ in one say different things."""
    assert copied("Penguins  eat KRILL.", "Penguins eat krill")
    assert not copied("Penguins eat fish.", "Penguins eat krill.")


@given(TEXTS)
def test_a_text_is_a_copy_of_itself(text: str) -> None:
    """Whatever it holds."""
    assert copied(text, text)


@given(TEXTS, TEXTS)
def test_a_copy_has_no_figure_of_its_own(later: str, earlier: str) -> None:
    """What disagrees on a figure is never dropped."""
    if copied(later, earlier):
        assert outline(later).figures <= outline(earlier).figures
