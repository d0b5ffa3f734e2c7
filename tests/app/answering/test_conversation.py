"""Follow-up questions are made to stand alone; others are left alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.conversation import Exchange, standalone
from vectorstore.retriever import MAX_QUERY

TELESCOPE = Exchange(
    "When did the James Webb Space Telescope lift off?",
    "The James Webb Space Telescope lifted off on 25 December 2021 from Kourou in French Guiana.",
    "25 December 2021",
)
MARATHON = Exchange(
    "Who ran the fastest marathon?",
    "World Athletics ratified the fastest marathon ever run, by Kelvin Kiptum of Kenya in Chicago.",
    "Kelvin Kiptum",
)


@pytest.mark.parametrize(
    "question",
    ["And where was that?", "How much did it cost?", "How big is its mirror?", "Why?"],
)
def test_a_question_that_points_back_names_what_it_means(question: str) -> None:
    """What "it" or "that" stands for is appended, and the reader's own words stay."""
    text = standalone(question, [TELESCOPE]).question
    assert text.startswith(question)
    assert "James Webb Space Telescope" in text


def test_he_is_the_person_who_was_the_answer() -> None:
    """A pronoun for a person stands for the name that was marked as the answer."""
    found = standalone("Where is he from?", [MARATHON])
    assert found.question == "Where is he from? (Kelvin Kiptum)"


def test_what_about_asks_the_same_of_something_else() -> None:
    """An ellipsis keeps what the question before was about."""
    found = standalone("What about the women's record?", [MARATHON])
    assert "marathon" in " ".join(found.added)


@pytest.mark.parametrize("reply", ["yes", "Yes, please!", "go on", "Tell me more"])
def test_yes_asks_the_last_question_again(reply: str) -> None:
    """A bare assent is the question before it."""
    assert standalone(reply, [MARATHON, TELESCOPE]).question == TELESCOPE.question


@pytest.mark.parametrize(
    "question",
    [
        "How do I reset my VPN password?",
        "Who won the 2018 World Cup?",
        "How long is the Tube network?",
        "Wie alt ist Kelvin Kiptum?",
    ],
)
def test_a_change_of_subject_drops_the_old_one(question: str) -> None:
    """A question that stands alone is left letter for letter, whatever was said before."""
    assert standalone(question, [TELESCOPE]).question == question
    assert standalone(question, [MARATHON, TELESCOPE]).added == ()


@pytest.mark.parametrize(
    "question", ["Und wie teuer war es?", "¿Y cuánto costó?", "كم كان ثمنه؟", "它多少钱？"]
)
def test_a_follow_up_in_another_language_is_left_alone(question: str) -> None:
    """The rules are for English: what is surely in another language stays as it is."""
    assert standalone(question, [TELESCOPE]).question == question


def test_a_follow_up_to_a_follow_up_keeps_the_subject() -> None:
    """What an earlier follow-up was about is what a later one is about."""
    turns = [TELESCOPE, Exchange("How much did it cost?")]
    assert "Telescope" in standalone("And where is it now?", turns).question


def test_a_question_stays_as_short_as_questions_may_be() -> None:
    """What would grow too long to be asked is asked as it stands."""
    question = "How much did it cost? " + "x " * ((MAX_QUERY - 24) // 2)
    assert standalone(question, [TELESCOPE]).question == question


@given(st.text(max_size=200))
def test_nothing_before_changes_nothing(question: str) -> None:
    """The first question of a conversation is left letter for letter."""
    assert standalone(question, []).question == question


@given(
    st.text(max_size=80)
    | st.sampled_from(["And when was that?", "What about him?", "Why?", "yes"]),
    st.lists(st.builds(Exchange, st.text(max_size=80), st.text(max_size=300), st.text(max_size=9))),
)
def test_only_words_that_were_said_are_added(question: str, turns: list[Exchange]) -> None:
    """Whatever was said, what is added are words of it, and asking twice gives the same."""
    found = standalone(question, turns)
    assert found == standalone(question, turns)
    said = " ".join(f"{turn.question} {turn.answer} {turn.marked}" for turn in turns)
    assert all(word in said for added in found.added for word in added.split())


def test_a_long_history_is_read_in_no_time() -> None:
    """Only the last turns are read, and of long answers the beginning."""
    long = Exchange("What is a tree? " * 100, "A tree is a plant with a trunk. " * 2_000)
    found = standalone("How old is it?", [long] * 500)
    assert re.fullmatch(r"How old is it\?( \([^()]*\))?", found.question)
