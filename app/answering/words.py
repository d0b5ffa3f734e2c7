"""The words of a text with their offsets and index terms; each word is analysed once.

Analysing calls into the index's library, which takes microseconds a call; the same words come
again in every sentence, so what is known of a word is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from vectorstore.analysis import WORD, analyze
from vectorstore.language import ENGLISH, primary
from vectorstore.stopwords import stop_words

KEPT = 65_536  # words, about 20 MB; what is rare falls out


@dataclass(frozen=True, slots=True)
class Word:
    """What is known of a word by itself; `terms` are those of the index, usually one."""

    lower: str
    terms: tuple[str, ...]
    stop: bool
    capital: bool
    digit: bool


class Token(NamedTuple):  # a dataclass takes three times as long to make, and there are many
    """A word of a text: `text[start:end]`."""

    start: int
    end: int
    word: Word


@lru_cache(maxsize=KEPT)
def word(text: str, language: str = ENGLISH) -> Word:
    """Return what is known of a word of a language, which is told without its region."""
    lower = text.lower()
    return Word(
        lower=lower,
        terms=tuple(analyze(text, language)),
        stop=lower in stop_words(language),
        capital=text[0].isupper(),
        digit=not text.isalpha() and any(letter.isdigit() for letter in text),
    )


def tokens(text: str, language: str | None = None) -> list[Token]:
    """Return the words of a text in a language, in order.

    Example: "Kim’s troops" -> Kim at 0 to 3, s at 4 to 5, troops at 6 to 12
    """
    first = primary(language) or ENGLISH
    return [Token(*m.span(), word(m.group(), first)) for m in WORD.finditer(text)]


def terms(text: str, language: str | None = None) -> frozenset[str]:
    """Return the different index terms of a text in a language."""
    return frozenset(term for token in tokens(text, language) for term in token.word.terms)
