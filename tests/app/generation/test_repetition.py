"""A text that says the same over and over is told from lists, tables and refrains."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.generation.repetition import REPEATS, TAIL, Watch, is_endless, period
from tests.app.conftest import EXAMPLES

YEARS = "\n".join(f"- In {year} the harbour took in {year * 7 % 991} ships." for year in range(60))
TABLE = "| year | ships | open |\n|---|---|---|\n" + "".join(
    f"| {year} | {year % 7} | yes |\n" for year in range(1900, 1960)
)
REFRAIN = "Row, row, row your boat, gently down the stream.\n" * 3
ORDINARY = {
    "a list": YEARS,
    "a table": TABLE,
    "a refrain": REFRAIN,
    "short lines": "\n".join(["Yes.", "No.", "Yes.", "Perhaps."] * 8) + "\nThat is all.",
    "cited": " ".join(f"Sentence {number} says so. [{number % 3 + 1}]" for number in range(40)),
    "a rule": "Title\n" + "-" * 80 + "\nText.",
    "nothing": "",
}
ENDLESS = {
    "a word": "The sea is " + "salt " * 60,
    "a mark": "The sea is salt. " + "[1]" * 90,
    "a sentence": "It is. " + "The sea is salt and wide. " * 5,
    "a line": "\n".join(["Here they are:"] + ["- the sea and its salt"] * 4),
    "a numbered line": "\n".join(f"{number}. the sea and its salt" for number in range(1, 6)),
    "two sentences in turn": "The harbour is open all year. Nobody knows why that is. " * 4,
    "line ends": "Yes." + "\n" * 300,
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_text_is_left_alone(name: str) -> None:
    """Lists, tables and refrains are no repetition, at whatever point they are looked at."""
    text = ORDINARY[name]
    assert not any(is_endless(text[:end]) for end in range(0, len(text) + 1, 7))


def test_no_article_is_endless() -> None:
    """None of the demo articles counts as endless."""
    articles = sorted(EXAMPLES.rglob("*.md"))
    assert len(articles) > 5
    assert not [path.name for path in articles if is_endless(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_text_is_told(name: str) -> None:
    """A word, a mark, a line, a numbered line and sentences in turn."""
    assert is_endless(ENDLESS[name])


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=TAIL // REPEATS), st.text(max_size=100))
def test_any_unit_is_told(unit: str, before: str) -> None:
    """Whatever is repeated often enough is told, whatever stood before it."""
    assert is_endless(before + unit * (TAIL // len(unit) + 1))


@settings(max_examples=50)
@given(st.text(alphabet="ab", min_size=1, max_size=30))
def test_the_period_is_the_shortest(text: str) -> None:
    """It makes the text, and nothing shorter does."""
    makes = [n for n in range(1, len(text) + 1) if (text[:n] * len(text))[: len(text)] == text]
    assert period(text) == makes[0]


@pytest.mark.parametrize("size", [1, 7, 500])
def test_a_growing_text_is_watched(size: int) -> None:
    """It is told soon after it begins, however the text is cut, and not before."""
    text, watch = YEARS + "\n" + "and so on, " * 200, Watch()
    for end in range(0, len(text), size):
        if watch.add(text[end : end + size]):
            break
    else:
        pytest.fail("nothing was told")
    assert len(YEARS) < end + size < len(YEARS) + TAIL + 200 + size
