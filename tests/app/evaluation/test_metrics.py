from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evaluation.metrics import (
    exact_match,
    extraction_scores,
    holds,
    normalize,
    shingles,
    word_f1,
)

texts = st.text(alphabet="ab the.,’é ", max_size=40)


def test_answers_are_normalized_as_squad_does() -> None:
    """Case, punctuation and the articles do not count."""
    assert normalize("The Denver Broncos!") == ["denver", "broncos"]
    assert normalize("an  A.B. the") == ["ab"]


@pytest.mark.parametrize(
    ("answer", "gold", "expected"),
    [
        ("in Denver", "Denver, Colorado", 0.5),  # 1 common; 2 * 1 / (2 + 2)
        ("the year 1973", "1973", 2 / 3),
        ("Denver", "denver.", 1.0),
        ("", "Denver", 0.0),
        ("1973", "1974", 0.0),
    ],
)
def test_word_f1_by_hand(answer: str, gold: str, expected: float) -> None:
    """F1 is twice the common words over the words of both."""
    assert word_f1(answer, gold) == pytest.approx(expected)


@given(texts, texts)
def test_word_f1_is_a_share_and_symmetric(one: str, other: str) -> None:
    """F1 is in [0, 1], does not depend on the order, and is 1 exactly for the same bag of words."""
    found = word_f1(one, other)
    assert 0 <= found <= 1
    assert found == word_f1(other, one)
    assert (found == 1) == (
        bool(normalize(one)) and sorted(normalize(one)) == sorted(normalize(other))
    )


def test_an_empty_answer_is_never_an_exact_match() -> None:
    """An answer of nothing but articles and marks matches nothing, not even itself."""
    assert exact_match("The 1973.", "1973")
    assert not exact_match("the", "The!")
    assert not exact_match("", "")


def test_every_part_of_an_answer_must_be_held() -> None:
    """An answer of two parts is held by two sentences, by any spelling, but not by one part."""
    answers = (("43,214", "43214"), ("Beijing",))
    assert holds(["It was 43214.", "Then came Beijing."], answers)
    assert not holds(["It was 43214."], answers)
    assert not holds(["It was 43214, not beijing."], answers)
    assert holds(["It was 43214, not beijing."], answers, any_case=True)


def test_nothing_is_held_where_nothing_is_asked_for() -> None:
    """A question without a gold answer is not answered rightly by accident."""
    assert not holds(["Anything."], ())


def test_shingles_by_hand() -> None:
    """Five words make two shingles of four; three words make one of three."""
    assert shingles("a b c d e") == {("a", "b", "c", "d"): 1, ("b", "c", "d", "e"): 1}
    assert shingles("a b c") == {("a", "b", "c"): 1}
    assert not shingles(" . ")


def test_extraction_scores_by_hand() -> None:
    """Of 3 shingles found 2 are right, of 2 there are 2 found."""
    precision, recall, exact = extraction_scores("a b c d e f", "a b, c d e!")
    assert (precision, recall, exact) == (pytest.approx(2 / 3), 1.0, False)
    assert extraction_scores("A b", "A  b.") == (1.0, 1.0, True)
    assert extraction_scores("", "a b") == (0.0, 0.0, False)
