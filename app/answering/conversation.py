"""Questions that lean on what was said before, made to stand alone; without a chat model.

Two logistic regressions decide, over signs that a reader can check: whether a question leans on
earlier turns (dependence.py), and which words of those turns it means. Their words are appended in
brackets, so that the reader sees what was understood: "How is it treated? (throat cancer)".
`bench/conversation.py --fit` fits both on TREC CAsT and prints what they give.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np

from app.answering.dependence import Signs, signs_of
from app.answering.mentions import is_function, phrases_of, stems_of
from vectorstore.lexical import content_terms
from vectorstore.retriever import MAX_QUERY

FILE = Path(__file__).with_name("conversation.json")
REMEMBERED = 12  # turns
LISTENED = 2  # of the last turns' answers, from which words are taken
READ = 2_000  # characters of an answer
LEANS = 0.8  # how probable it must be that a question leans on others, to be changed
MEANT = 0.15  # how probable it must be that a word is meant
BESIDE = 0.7  # and how probable beside the most probable word
MOST = 6  # words
LONGEST = 40  # characters of a word; what is longer is none
_GO_ON = re.compile(
    r"\W*(?:yes|yeah|yep|sure|ok(?:ay)?|please|yes,? please|go on|continue|more|tell me more|"
    r"and\??|what else|anything else)\W*",
    re.IGNORECASE,
)
_PERSON = re.compile(r"\b(?:he|him|his|she|her|hers)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Said:
    """An earlier turn: the question as it stood alone, its answer, the words marked in that."""

    question: str
    answer: str = ""
    marked: str = ""


@dataclass(frozen=True, slots=True)
class Standalone:
    """A question as it can be asked alone, and the words that were added to it."""

    text: str
    added: tuple[str, ...] = ()


@dataclass(slots=True)
class Word:
    """A word of earlier turns that a question may mean: where and how it was said."""

    text: str
    asked: list[int] = field(default_factory=list)  # turns whose question has it
    told: list[int] = field(default_factory=list)  # turns whose answer has it
    place: int = 99  # the first phrase of the last answer that has it
    is_name: bool = False
    is_last: bool = False  # in the last phrase of the last question
    after_joint: bool = False  # after "the", "of", "about" …
    is_head: bool = False  # the last word of its phrase
    length: int = 0  # of its longest phrase, words


_JOINTS = frozenset(
    "the a an of about in for on to with by between from its their my our as".split()
)


def standalone(question: str, history: Sequence[Said]) -> Standalone:
    """Return a question as it can be asked without the turns before it.

    One that stands alone, or that has no turns before it, is returned as it is, letter for letter.

    Args:
        question: What was asked.
        history: The turns before, oldest first; only the last REMEMBERED are read.
    """
    turns = history[-REMEMBERED:]
    if not turns:
        return Standalone(question)
    if _GO_ON.fullmatch(question):
        return Standalone(turns[-1].question)
    if not any(is_function(word) for word in re.findall(r"[^\W_]+", question)):
        return Standalone(question)  # a bare name or term, or a language whose words are not known
    signs = signs_of(question, said_before(turns))
    words = words_before(question, turns)
    if not words or not signs.are_any or _chance_of_leaning(question, signs) < LEANS:
        return Standalone(question)
    if _PERSON.search(question) and (person := person_of(turns[-1].marked)):
        return _with(question, tuple(person.split()))
    meant = chances(
        _fitted()["words"], np.array([word_signs(w, turns, signs) for w in words.values()])
    )
    least = max(MEANT, BESIDE * float(meant.max()))
    ranked = sorted(zip(meant.tolist(), words, strict=True), reverse=True)
    taken = {stem for chance, stem in ranked[:MOST] if chance >= least}
    added = tuple(dict.fromkeys(word.text for stem, word in words.items() if stem in taken))
    return _with(question, added)


def heard(turns: Iterable[Said]) -> list[Said]:
    """Return turns as they came, each with its question made to stand alone by those before it."""
    told: list[Said] = []
    for turn in turns:
        told.append(replace(turn, question=standalone(turn.question, told).text))
    return told


def _with(question: str, added: tuple[str, ...]) -> Standalone:
    text = f"{question} ({' '.join(added)})"
    return Standalone(text, added) if added and len(text) <= MAX_QUERY else Standalone(question)


def said_before(turns: Sequence[Said]) -> set[str]:
    """Return the stems of all that was said."""
    return stems_of(text for turn in turns for text in (turn.question, turn.answer[:READ]))


def words_before(question: str, turns: Sequence[Said]) -> dict[str, Word]:
    """Return the words of earlier turns by index term, in the order in which they were said."""
    known = set(content_terms(question))
    words: dict[str, Word] = {}
    last = len(turns) - 1
    for number, turn in enumerate(turns):
        _hear(words, known, turn.question, number, "asked", last)
        if number > last - LISTENED:
            _hear(words, known, turn.answer[:READ], number, "told", last)
    return words


def _hear(
    words: dict[str, Word], known: set[str], text: str, number: int, kind: str, last: int
) -> None:
    phrases = phrases_of(text)
    for place, phrase in enumerate(phrases):
        before = text[: phrase.words[0].start].split()[-1:]
        for found in phrase.words:
            for stem in content_terms(found.text):
                if stem in known or len(found.text) > LONGEST:
                    continue
                word = words.setdefault(stem, Word(found.text))
                getattr(word, kind).append(number)
                word.is_name |= found.is_name
                word.is_head |= found is phrase.words[-1]
                word.after_joint |= bool(before) and before[0].casefold() in _JOINTS
                word.length = max(word.length, len(phrase.words))
                if number == last and kind == "told":
                    word.place = min(word.place, place)
                elif number == last:
                    word.is_last = place == len(phrases) - 1


def word_signs(word: Word, turns: Sequence[Said], signs: Signs) -> np.ndarray:
    """Return what tells whether a question means a word, shape (27,)."""
    count = len(turns)
    age = count - 1 - max(word.asked) if word.asked else REMEMBERED
    heard = (count - 1) in word.told
    only_told = not word.asked
    pronoun = bool(signs.personal or signs.thing or signs.pointing)
    answered = any(turn.answer for turn in turns[-LISTENED:])
    asked = len(set(word.asked))
    newest = age == 0
    return np.array(
        [
            newest,
            age == 1,
            age == 2,
            age in (3, 4),
            0 in word.asked,
            asked / count,
            min(asked, 4) / 4,
            only_told and heard,
            bool(word.told) and not heard,
            only_told,
            word.is_name,
            only_told and word.is_name,
            word.is_name and pronoun,
            word.is_name and newest,
            min(word.told.count(count - 1), 4) / 4,
            1 / (1 + word.place),
            heard and bool(word.asked),
            heard and signs.pointed,
            word.is_last,
            1 / count,
            signs.opening * newest,
            answered and bool(word.asked),
            word.after_joint,
            word.is_head,
            min(word.length, 4) / 4,
            min(len(word.text), 10) / 10,
            signs.other * newest,
        ],
        dtype=np.float64,
    )


def leaning_signs(question: str, signs: Signs) -> np.ndarray:
    """Return what tells whether a question leans on others."""
    return np.array([*signs.values(), len(question.split()) / 10])


def _chance_of_leaning(question: str, signs: Signs) -> float:
    return float(chances(_fitted()["leans"], leaning_signs(question, signs)[None])[0])


def person_of(marked: str) -> str:
    """Return the marked words of an answer if they are a name, of a person for all we know."""
    words = marked.split()
    is_name = words and all(word[0].isupper() for word in words)
    return marked if is_name and len(marked) <= LONGEST else ""


def chances(fitted: Mapping[str, Sequence[float] | float], rows: np.ndarray) -> np.ndarray:
    """Return the probabilities that a logistic regression gives rows, shape (rows,)."""
    logits = rows @ np.asarray(fitted["weights"]) + fitted["bias"]
    return np.asarray(1 / (1 + np.exp(-logits)))


@cache
def _fitted() -> dict[str, dict[str, list[float] | float]]:
    """Return the weights that bench/conversation.py wrote."""
    found: dict[str, dict[str, list[float] | float]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found
