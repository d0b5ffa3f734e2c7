"""Citations: numbered once, in order of first use, with a link that opens at the quote."""

from __future__ import annotations

from urllib.parse import quote as percent_encode

from app.answering.answer import Citation
from vectorstore.types import ArticleHead, Passage, Sentence

LONG_QUOTE = 100  # characters; longer ones are found by their first and last words
EDGE_WORDS = 5


class Numbering:
    """Gives every cited sentence one number, and the same one when it is cited again."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, int, int], Citation] = {}

    def cite(self, passage: Passage, sentence: Sentence) -> Citation:
        """Return the citation of a passage's sentence."""
        key = (passage.article.id, sentence.start, sentence.end)
        if key in self._numbers:
            return self._numbers[key]
        quote = sentence_text(passage, sentence)
        citation = Citation(
            number=len(self._numbers) + 1,
            article=passage.article,
            chunk_id=passage.chunk.id,
            quote=quote,
            start=sentence.start,
            end=sentence.end,
            url=link_to_quote(passage.article, quote),
        )
        self._numbers[key] = citation
        return citation


def sentence_text(passage: Passage, sentence: Sentence) -> str:
    """Return the words of a passage's sentence, exactly as the article has them."""
    start = sentence.start - passage.chunk.start
    return passage.chunk.text[start : sentence.end - passage.chunk.start]


def link_to_quote(article: ArticleHead, quote: str) -> str | None:
    """Return the article's web address, if it has one, with a text fragment for the quote.

    An empty quote gives the bare address; an address that has a fragment of its own keeps it.
    WICG Scroll To Text Fragment: `#:~:text=words` or `#:~:text=first,last`.
    """
    words = quote.split()
    if article.url is None or not words:
        return article.url
    if len(quote) > LONG_QUOTE and len(words) > 2 * EDGE_WORDS:
        parts = [" ".join(words[:EDGE_WORDS]), " ".join(words[-EDGE_WORDS:])]
    else:
        parts = [" ".join(words)]
    # The syntax gives ",", "&" and "-" a meaning of their own; quote() leaves "-" as it is.
    text = ",".join(percent_encode(part, safe="").replace("-", "%2D") for part in parts)
    joint = ":~:" if "#" in article.url else "#:~:"
    return f"{article.url}{joint}text={text}"
