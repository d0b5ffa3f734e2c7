"""What a sentence says other than the question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.contrast import CONTRAST, MOST, contrast

SENTENCE = "The Lyra Dome opened in 1936 north of Bergen."


def told(question: str, sentence: str = SENTENCE) -> dict[str, float]:
    """Return the signs that are not 0, by name."""
    found = contrast(question, sentence, sentence)
    return {name: value for name, value in zip(CONTRAST, found, strict=True) if value}


def test_a_sentence_that_answers_has_no_sign() -> None:
    """What says the same in the same words denies nothing."""
    assert told("When did the Lyra Dome open?") == {}


@pytest.mark.parametrize(
    ("question", "sign"),
    [
        ("When did the Lyra Dome not open?", "question alone denies"),
        ("When did the Lyra Dome fail to open?", "question alone denies"),
        ("What lies south of Bergen?", "contrary in the sentence"),
        ("When was the Lyra Dome closed?", "contrary in the passage"),
    ],
)
def test_a_changed_word_is_seen(question: str, sign: str) -> None:
    """A negation, a denial and the contrary each have a sign."""
    assert sign in told(question)
    assert sign not in told("When did the Lyra Dome open north of Bergen in 1936?")


def test_a_denial_on_both_sides_is_none() -> None:
    """Question and sentence that both deny agree."""
    found = told("Why was the dome not opened?", "The dome was not opened because of a storm.")
    assert not {"question alone denies", "sentence alone denies"} & found.keys()


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_every_sign_is_a_small_number(question: str, sentence: str, passage: str) -> None:
    """Whatever the texts, there is a number from 0 to MOST for each sign."""
    found = contrast(question, sentence, passage)
    assert len(found) == len(CONTRAST)
    assert all(0 <= value <= MOST for value in found)
