"""The words of a question and of what was said before it, and what can be told of each.

No part-of-speech tagger is needed: a run of words that are neither function words nor common
verbs is as good as a noun phrase for finding what "it" may stand for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from vectorstore.analysis import analyze
from vectorstore.stopwords import STOP_WORDS

TOKEN = re.compile(r"[^\W_]+")
# A stop after a single letter ends no sentence: "Washington D.C. is", "J. Garcia".
SENTENCE = re.compile(r"(?:[^.!?…]|\.(?=\S)|(?<=\b\w)\.)+(?:[.!?…]+(?=\s|$)|$)|[^\s]+")

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
    affect affected allow allowed anybody anyone anything apart appear apply around avoid away bad
    based become began begin best better big biggest brought build built buy called came cause
    caused causes change changed choose choosing come common compare compared considered consume
    consuming contain cost costs create created current decide define defined develop developed
    die died differ difference differences different discovered do done drink earlier easy eat
    effect effective effects end ended especially everyone everything exist expect extra famous
    far fast feel feeling fight fix follow found full gave get gets give given gives go goes grew
    grow happen happened happens hard held help helped helps high higher important improve include
    included includes including increase instead invented involved is keep kept kill killed large
    larger largest last late lead leads led less life like likely live lived long longer look lose
    lost low made main make makes making mean meaning means meet modern need needed needs new next
    nothing occur old open opened original particular pay people play played popular possible
    prevent problem problems produce produced put reason reasons recently recommend relate related
    relationship replace replacing result results role run running safe said second seen sell
    selling several share shared show significance significant similar similarities size small
    smaller smallest so sold somebody someone something special spread start started stop stopped
    stuff successful suffering support take taken takes tell time times tired today together
    tomorrow took towards treat treated try trying type types typical unique use used useful uses
    using usually various visit wait win won work worked works world worse worst write written
    wrong wrote year years yesterday
    """.split()
)

_LONG = 4  # letters: "fly" and "July" are no adverbs
_PLACE = re.compile(r"\b(?:in|at|near|around|to|visit|visiting)\s+(?:the\s+|downtown\s+)?$", re.I)
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
    is_place: bool = False  # follows "in", "at" or the like

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


def phrases_of(text: str, words: Sequence[Word] | None = None) -> list[Phrase]:
    """Return the runs of a text's words of a subject, in order.

    Nothing but blanks, or a name's "of", stands between the words of a run. `words` are the
    text's, where the caller has them.
    """
    runs: list[list[Word]] = []
    for word in words_of(text) if words is None else words:
        if _is_telling(text, word):
            if runs and _is_joined(text, runs[-1][-1], word):
                runs[-1].append(word)
            else:
                runs.append([word])
    return [
        Phrase(text[run[0].start : run[-1].end], tuple(run), _is_place(text, run[0].start))
        for run in runs
    ]


def is_common(word: Word) -> bool:
    """Whether a word is no subject on its own: a common verb or adjective, or an adverb in -ly."""
    folded = word.text.casefold()
    return folded in COMMON or (folded.endswith("ly") and len(folded) > _LONG and not word.is_name)


def _is_telling(text: str, word: Word) -> bool:
    """Whether a word may be of a phrase; in a name or a compound, common words are too."""
    hyphened = text[max(word.start - 1, 0) : word.start] == "-" or text[word.end :][:1] == "-"
    return hyphened or word.is_name or not is_common(word)


def _is_place(text: str, start: int) -> bool:
    return bool(_PLACE.search(text, max(start - 20, 0), start))


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
