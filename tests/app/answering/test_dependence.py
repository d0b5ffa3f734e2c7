"""The signs of a question that leans on what was said before it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.dependence import signs_of


@pytest.mark.parametrize(
    ("question", "sign"),
    [
        ("Where is he from?", "personal"),
        ("How old is it?", "thing"),
        ("Why is that?", "pointing"),
        ("How big are these plants?", "pointed"),
        ("Who lives there?", "place"),
        ("Is there another one?", "other"),
        ("What about coal?", "opening"),
        ("What are the symptoms?", "relational"),
        ("Who built the telescope?", "definite"),
        ("Which is the largest?", "superlative"),
        ("Why?", "bare"),
    ],
)
def test_what_points_back_is_seen(question: str, sign: str) -> None:
    """Each form that needs something said before has its sign."""
    signs = signs_of(question, set())
    assert getattr(signs, sign) == 1.0
    assert signs.are_any


@pytest.mark.parametrize(
    "question",
    ["How long does it take to fly to Mars?", "Who won the 2018 World Cup?", "Is it safe to swim?"],
)
def test_what_points_nowhere_has_no_pronoun(question: str) -> None:
    """An "it" that stands for nothing and a question with its subject are no signs."""
    signs = signs_of(question, set())
    assert signs.thing == signs.personal == signs.pointing == 0.0


def test_a_noun_before_the_pronoun_explains_it() -> None:
    """The word "it" after a noun of the same question may stand for that, and leans less."""
    assert signs_of("If a volcano erupts, how far does it throw ash?", set()).thing == 0.0


@given(st.text(max_size=200), st.sets(st.text(max_size=8)))
def test_signs_are_shares(question: str, said: set[str]) -> None:
    """Whatever is asked, every sign is between 0 and 1."""
    assert all(0.0 <= value <= 1.0 for value in signs_of(question, said).values())
