"""The answering words are told by the kind of the question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.span import SpanFinder, expected_kind
from vectorstore.lexical import content_terms

TROOPS = (
    "According to South Korean assessments, North Korea has sent around 15,000 troops to "
    "Russia since last year."
)
VISIT = (
    "Putin also invited Kim to visit Russia again, following on from the North Korean "
    "leader’s last visit to the country in 2023."
)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When did it open?", "date"),
        ("In which year did it open?", "date"),
        ("How many people came?", "number"),
        ("What percentage of voters came?", "number"),
        ("Who opened it?", "person"),
        ("Which company built it?", "person"),
        ("Where is it?", "place"),
        ("Why was it built?", "reason"),
        ("What is it?", "other"),
    ],
)
def test_kinds(question: str, kind: str) -> None:
    """The question's words tell what kind of answer it asks for."""
    assert expected_kind(question) == kind


@pytest.mark.parametrize(
    ("question", "sentence", "span"),
    [
        ("How many troops has North Korea sent to Russia?", TROOPS, "15,000"),
        ("When did Kim last visit Russia?", VISIT, "2023"),
        ("Who invited Kim to visit Russia?", VISIT, "Putin"),
        ("What did Kim do?", VISIT, None),
        ("How many visits were there?", "There were visits.", None),
    ],
)
def test_spans(question: str, sentence: str, span: str | None) -> None:
    """The nearest words of the kind asked for are marked; a question of no kind marks none."""
    finder = SpanFinder(question, dict.fromkeys(content_terms(question), 1.0))
    found = finder.find(sentence)
    assert (sentence[slice(*found)] if found else None) == span


@given(st.text(max_size=200), st.sampled_from(["When", "Who", "Where", "How many", "Why", "What"]))
def test_spans_lie_inside(sentence: str, word: str) -> None:
    """A span is never empty and never leaves the sentence."""
    found = SpanFinder(f"{word} was it?", {"it": 1.0}).find(sentence)
    if found:
        assert 0 <= found[0] < found[1] <= len(sentence)
        assert sentence[slice(*found)].strip() == sentence[slice(*found)]
