"""The signs of a question that leans on what was said before it."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.dependence import logit, signs_of


@pytest.mark.parametrize(
    "question",
    ["Where is he from?", "How old is it?", "What about coal?", "Why?", "What are the symptoms?"],
)
def test_what_points_back_is_likelier_to_lean(question: str) -> None:
    """A question that needs something said before leans more than one with its subject."""
    alone = logit(signs_of("Who won the 2018 World Cup?", frozenset()))
    assert logit(signs_of(question, frozenset())) > alone


def test_an_it_that_stands_for_nothing_is_no_pronoun() -> None:
    """The "it" of "how long does it take to" points at nothing."""
    assert signs_of("How long does it take to fly to Mars?", frozenset()).pronoun == 0.0
    assert signs_of("How old is it?", frozenset()).pronoun == 1.0


@given(st.text(max_size=200), st.frozensets(st.text(max_size=8)))
def test_signs_are_shares(question: str, said: frozenset[str]) -> None:
    """Whatever is asked, every sign is between 0 and 1."""
    assert all(0.0 <= value <= 1.0 for value in astuple(signs_of(question, said)))
