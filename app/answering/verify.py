"""Whether the passages that a sentence cites bear it out, and if not, which words they lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.answering.evidence import Evidence, Reading, read
from app.answering.facts import Fault, Place, Told, find_faults
from app.answering.support import Idf, Match, match, probability
from vectorstore.analysis import content_terms
from vectorstore.language import ENGLISH, language_of, primary
from vectorstore.types import Encoder

# bench/support.py prints what other bounds would give.
LITTLE = 0.13  # probability by words below which a sentence is unsupported
DOUBT = 0.3  # and below which the meaning decides, where an encoder is at hand
NEAR = 0.42  # cosine from which on a sentence of the passage means the same

ONLY_FIGURES = "numbers and dates are in the passage; the rest is not checked in this language"
IN_OTHER_WORDS = "the passage says it in other words"

Checked = Literal["verbatim", "supported", "unsupported", "unchecked"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a sentence is borne out by what it cites.

    `reason` is for people and names the words that lack support; `score` is in [0, 1]: how
    probable support is; `faults` are all that were found.
    """

    support: Checked
    reason: str
    score: float
    faults: tuple[Fault, ...] = ()


class Verifier:
    """Checks sentences against the passages they cite: quickly, and always with one result.

    Args:
        encoder: Of the passages' sentence vectors; decides by meaning where the words leave
            doubt. None does without.
        idf: How much each term weighs (`LexicalIndex.idf`); None counts in the passages.
    """

    def __init__(self, encoder: Encoder | None = None, idf: Idf | None = None) -> None:
        self._encoder = encoder
        self._idf = idf

    def check(self, sentence: str, evidence: Sequence[Evidence], about: str = "") -> Verdict:
        """Return whether the passages bear the sentence out.

        Args:
            sentence: One sentence of an answer.
            evidence: The passages that it cites.
            about: What the text that it stands in is about, such as a page's title: the names
                there are known to its reader. Not the question: who asks may be wrong.
        """
        readings = [read(each) for each in evidence]
        if not sentence.strip() or not any(reading.lines for reading in readings):
            return Verdict("unchecked", "there is nothing to check or nothing is cited", 0.0)
        if any(reading.quoted.holds(sentence) for reading in readings):
            return Verdict("verbatim", "quoted word for word", 1.0)
        english = is_english(sentence, evidence)
        told, found = _look(sentence, readings, about, self._idf)
        faults = tuple(find_faults(sentence, told, about, english=english))
        chance = probability(found, len(faults))
        if faults:
            return Verdict("unsupported", faults[0].reason, chance, faults)
        if not english:
            return Verdict("unchecked", ONLY_FIGURES, chance)
        if chance >= DOUBT:
            return Verdict("supported", IN_OTHER_WORDS, chance)
        if self._means_the_same(sentence, evidence, chance):
            return Verdict("supported", IN_OTHER_WORDS, DOUBT)
        return Verdict("unsupported", "the passage says little of this", chance)

    def _means_the_same(self, sentence: str, evidence: Sequence[Evidence], chance: float) -> bool:
        """Whether one of the evidence's sentences is near in meaning; words, where none can tell.

        Only here is anything encoded: it takes longer than all else together.
        """
        vectors = [each.vectors for each in evidence]  # a kept reading may have an older model's
        known = [np.asarray(v, dtype=np.float32) for v in vectors if v is not None and len(v)]
        if self._encoder is None or not known:
            return chance >= LITTLE
        asked = self._encoder.encode_query(sentence)
        return float(max((rows @ asked).max() for rows in known)) >= NEAR


def _look(
    sentence: str, readings: Sequence[Reading], about: str, idf: Idf | None
) -> tuple[Told, Match]:
    """Rank the sentences of the evidence, and tell how much of this one they hold."""
    places = [Place(reading, line) for reading in readings for line in reading.lines]
    titles = " ".join([about, *(reading.evidence.title for reading in readings)])
    terms = [place.line.terms for place in places]
    found = match(sentence, terms, frozenset(content_terms(titles)), idf)
    return Told(readings, places, found.ranked, found.best), found


def is_english(sentence: str, evidence: Sequence[Evidence]) -> bool:
    """Whether the English rules apply: the passages do not say otherwise, nor do its words."""
    languages = {primary(each.language) for each in evidence if each.language}
    return languages <= {ENGLISH} and language_of(sentence) == ENGLISH
