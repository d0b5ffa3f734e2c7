"""Citations point at what they quote."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.citations import Numbering, link_to_quote
from vectorstore.types import ArticleHead, Chunk, Passage, Sentence, Signals


def head(url: str | None) -> ArticleHead:
    """Return an article that is at `url`."""
    return ArticleHead(id="a", uri="u", title="T", sha256="0" * 64, collection="c", url=url)


def passage(text: str, start: int) -> Passage:
    """Return a passage whose chunk stands at `start` in its article."""
    chunk = Chunk(
        "k", "a", 0, start, start + len(text), text, (Sentence(start, start + len(text)),)
    )
    return Passage(chunk, head(None), 1.0, 1, Signals(1.0, 1.0, 1.0))


def test_numbers_follow_first_use() -> None:
    """A sentence keeps the number of its first citation, and new ones count on from it."""
    numbering = Numbering()
    place = passage("One. Two.", 10)
    numbers = [
        numbering.cite(place, sentence).number
        for sentence in (Sentence(10, 14), Sentence(15, 19), Sentence(10, 14))
    ]
    assert numbers == [1, 2, 1]


@given(st.text(min_size=1), st.integers(0, 1000), st.data())
def test_the_quote_is_what_stands_there(text: str, start: int, data: st.DataObject) -> None:
    """A citation's quote is the article's text between its offsets."""
    first = data.draw(st.integers(0, len(text) - 1))
    last = data.draw(st.integers(first + 1, len(text)))
    article = "x" * start + text
    citation = Numbering().cite(passage(text, start), Sentence(start + first, start + last))
    assert citation.quote == article[citation.start : citation.end]


@given(st.text(min_size=1, max_size=200).filter(str.strip))
def test_a_short_quote_is_linked_whole(quote: str) -> None:
    """The text fragment of a short quote decodes to its words, whatever they are."""
    if any(0xD800 <= ord(letter) <= 0xDFFF for letter in quote):
        return
    link = link_to_quote(head("https://example.org/a"), quote)
    assert link is not None
    address, _, fragment = link.partition("#:~:text=")
    assert address == "https://example.org/a"
    assert unquote(fragment) == " ".join(quote.split())
    assert not set(fragment) & set(",&- ")


def test_a_long_quote_is_linked_by_its_ends() -> None:
    """A long quote's fragment has its first and last words, parted by a comma."""
    quote = " ".join(f"word{number}" for number in range(100))
    link = link_to_quote(head("https://example.org/a"), quote)
    assert link is not None
    assert link.endswith("word4,word95%20word96%20word97%20word98%20word99")


@pytest.mark.parametrize(
    ("url", "expected"),
    [(None, None), ("https://e.org/a#part", "https://e.org/a#part:~:text=Hi")],
)
def test_other_addresses(url: str | None, expected: str | None) -> None:
    """Without an address there is no link; an address with a fragment keeps it."""
    assert link_to_quote(head(url), "Hi") == expected
