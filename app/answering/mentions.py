"""The words of a question and of what was said before it, and what can be told of each.

No part-of-speech tagger is needed: a run of words that are neither function words nor common
verbs is as good as a noun phrase for finding what "it" may stand for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from vectorstore.lexical import STOP_WORDS, analyze

TOKEN = re.compile(r"[^\W_]+")
SENTENCE = re.compile(r"[^.!?…]+(?:[.!?…]+(?=\s|$)|$)|[^\s]+")

# Words of talking rather than of a subject: never carried, and no subject of a question.
TALK = frozenset(
    """
    actually alright amazing awesome certainly cool course exactly fact few fine gee going good
    got great guess hello hey hi hmm idea interested interesting kind know learn let lot lots
    like maybe mean nice oh ok okay perhaps please point pretty quite really right say see sorry
    sort sounds sound sure talk tell thank thanks thing things think thought true um want way ways
    well wow yeah yes yet you’d i’d i’m i’ve would wouldn bit think believe understand explain
    describe discuss remember wonder heard hear start give show list name find lets guess agreed
    example examples much even still ever else another others first one ones two
    """.split()
)

# Verbs and adjectives so common that, said once, they are no subject to come back to.
COMMON = frozenset(
    """
    affect affected allow allowed appear apply avoid bad based become began begin best better
    big biggest brought build built buy called came cause caused causes change changed choose
    come common compare compared considered contain create created current decide define defined
    die died differ difference differences different do develop developed discovered done drink
    easy eat effect effects effective end ended exist expect extra famous far fast feel fight
    follow found full gave get gets give given gives go goes grow grew happen happened happens
    hard held help helped helps high higher important improve include included includes including
    increase invented involved is keep kept kill killed large larger largest last late lead leads
    led less life like likely live lived long longer look lose lost low made main make makes
    making mean means meaning meet modern need needed needs new occur old open opened original
    people pay play played popular possible prevent problem problems produce produced put reason
    reasons recommend related relate relationship result results role run safe said second seen
    sell several show significance significant similar similarities size small smaller smallest
    so special spread start started stop stopped successful support take taken takes tell time
    times took treat treated try type types typical unique use used useful uses using usually
    various visit wait win won work worked works world worse worst write written wrote year years
    """.split()
)

_JOINTS = frozenset({"of", "the", "and", "de", "von", "van", "for"})


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: its place, its stem, and whether it is written like a name."""

    text: str
    start: int
    end: int
    stem: str
    is_name: bool


@dataclass(frozen=True, slots=True)
class Phrase:
    """A run of words that may be what a question is about."""

    text: str
    words: tuple[Word, ...]

    @property
    def stems(self) -> frozenset[str]:
        """The stems of its words."""
        return frozenset(word.stem for word in self.words)

    @property
    def is_name(self) -> bool:
        """Whether any of its words is written like a name."""
        return any(word.is_name for word in self.words)


@lru_cache(maxsize=20_000)
def stem_of(word: str) -> str:
    """Return a word's index term; the folded word where the index has none.

    Example: "Tankers" -> "tanker"
    """
    found = analyze(word)
    return found[0] if len(found) == 1 else word.casefold()


def is_function(word: str) -> bool:
    """Whether a word carries the form of a question and not its subject."""
    folded = word.casefold()
    return folded in STOP_WORDS or folded in TALK


def words_of(text: str) -> list[Word]:
    """Return the words of a text that may be of its subject, in order."""
    found = []
    for start, end in sentence_places(text):
        first = True
        for match in TOKEN.finditer(text, start, end):
            word = match.group()
            if not is_function(word) and (len(word) > 1 or word.isupper() or word.isdigit()):
                # The capital of a sentence's first word says nothing, unless more follow.
                named = word[0].isupper() and (not first or word[1:] != word[1:].lower())
                found.append(Word(word, match.start(), match.end(), stem_of(word), named))
            first = False
    return found


def sentence_places(text: str) -> Iterator[tuple[int, int]]:
    """Yield the offsets of a text's sentences, roughly: questions are short and plain."""
    for match in SENTENCE.finditer(text):
        yield match.span()


def phrases_of(text: str) -> list[Phrase]:
    """Return the runs of a text's words of a subject, in order.

    Nothing but blanks, or a name's "of", stands between the words of a run.
    """
    runs: list[list[Word]] = []
    for word in words_of(text):
        if word.text.casefold() in COMMON and not word.is_name:
            continue
        if runs and _is_joined(text, runs[-1][-1], word):
            runs[-1].append(word)
        else:
            runs.append([word])
    return [Phrase(text[run[0].start : run[-1].end], tuple(run)) for run in runs]


def _is_joined(text: str, left: Word, right: Word) -> bool:
    between = text[left.end : right.start]
    if re.fullmatch(r"\s+|[-’'./&]\s?", between):
        return between.strip() != "." or not between.endswith((" ", "\n"))
    inner = between.casefold().split()
    is_names = left.is_name and right.is_name
    return is_names and bool(inner) and len(inner) < 3 and set(inner) <= _JOINTS


def stems_of(texts: Iterable[str]) -> set[str]:
    """Return the stems of the words of texts."""
    return {word.stem for text in texts for word in words_of(text)}
