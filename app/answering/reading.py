"""What the encoder's attention tells of the phrases that a follow-up question may be about.

The questions before, the last answer and the question are read as one, in one pass. How much each
attention head looks from the question's pronouns at a phrase, and from the question as a whole,
are signs beside those of topics.py, in one logistic regression; `bench/conversation.py --write`
fits it, on the same turns. A second one tells from how likely the likeliest phrases are whether
the question leans at all. Which heads tell of pronouns differs from model to model, so the weights
are those of one model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from app.answering.dependence import POINTING, PRONOUNS, Signs
from app.answering.mentions import words_of
from app.answering.topics import Candidate, Stems
from vectorstore.attention import Looks

FILE = Path(__file__).with_name("reading.json")
RECENT = 9  # questions before that are read, beside the first
EARLIER, ANSWER, QUESTION = 32, 100, 60  # tokens of each; with RECENT they fit into 512
LEAST = 1e-3  # attention below counts as this
ALONE = 2.0  # how much likelier a phrase is than the next, where there is no next
_POINTERS = PRONOUNS | POINTING | {"there"}

Floats = NDArray[np.float64]


@runtime_checkable
class Reader(Protocol):
    """An encoder whose attention can be seen."""

    @property
    def fingerprint(self) -> str:
        """Model, precision and weights."""

    def attend(self, texts: Sequence[str], most: Sequence[int]) -> Looks:
        """Return what the last text's tokens look at in all texts, read as one."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the signs of a phrase, and of those of a question that leans; then the intercepts."""

    phrases: tuple[float, ...]
    leans: tuple[float, ...]


@cache
def _saved() -> tuple[str, Weights]:
    found = json.loads(FILE.read_text(encoding="utf-8"))
    return found["model"], Weights(tuple(found["phrases"]), tuple(found["leans"]))


def weights() -> Weights:
    """Return the weights shipped."""
    return _saved()[1]


def model_of(fingerprint: str) -> str:
    """Return a fingerprint without the precision: model, and sha256 of the weights."""
    parts = fingerprint.split("/")
    return "/".join([*parts[:-2], parts[-1]])


def reader_of(encoder: object) -> Reader | None:
    """Return an encoder if it is one whose attention the weights were fitted to."""
    if isinstance(encoder, Reader) and model_of(encoder.fingerprint) == _saved()[0]:
        return encoder
    return None


def signs_of(
    question: str,
    asked: Sequence[str],
    answer: str,
    candidates: Sequence[Candidate],
    reader: Reader,
) -> Floats:
    """Return what is known of each candidate, shape (candidates, signs).

    Args:
        question: What may lean on the candidates.
        asked: The questions before, oldest first; at least one.
        answer: What was answered to the last of them; may be empty.
        candidates: As `topics.candidates` gives them for the same; at least one.
        reader: Sees them.
    """
    recent = asked[-RECENT:] if len(asked) <= RECENT else [asked[0], *asked[-RECENT:]]
    answers = [answer] if answer.strip() else []
    texts = [*recent, *answers, question]
    most = [EARLIER] * len(recent) + [ANSWER] * len(answers) + [QUESTION]
    looks = reader.attend(texts, most)
    seen = _Seen(question, texts, looks)
    first = frozenset(word.stem for word in words_of(asked[0]))
    answered = [word.stem for word in words_of(answer)]
    rows = []
    for each in candidates:
        often = sum(stem in each.new for stem in answered) / len(each.new)
        own = [*astuple(each.signs), float(each.new <= first), np.log1p(often)]
        rows.append(np.concatenate([own, seen.signs(each.new)]))
    return np.array(rows)


def leaning(signs: Signs, odds: Sequence[float], read: Floats) -> Floats:
    """Return what tells whether a question leans.

    Args:
        signs: Of its form.
        odds: The log of the odds of each phrase, as its words alone tell.
        read: The same, as the encoder tells.
    """
    second, first = np.sort(np.append(read, read.max() - ALONE))[-2:]
    return np.array([*astuple(signs), max(odds), first, second])


def logits(signs: Floats, fitted: Sequence[float]) -> Floats:
    """Return the log of the odds, of one row of signs or of each."""
    *slopes, intercept = fitted
    found: Floats = signs @ np.array(slopes) + intercept
    return found


class _Seen:
    """Where each word stands among the tokens, and how the question looks at it."""

    def __init__(self, question: str, texts: Sequence[str], looks: Looks) -> None:
        self._pieces = looks.pieces
        self._stems: dict[str, list[int]] = {}
        words = [words_of(text) for text in texts[:-1]]
        for place, piece in enumerate(looks.pieces):
            if 0 <= piece.text < len(words) and piece.start < piece.end:
                for word in words[piece.text]:
                    if word.start <= piece.start and piece.end <= word.end:
                        self._stems.setdefault(word.stem, []).append(place)
        pointing = [
            row
            for row, place in enumerate(looks.own)
            if question[self._pieces[place].start : self._pieces[place].end].casefold() in _POINTERS
        ]
        rows = looks.heads[:, pointing] if pointing else looks.heads
        self._most = rows.max(axis=1, initial=0.0)  # (heads, tokens)
        self._mean = looks.heads.sum(axis=1) / max(1, len(looks.own))

    def signs(self, new: Stems) -> Floats:
        """Return whether a phrase was read, how rare and long it is, and how it is looked at."""
        places = sorted(place for stem in new for place in self._stems.get(stem, ()))
        if not places:
            return np.concatenate([[0.0] * 3, np.full(2 * len(self._mean), np.log(LEAST))])
        text = self._pieces[places[0]].text
        ranks = [self._pieces[place].rank for place in places if self._pieces[place].text == text]
        most = np.log(self._most[:, places].max(axis=1) + LEAST)
        whole = np.log(self._mean[:, places].sum(axis=1) + LEAST)
        return np.concatenate([[1.0, np.log(max(ranks)), len(ranks)], most, whole])
