"""The words and phrases of a subject are found, names among them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.answering.mentions import phrases_of, words_of


def test_phrases_are_runs_of_a_subjects_words() -> None:
    """Function words and common verbs end a phrase; a name's "of" does not."""
    found = [
        phrase.text for phrase in phrases_of("Where did the Bank of England keep gold reserves?")
    ]
    assert found == ["Bank of England", "gold reserves"]


def test_a_first_capital_is_no_name() -> None:
    """The capital that begins a sentence says nothing; one inside it tells a name."""
    named = {word.text: word.is_name for word in words_of("Oaks grow near Dean.")}
    assert named["Oaks"] is False
    assert named["Dean"] is True


@given(st.text(max_size=300))
def test_words_stand_where_they_say(text: str) -> None:
    """Each word is the text between its offsets, and no two overlap."""
    end = 0
    for word in words_of(text):
        assert text[word.start : word.end] == word.text
        assert word.start >= end
        end = word.end
