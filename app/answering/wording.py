"""Sentences compared word by word: quoted verbatim, or with something put in another's place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from app.answering.names import Vocabulary, find_names
from app.answering.polarity import antonyms, is_denial, is_negator
from app.answering.quantities import Quantity, find_quantities, quantity_supported
from vectorstore.analysis import analyze
from vectorstore.stopwords import STOP_WORDS

NEAR = 0.7  # share of a sentence's words in another, in order, from which on it is that sentence
SHORT = 4  # words that replace each other; longer stretches are another wording

_QUOTES = str.maketrans("“”„«»‘’‚‹›`´", '"""""' + "'" * 7)
_DASHES = str.maketrans("‐‑‒–—−", "------")
_TOKEN = re.compile(r"[$€£¥]|[^\W_]+(?:[.,’'-][^\W_]+)*|[%°]")
_QUOTED = re.compile(r"[\"“„«]([^\"“”„«»]+)[\"”»]")
_OMITTED = re.compile(r"\[[^\]]*\]|\.\.\.|…")  # left out, or put in by who quotes
QUOTED_WORDS = 4  # shorter quotations are titles and manners of speaking


def normalize(text: str) -> str:
    r"""Return a text with plain quotes, dashes and single blanks, and nothing around it.

    Example: " “Yes”\n he\u00a0said. " -> '"Yes" he said.'
    """
    plain = unicodedata.normalize("NFKC", text).translate(_QUOTES).translate(_DASHES)
    visible = "".join(c for c in plain if unicodedata.category(c) != "Cf")
    return " ".join(visible.split())


def unwrap(sentence: str) -> str:
    """Return a normalised sentence without the quotation marks around all of it."""
    while len(sentence) > 1 and sentence[0] == sentence[-1] and sentence[0] in "\"'":
        sentence = sentence[1:-1].strip()
    return sentence


class Quoted:
    """The sentences of a text, in which others may be found word for word."""

    def __init__(self, sentences: Sequence[str]) -> None:
        parts = [part for part in map(normalize, sentences) if part]
        self.text = " ".join(parts)
        self._starts, self._ends = set(), set()
        at = 0
        for part in parts:
            self._starts |= {at, at + len(part) - len(part.lstrip("\"'("))}
            self._ends |= {at + len(part), at + len(part.rstrip("\"').,;:!?"))}
            self._ends |= {at + len(part.rstrip("\"')"))}
            at += len(part) + 1

    def holds(self, sentence: str) -> bool:
        """Whether whole sentences of the text are that sentence; a part of one is not."""
        return any(self._at(form) for form in _forms(sentence))

    def _at(self, sentence: str) -> bool:
        at = self.text.find(sentence) if sentence else -1
        while at >= 0:
            if at in self._starts and at + len(sentence) in self._ends:
                return True
            at = self.text.find(sentence, at + 1)
        return False


def _forms(sentence: str) -> tuple[str, ...]:
    whole = normalize(sentence)
    bare = unwrap(whole)
    return whole, bare, bare.rstrip(".")


def missing_quotation(sentence: str, texts: Sequence[str]) -> str | None:
    """Return words in quotation marks that none of the texts has in this order.

    Articles, forms of "be" and the like may differ; what was left out is marked by "[…]".
    """
    quotations = [
        part
        for quotation in _QUOTED.findall(sentence)
        if not _is_title(quotation)
        for part in _OMITTED.split(quotation)
        if len(_TOKEN.findall(part)) >= QUOTED_WORDS
    ]
    if not quotations:
        return None
    told = [f" {_core(text)} " for text in texts]
    return next((q for q in quotations if not any(f" {_core(q)} " in text for text in told)), None)


def _core(text: str) -> str:
    """The words that carry the sense, stemmed, and those that negate it."""
    words = (word.lower() for word in _TOKEN.findall(normalize(text)))
    kept = (w for w in words if is_negator(w) or (w not in STOP_WORDS and "'" not in w))
    return " ".join(term for word in kept for term in analyze(word))


def _is_title(words: str) -> bool:
    """Whether words in quotation marks are a work's title: most have a capital."""
    tokens: list[str] = _TOKEN.findall(words)
    return 2 * sum(token[0].isupper() for token in tokens) > len(tokens)


@dataclass(frozen=True, slots=True)
class Edit:
    """What stands in a sentence where another, otherwise the same, has something else."""

    kind: Literal["number", "name", "negation"]
    said: str
    told: str


def edit(sentence: str, told: str) -> Edit | None:
    """Return what a sentence that is nearly another one changes in it: the first that matters.

    Matters: a name, a number with its unit, a negation, a contrary. None if all is the same, or
    if the sentences differ in so much that one is not the other.
    """
    mine, theirs = _tokens(sentence), _tokens(told)
    if len(mine) < SHORT:
        return None
    said, other = ([word.lower() for word, _ in tokens] for tokens in (mine, theirs))
    matcher = SequenceMatcher(None, said, other, autojunk=False)
    blocks = [block for block in matcher.get_matching_blocks() if block.size]
    if sum(block.size for block in blocks) < NEAR * len(mine):
        return None
    for tag, a, b, c, d in matcher.get_opcodes():
        edge = a == 0 or b == len(mine)
        if tag == "equal" or b - a > SHORT or d - c > SHORT or (tag == "insert" and edge):
            continue  # "insert" is what only the other sentence has
        found = _matters(sentence, mine[a:b], told, theirs[c:d])
        if found is not None:
            return found
    return None


Token = tuple[str, int]  # a word and where it starts


def _tokens(text: str) -> list[Token]:
    return [(match.group(), match.start()) for match in _TOKEN.finditer(text)]


def _matters(
    sentence: str, mine: Sequence[Token], told: str, theirs: Sequence[Token]
) -> Edit | None:
    said = {word.lower() for word, _ in mine}
    other = {word.lower() for word, _ in theirs}
    mine_text, their_text = _stretch(sentence, mine), _stretch(told, theirs)
    denied = [any(is_negator(w) or is_denial(w) for w in words) for words in (said, other)]
    if denied[0] != denied[1] and any(map(is_negator, said | other)):
        return Edit("negation", mine_text, their_text)
    for word in sorted(said - other):
        if antonyms(word) & other:
            return Edit("negation", mine_text, their_text)
    if not theirs or not mine:
        return None
    return _other_number(sentence, mine, told, theirs) or _other_name(mine_text, their_text, told)


def _stretch(text: str, tokens: Sequence[Token]) -> str:
    return text[tokens[0][1] : tokens[-1][1] + len(tokens[-1][0])] if tokens else ""


def _other_number(
    sentence: str, mine: Sequence[Token], told: str, theirs: Sequence[Token]
) -> Edit | None:
    there = list(_numbers_at(told, theirs))
    for quantity in _numbers_at(sentence, mine):
        if there and not quantity_supported(quantity, there):
            said = sentence[quantity.start : quantity.end]
            return Edit("number", said, told[there[0].start : there[0].end])
    return None


def _numbers_at(text: str, tokens: Sequence[Token]) -> Iterator[Quantity]:
    start, end = tokens[0][1], tokens[-1][1] + len(tokens[-1][0])
    for quantity in find_quantities(text):
        if quantity.start < end and start < quantity.end:
            yield quantity


def _other_name(said: str, there: str, told: str) -> Edit | None:
    if not any(word[0].isupper() for word in there.split()):
        return None
    known = Vocabulary([told])
    for name in find_names("x " + said):  # no sentence starts here
        if known.missing(name) == list(name.words):
            return Edit("name", name.text, there)
    return None
