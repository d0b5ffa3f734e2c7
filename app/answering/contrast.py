"""What a sentence says other than the question: it denies, or says the contrary.

Questions that their article only seems to answer are often made of an answered one so (Rajpurkar
et al. 2018, "Know what you don't know", arXiv 1806.03822): a word is denied, or put into its
contrary. The words are near, and the sentence does not answer.
"""

from __future__ import annotations

import re

from app.answering.polarity import antonyms, is_denial, is_negator

CONTRAST = (
    "question alone denies",
    "sentence alone denies",
    "contrary in the sentence",  # of words of the question that are not there themselves
    "contrary in the passage",
)
_WORD = re.compile(r"[^\W_]+(?:[’'.,-][^\W_]+)*")
MOST = 3  # of each are told apart


def contrast(question: str, sentence: str, passage: str) -> list[float]:
    """Return the signs in the order of CONTRAST; `passage` is the text that the sentence is of."""
    asked, said, around = _Words(question), _Words(sentence), _Words(passage)
    found = [
        asked.denies and not said.denies,
        said.denies and not asked.denies,
        _contrary(asked, said),
        _contrary(asked, around),
    ]
    return [float(min(value, MOST)) for value in found]


class _Words:
    def __init__(self, text: str) -> None:
        words = _WORD.finditer(text.replace("’", "'"))
        self.lower = frozenset(match.group().lower() for match in words)
        self.denies = any(is_negator(word) or is_denial(word) for word in self.lower)


def _contrary(asked: _Words, said: _Words) -> int:
    return sum(bool(antonyms(word) & said.lower) for word in asked.lower - said.lower)
