"""Questions are made of sentences only where their grammar is sure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.phrases import Setting
from app.answering.suggestions import LONGEST, questions_of

DOME = "The dome stands by the harbour, and the Lyra Dome is loved. It is a dome of glass."


def asked(sentence: str, *around: str) -> list[str]:
    """Return the questions of a sentence in an article that says some more."""
    return questions_of(sentence, Setting.of(" ".join((DOME, *around, sentence)), 2026))


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        ("The Lyra Dome was founded by Ada Hall in 1921.", "Who founded the Lyra Dome?"),
        ("The Lyra Dome was opened to readers on 3 May 1921.", "When was the Lyra Dome opened?"),
        ("In 2019 Belgium closed its last mine.", "When did Belgium close its last mine?"),
        ("Ada Hall, a chemist from Leeds, took the prize.", "Who is Ada Hall?"),
        ("Ada Hall, who died in 1931, had led the firm.", "Who was Ada Hall?"),
        ("The prize went to the Spanish doctor Francisco Vega.", "Who is Francisco Vega?"),
        ("The Lyra Dome is 402 metres long.", "How long is the Lyra Dome?"),
        (
            "More than six billion loaves are baked in France every year, it is said.",
            "How many loaves are baked in France every year?",
        ),
        (
            "There are about 73,000 tree species on Earth, a study says.",
            "How many tree species are there on Earth?",
        ),
        ("Webb is a joint project of three agencies.", "What is Webb?"),
        (
            "The Lyra Dome was the first public library in the world to use steam.",
            "What was the first public library in the world to use steam?",
        ),
        (
            "The Lyra Dome was closed to readers because the roof had fallen in.",
            "Why was the Lyra Dome closed to readers?",
        ),
    ],
)  # fmt: skip
def test_a_sentence_gives_the_question_it_answers(sentence: str, question: str) -> None:
    """Each pattern asks as a person would."""
    assert question in asked(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "It was founded in 1921 by her.",
        "The committee that met in 1921 was dissolved in 1922.",
        "This decision was adopted in 1992 after they had left.",
        "They closed the mine in 2019.",
        "“The Lyra Dome was founded in 1921,” she said.",
        "Was the Lyra Dome founded in 1921?",
        "Palau, Fiji and Chile signed in 2023.",
        "Snow is a rarity.",
    ],
)
def test_what_is_not_sure_is_not_asked(sentence: str) -> None:
    """What leans on other sentences, or is no plain statement, gives no question."""
    assert asked(sentence) == []


def test_a_word_owes_its_capital_to_its_place() -> None:
    """A sentence's first word is written small behind "is", unless it is a name."""
    grown = "Coal power in Britain began on 12 January 1882."
    assert asked(grown) == ["When did coal power in Britain begin?"]
    assert asked("Janet Parker died on 11 September 1978.") == ["When did Janet Parker die?"]


@given(st.text(max_size=300))
def test_whatever_is_written_can_be_read(text: str) -> None:
    """No text is too odd; every question is short and ends as one."""
    for question in questions_of(text, Setting.of(text, 2026)):
        assert question.endswith("?")
        assert len(question) <= LONGEST
