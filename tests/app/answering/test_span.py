"""The answering words are told by the question and the words around them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.extractive import Candidate, rank_sentences
from app.answering.kinds import expected_kind
from vectorstore.analysis import content_terms
from vectorstore.retriever import Retrieved
from vectorstore.types import ArticleHead, Chunk, Passage, Sentence, Signals

TROOPS = (
    "According to South Korean assessments, North Korea has sent around 15,000 troops to "
    "Russia since last year."
)
VISIT = (
    "Putin also invited Kim to visit Russia again, following on from the North Korean "
    "leader’s last visit to the country in 2023."
)


def found(question: str, *texts: str) -> Retrieved:
    """Return one-sentence passages as if they had been retrieved."""
    passages = []
    for rank, text in enumerate(texts, start=1):
        head = ArticleHead(f"a{rank}", f"uri{rank}", "", "0", "c")
        chunk = Chunk(f"c{rank}", head.id, 0, 0, len(text), text, (Sentence(0, len(text)),))
        vectors = np.full((1, 4), 0.5, dtype=np.float16)
        passages.append(Passage(chunk, head, 1.0 / rank, rank, Signals(0.5, 1.0, 0.5), vectors))
    idf = dict.fromkeys(content_terms(question), 1.0)
    return Retrieved(tuple(passages), np.full(4, 0.5, dtype=np.float32), idf, 100)


def lead(question: str, text: str) -> Candidate:
    """Return the one candidate of a text."""
    return rank_sentences(question, found(question, text))[0]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When did it open?", "date"),
        ("In which year did it open?", "date"),
        ("How many people came?", "number"),
        ("What percentage of voters came?", "number"),
        ("What does the crossing cost?", "number"),
        ("What will band 4 pay", "number"),
        ("What do bosuns earn?", "number"),
        ("What did the kilogram weigh?", "number"),
        ("What does the mirror measure?", "number"),
        ("What did the port authority pay for?", "other"),
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
        ("How many visits were there?", "There were visits.", None),
    ],
)
def test_spans(question: str, sentence: str, span: str | None) -> None:
    """The words that answer are marked; where nothing new is said, none are."""
    marked = lead(question, sentence).span()
    assert (sentence[slice(*marked)] if marked else None) == span


def test_the_sentence_that_answers_leads() -> None:
    """Of passages that are equally near, the one that says what is asked is first."""
    question = "How many troops has North Korea sent to Russia?"
    other = "North Korea and Russia have had troops at their borders for long."
    ranked = rank_sentences(question, found(question, TROOPS, other))
    assert [each.text for each in ranked] == [TROOPS, other]


@given(st.text(max_size=200), st.sampled_from(["When", "Who", "Where", "How many", "Why", "What"]))
def test_spans_lie_inside(sentence: str, word: str) -> None:
    """A span is never empty and never leaves the sentence, whatever that holds."""
    text = sentence.strip() or "."
    candidate = lead(f"{word} was it?", text)
    marked = candidate.span()
    if marked:
        assert 0 <= marked[0] < marked[1] <= len(candidate.text)
        words = candidate.text[slice(*marked)]
        assert words.strip() == words
