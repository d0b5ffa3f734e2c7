"""The share of a sentence's words that others hold, and the probability made of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.answering.support import match, probability
from vectorstore.analysis import content_terms

LINES = ["The dome opened in Bergen.", "Its roof is heavy.", "Nobody came to see it."]
TOLD = [frozenset(content_terms(line)) for line in LINES]


def test_the_sentence_that_shares_most_comes_first() -> None:
    """All of a sentence is held by itself, and none by one without its words."""
    found = match("The roof is heavy.", TOLD, frozenset(), None)
    assert found.ranked[0] == 1
    assert found.best == found.few == found.anywhere == 1.0
    assert match("Whales sing.", TOLD, frozenset(), None).anywhere == 0.0


def test_titles_count_only_for_the_whole() -> None:
    """What the reader knows from a title is held somewhere, but by no sentence."""
    found = match("Lyra opened.", TOLD, frozenset(content_terms("Lyra")), None)
    assert found.anywhere == 1.0
    assert found.best < 1.0


@given(st.text(max_size=200), st.integers(0, 9))
def test_faults_never_make_support_likelier(sentence: str, faults: int) -> None:
    """The probability lies in [0, 1] and falls with every fault."""
    found = match(sentence, TOLD, frozenset(), None)
    assert 0 <= probability(found, faults + 1) <= probability(found, faults) <= 1
