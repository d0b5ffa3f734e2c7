from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import HashEncoder
from vectorstore.analysis import content_terms
from vectorstore.rows import Located
from vectorstore.scoring import FEATURES, WEIGHTS, Scorer
from vectorstore.types import ArticleHead, Chunk, EncoderInput, Sentence

ENCODER = HashEncoder()
WORDS = st.lists(
    st.sampled_from("penguins eat krill near the ice in 1973 東京都 ".split()), max_size=8
)
TEXT = st.one_of(st.text(max_size=60), WORDS.map(" ".join))


def located(sentences: list[str], title: str = "Title", shift: int = 7) -> Located:
    """Return a chunk of these sentences, somewhere in its article."""
    text = " ".join(sentences)
    spans, at = [], 0
    for sentence in sentences:
        spans.append((at, at + len(sentence)))
        at += len(sentence) + 1
    article = ArticleHead("a", "uri", title, "", "c", published=date(2026, 1, 1))
    cited = tuple(Sentence(start + shift, end + shift) for start, end in spans)
    chunk = Chunk("id", "a", 0, shift, shift + len(text), text, cited)
    (embedding,) = ENCODER.encode_chunks([EncoderInput("", text, tuple(spans))])
    return Located(1, chunk, article, embedding.sentences)


def scorer(query: str, weight: float = 3.0) -> Scorer:
    """Return a query's scorer; each of its content terms weighs the same."""
    return Scorer(query, ENCODER.encode_query(query), dict.fromkeys(content_terms(query), weight))


def named(query: str, *sentences: str, title: str = "Title", bm25: float = 0.0) -> dict[str, float]:
    """Return FEATURES of a passage by name."""
    found = scorer(query).features(located(list(sentences), title), bm25)
    return dict(zip(FEATURES, found, strict=True))


def test_the_weights_are_shares() -> None:
    """There is a weight above 0 for each number, and together they are 1."""
    assert len(WEIGHTS) == len(FEATURES)
    assert min(WEIGHTS) > 0
    assert sum(WEIGHTS) == pytest.approx(1)


def test_words_in_one_sentence_beat_words_all_over() -> None:
    """Of two passages with the same words, the one that has them in one sentence scores more."""
    asked = scorer("What do penguins eat near the ice?")
    together = asked.score(located(["Penguins eat krill near ice.", "It rained."]), 5.0)
    apart = asked.score(located(["Penguins rained.", "It ice near krill eat."]), 5.0)
    assert together > apart


def test_the_title_counts_for_every_sentence() -> None:
    """A sentence says what its article's title says."""
    without = named("penguins eat", "They eat krill.")
    titled = named("penguins eat", "They eat krill.", title="Penguins")
    assert titled["said"] == pytest.approx(without["said"] + 0.25)


def test_words_of_one_family_count() -> None:
    """A word that begins as the query's does is none for the index, and half of what is asked."""
    assert named("Canada lost", "It was Canadian.")["said"] >= 0.25


def test_neighbours_are_pairs_in_their_order_within_a_sentence() -> None:
    """A pair counts in its order, with words that have no weight, and not across sentences."""
    assert named("in 1973", "It was in 1973.")["phrases"] == 1
    assert named("in 1973", "It was 1973 in.")["phrases"] == 0
    assert named("in 1973", "It was in.", "1973 was it.")["phrases"] == 0


def test_bm25_is_a_share_of_the_most_it_can_be() -> None:
    """A term gives at most 2.2 times its weight."""
    assert named("krill", "Krill.", bm25=3.3)["bm25"] == pytest.approx(0.5)
    assert named("krill", "Krill.", bm25=66.0)["bm25"] == 1


@pytest.mark.parametrize("query", ["the of", "?!", "krill"])
def test_a_query_of_no_or_one_word_has_a_score(query: str) -> None:
    """Where nothing has a weight, or there are no neighbours, the meaning still counts."""
    assert named(query, "Penguins eat the krill of it.")["phrases"] in (0, 1)
    assert 0 <= scorer(query).score(located(["Penguins eat the krill of it."]), 0.0) <= 1


def test_a_passage_without_sentences_keeps_its_bm25() -> None:
    """Without sentences, and with sentences the encoder did not reach, words decide."""
    asked = scorer("penguins eat krill")
    assert asked.features(located([]), 3.3)[1:] == (0, 0, 0)
    unread = located(["Penguins eat krill."])
    zeros = Located(1, unread.chunk, unread.article, np.zeros_like(unread.sentence_vectors))
    assert asked.features(zeros, 3.3)[1:] == (0, 0.5, 1)


@given(TEXT.filter(str.strip), st.lists(TEXT, max_size=4), st.floats(0, 1e3))
def test_every_number_is_a_share(query: str, sentences: list[str], bm25: float) -> None:
    """Whatever is asked of whatever, each number and the score are in [0, 1], and stay so."""
    asked, hit = scorer(query), located(sentences)
    found = asked.features(hit, bm25)
    assert all(0 <= each <= 1 + 1e-9 for each in found)
    assert 0 <= asked.score(hit, bm25) <= 1 + 1e-9
    assert scorer(query).features(hit, bm25) == found
