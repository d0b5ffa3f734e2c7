"""Questions of several parts are taken apart; all others are left whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.conversation import Exchange
from app.answering.parts import split, understand


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "When did the dam open, how tall is it and who built it?",
            ("When did the dam open?", "how tall is it?", "who built it?"),
        ),
        ("What is CBT? And why?", ("What is CBT?", "And why?")),
        (
            "Where is the harbour and is it open on Sunday?",
            ("Where is the harbour?", "is it open on Sunday?"),
        ),
    ],
)
def test_parts_are_told_apart(question: str, parts: tuple[str, ...]) -> None:
    """Each thing that is asked becomes a question of its own, in the reader's words."""
    assert split(question) == parts


@pytest.mark.parametrize(
    "question",
    [
        "How and why did the war end?",
        "Who wrote and directed the film?",
        "Who is the man who led it and who also paid for it?",
        "Which exchange, founded in 2019, was fined and is the subject of two articles?",
        "What is the capital of France and Germany?",
    ],
)
def test_one_question_stays_whole(question: str) -> None:
    """An "and" within one question does not split it."""
    assert split(question) == (question,)


def test_the_subject_is_carried_over() -> None:
    """A part that leans on the first is looked for with its subject."""
    queries = [
        part.query for part in understand("When did the Lyra Dome open, and who led it?").parts
    ]
    assert queries == ["When did the Lyra Dome open?", "who led it? (Lyra Dome)"]


def test_a_comparison_has_two_sides() -> None:
    """Each side of a comparison is a part, with the aspect of the first."""
    parts = understand("Compare the cost of coal and wind").parts
    assert [part.text for part in parts] == ["the cost of coal", "the cost of wind"]


def test_this_article_is_the_last_one_cited() -> None:
    """What to summarise without a name is what the conversation cited last."""
    history = [Exchange("Who?", "She.", cited=("a",)), Exchange("Why?", "So.", cited=("b", "c"))]
    meant = understand("Summarise this article, please.", history)
    assert (meant.summary, meant.cited) == ("", ("b", "c"))
    assert understand("Sum up the article about the Lyra Dome").summary == "the Lyra Dome"


def test_a_list_asks_for_many() -> None:
    """A plural asks for several things, a singular for one."""
    assert understand("Which companies were fined?").many
    assert not understand("Which company was fined?").many


@given(st.text(min_size=1))
def test_any_text_is_understood(question: str) -> None:
    """Whatever is asked has at least one part, and every part a query."""
    meant = understand(question)
    assert 1 <= len(meant.parts) <= 3
