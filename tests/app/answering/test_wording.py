"""Sentences compared word by word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.wording import Quoted, edit, missing_quotation, normalize

SAID = "The bridge over the river was closed by the mayor in spring."


def test_a_part_of_a_sentence_is_not_that_sentence() -> None:
    """Only whole sentences are held, alone or in a row."""
    quoted = Quoted([SAID, "It rained."])
    assert quoted.holds(f"{SAID} It rained.")
    assert not quoted.holds("The bridge over the river was closed")


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        (SAID.replace("was closed", "was not closed"), "negation"),
        (SAID.replace("closed", "opened"), "negation"),
        (SAID.replace("in spring", "this spring"), None),
    ],
)
def test_an_edit_that_matters_is_found(sentence: str, kind: str | None) -> None:
    """Negations and contraries matter; another small word does not."""
    found = edit(sentence, SAID)
    assert (found.kind if found else None) == kind


def test_a_quotation_must_be_there_in_its_order() -> None:
    """Words in quotation marks stand in the passage one after the other."""
    assert missing_quotation("She said “closed by the mayor in spring”.", [SAID]) is None
    assert missing_quotation("She said “mayor closed bridge over river”.", [SAID]) is not None


@given(st.text(max_size=200))
def test_normalising_twice_changes_nothing(text: str) -> None:
    """A normalised text is already normal."""
    assert normalize(normalize(text)) == normalize(text)
