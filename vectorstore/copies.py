"""Copies of a text in other articles: agencies' reports, press releases, teasers.

Two texts are compared by their runs of words (w-shingling: Broder 1997, doi
10.1109/SEQUEN.1997.666900). A text that differs in a figure is no copy: it may be what was
corrected.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

RUN = 4  # words
SHORT = 12  # words; of shorter texts only the same ones are copies
HELD = 0.8  # the share of a text's runs that another one has if it is a copy
_WORD = re.compile(r"[぀-ヿ㐀-鿿]|\d[\d.,]*\d|[^\W_]+")


@dataclass(frozen=True, slots=True)
class Outline:
    """What two texts are compared by: their words, runs of words, and figures."""

    words: tuple[str, ...]
    runs: frozenset[int]
    figures: frozenset[str]


def outline(text: str) -> Outline:
    """Return a text's outline; spaces, case and punctuation do not count."""
    words = tuple(_WORD.findall(text.casefold()))
    runs = frozenset(map(hash, zip(*(words[start:] for start in range(RUN)), strict=False)))
    return Outline(words, runs, frozenset(word for word in words if word[0].isdigit()))


def is_copy(later: Outline, earlier: Outline) -> bool:
    """Whether the later text tells nothing that the earlier one does not.

    A part of the earlier text is a copy; a text that goes on where the earlier one ends is not.
    """
    if later.words == earlier.words:
        return True
    if len(later.words) < SHORT or not later.figures <= earlier.figures:
        return False
    return len(later.runs & earlier.runs) >= HELD * len(later.runs)
