"""Where sentences end, by the rules of their language; the only file that imports sentencex.

A change of these rules changes chunks: it needs a new SPLITTER (ingest/split.py).
"""

from __future__ import annotations

import re

import sentencex

from vectorstore.language import ENGLISH, primary
from vectorstore.types import Sentence

MAX_SENTENCE = 1_000  # characters; longer "sentences" are lists, tables or noise

# Languages that write "the 19th century" as "19. …".
_ORDINALS = frozenset("bs cs da de et fi fo hr hu is lv nb nn no pl sk sl sr tr".split())
_ORDINAL = re.compile(r"(?<![\d.,])\d{1,2}\.$")
_SHORT = {  # before a name or a figure, never at an end
    "ar": frozenset("د أ".split()),
    "es": frozenset("sr sra srta dr dra d dña núm pág".split()),
    "fr": frozenset("m mm mme mlle dr pr me env av apr".split()),
    "ru": frozenset("ул им проф акад напр см стр рис".split()),
}


def find_sentences(text: str, start: int, end: int, language: str | None) -> list[Sentence]:
    """Return the sentences of a paragraph, without the blanks around them."""
    found: list[Sentence] = []
    for begun, ended in _boundaries(text[start:end], primary(language) or ENGLISH):
        piece = text[start + begun : start + ended]
        first = start + begun + len(piece) - len(piece.lstrip())
        last = first + len(piece.strip())
        while last - first > MAX_SENTENCE:
            middle = text.rfind(" ", first + 1, first + MAX_SENTENCE)
            middle = middle if middle > first else first + MAX_SENTENCE
            found += strip(text, first, middle)
            first = middle
        found += strip(text, first, last)
    return found


def _boundaries(paragraph: str, language: str) -> list[tuple[int, int]]:
    """Return where sentences start and end, by the rules of their language."""
    found: list[tuple[int, int]] = []
    for boundary in sentencex.get_sentence_boundaries(language, paragraph):
        start, end = boundary["start_index"], boundary["end_index"]
        if found and _goes_on(paragraph[found[-1][0] : start], paragraph[start:end], language):
            start = found.pop()[0]
        found.append((start, end))
    return found


def _goes_on(before: str, after: str, language: str) -> bool:
    """Whether a stop ends no sentence: the rules of sentencex know few of these.

    Example: "im 19." and "Jahrhundert" in German; "M." and "Dupont" in French
    """
    before = before.rstrip()
    if language == ENGLISH or not before.endswith("."):
        return False
    if after.lstrip()[:1].islower():
        return True
    if language in _ORDINALS and _ORDINAL.search(before):
        return True
    words = before[:-1].rsplit(maxsplit=1)
    return bool(words) and words[-1].lstrip('(«„“"').lower() in _SHORT.get(language, ())


def strip(text: str, start: int, end: int) -> list[Sentence]:
    """Return the sentence without the blanks around it; nothing if it is blank."""
    piece = text[start:end]
    first = start + len(piece) - len(piece.lstrip())
    last = first + len(piece.strip())
    return [Sentence(first, last)] if first < last else []
