"""Negations and contraries."""

from __future__ import annotations

import pytest

from app.answering.polarity import (
    Polarity,
    contrary_word,
    left_out_negation,
    unsupported_negation,
)


@pytest.mark.parametrize(
    ("claimed", "told", "borne_out"),
    [
        ("She did not attend the ceremony.", "She failed to attend the ceremony.", True),
        ("It is not common there.", "It is rare there.", True),
        ("She did not attend the ceremony.", "She attended the ceremony.", False),
        ("It was not only large.", "It was large.", True),
    ],
)
def test_a_negation_needs_one_in_the_passage(claimed: str, told: str, borne_out: bool) -> None:
    """Another negation, a denial or the contrary bears it out, an affirmation does not."""
    assert (unsupported_negation(Polarity(claimed), [Polarity(told)]) is None) is borne_out


def test_what_is_left_out_is_named() -> None:
    """A sentence that affirms what the passage negates leaves out its negation."""
    told = Polarity("The council has never approved the plan.")
    assert left_out_negation(Polarity("The council approved the plan."), told) == "never"


def test_a_contrary_needs_the_same_things_beside_it() -> None:
    """Sales that rose do not contradict costs that fell."""
    fell = [Polarity("Ticket sales fell in May.")]
    assert contrary_word(Polarity("Ticket sales rose in May."), fell) == ("rose", "fell")
    assert contrary_word(Polarity("Prices rose slowly abroad."), fell) is None
