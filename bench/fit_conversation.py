"""The weights that tell which follow-up questions lean, and on what, fitted to turns of TREC CAsT.

Four logistic regressions: whether a question leans and which phrase is meant, from words alone
(app/answering/dependence.py, topics.py); then the same two with what the encoder's attention tells
(reading.py), whose heads are many for so few turns and so are held the more to 0.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from app.answering import conversation, dependence, reading, topics
from app.answering.conversation import Exchange, Fitted
from app.answering.mentions import stems_of
from app.answering.reading import Reader
from app.evaluation.metrics import normalize
from app.evaluation.sets import Turn
from vectorstore.analysis import content_terms
from vectorstore.attention import Looks
from vectorstore.encoder import SentenceTransformerEncoder

DEPENDENCE_C, PHRASES_C = 0.3, 0.3
READING_C, LEANS_C = 0.003, 0.1  # of signs in units of their deviations
# Of a fit's weight: turns that need context, those that stand alone, changes of subject.
SHARES = 0.5, 0.3, 0.2


def history(turn: Turn, answers: bool = True) -> list[Exchange]:
    """Return what was said before a turn; CAsT has answers in 2021 and 2022 only."""
    return [Exchange(user, (answers and system) or "") for user, system in turn.history]


def stands_alone(turn: Turn) -> bool:
    """Whether a person left it as it was."""
    return normalize(turn.rewrite) == normalize(turn.utterance)


class Kept:
    """An encoder that reads each talk once."""

    def __init__(self, encoder: SentenceTransformerEncoder) -> None:
        self._encoder = encoder
        self.fingerprint = encoder.fingerprint
        self._kept: dict[tuple[str, ...], Looks] = {}

    def attend(self, texts: Sequence[str], most: Sequence[int]) -> Looks:
        """Return what the last text's tokens look at."""
        key = tuple(texts)
        if key not in self._kept:
            self._kept[key] = self._encoder.attend(texts, most)
        return self._kept[key]


def fit(turns: Sequence[Turn], changes: Sequence[Turn], reader: Reader) -> Fitted:
    """Return the weights fitted to turns, and to questions that change the subject."""
    later = [turn for turn in turns if turn.history]
    both = [*later, *changes]
    signs = np.array([astuple(form(turn)) for turn in both])
    needs = np.array([not stands_alone(turn) for turn in both])
    weight = _counts(needs, np.arange(len(both)) >= len(later))
    first = _rounded(_regression(signs, needs, weight, DEPENDENCE_C))
    rows, looks, shares = [], [], []
    for turn in later:
        known = set(content_terms(turn.utterance))
        wanted = set(content_terms(turn.rewrite)) - known
        found = _candidates(turn, first) if wanted else []
        if found:
            rows += [astuple(candidate.signs) for candidate in found]
            looks.append(_looks(turn, found, reader))
            shares += [len(each.new & wanted) / len(each.new) for each in found]
    second = _rounded(_of_shares(np.array(rows), np.array(shares), PHRASES_C))
    told = np.concatenate(looks)
    middle, scale = told.mean(axis=0), told.std(axis=0) + 1e-6
    third = _rescaled(
        _of_shares((told - middle) / scale, np.array(shares), READING_C), middle, scale
    )
    fitted = Fitted(first, second, reading.Weights(third, ()))
    leans = _leans(both, len(later), fitted, reader)
    return Fitted(first, second, reading.Weights(third, leans))


def _leans(turns: Sequence[Turn], later: int, fitted: Fitted, reader: Reader) -> tuple[float, ...]:
    """Fit whether a question leans, to those that are read at all."""
    rows, needs, new = [], [], []
    for number, turn in enumerate(turns):
        found = _candidates(turn, fitted.dependence)
        if not found:
            continue
        signs = form(turn)
        odds = [topics.logit(each.signs, fitted.phrases) for each in found]
        needed = dependence.logit(signs, fitted.dependence) + conversation.BACKED * max(odds)
        if needed >= conversation.MAY_LEAN:
            told = reading.logits(_looks(turn, found, reader), fitted.reading.phrases)
            rows.append(reading.leaning(signs, odds, told))
            needs.append(not stands_alone(turn))
            new.append(number >= later)
    seen = np.array(rows)
    middle, scale = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    weight = _counts(np.array(needs), np.array(new))
    found = _regression((seen - middle) / scale, np.array(needs), weight, LEANS_C)
    return _rescaled(found, middle, scale)


def _counts(needs: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return how much each question counts, so that the kinds have their SHARES."""
    weight = np.zeros(len(needs))
    for part, share in zip((needs, ~needs & ~new, new), SHARES, strict=True):
        weight[part] = share / part.sum()
    return weight * (~new).sum()


def _regression(
    rows: np.ndarray, labels: np.ndarray, weight: np.ndarray, inverse: float
) -> np.ndarray:
    model = LogisticRegression(C=inverse, max_iter=5_000).fit(rows, labels, sample_weight=weight)
    return np.append(model.coef_[0], model.intercept_[0])


def _of_shares(rows: np.ndarray, shares: np.ndarray, inverse: float) -> np.ndarray:
    """Return the weights of a regression on what share of a phrase's words was added."""
    labels = np.repeat([True, False], len(rows))
    weight = np.concatenate([shares, 1 - shares])
    return _regression(np.concatenate([rows, rows]), labels, weight, inverse)


def _rounded(weights: np.ndarray, digits: int = 2) -> tuple[float, ...]:
    return tuple(round(float(weight), digits) for weight in weights)


def _rescaled(weights: np.ndarray, middle: np.ndarray, scale: np.ndarray) -> tuple[float, ...]:
    """Return weights of signs in units of their deviations as those of the signs themselves."""
    slopes = weights[:-1] / scale
    return _rounded(np.append(slopes, weights[-1] - slopes @ middle), 4)


def _lines(before: Sequence[Exchange], weights: Sequence[float]) -> list[topics.Line]:
    lines: list[topics.Line] = []
    for exchange in before:
        lines.append(topics.line_of(exchange.question, lines, weights))
    return lines


def form(turn: Turn) -> dependence.Signs:
    """Return the signs of a turn's form."""
    return dependence.signs_of(turn.utterance, stems_of(user for user, _ in turn.history))


def _candidates(turn: Turn, weights: Sequence[float]) -> list[topics.Candidate]:
    before = history(turn)
    answer = before[-1].answer[: conversation.ANSWER]
    return topics.candidates(turn.utterance, _lines(before, weights), answer)


def _looks(turn: Turn, found: Sequence[topics.Candidate], reader: Reader) -> np.ndarray:
    before = history(turn)
    asked = [exchange.question[: conversation.LONG] for exchange in before]
    answer = before[-1].answer[: conversation.ANSWER]
    return reading.signs_of(turn.utterance, asked, answer, found, reader)


def write(fitted: Fitted, encoder: SentenceTransformerEncoder) -> None:
    """Put the weights of what the encoder reads where the service finds them."""
    told = {
        "model": reading.model_of(encoder.fingerprint),
        "phrases": fitted.reading.phrases,
        "leans": fitted.reading.leans,
    }
    reading.FILE.write_text(json.dumps(told) + "\n", encoding="utf-8")
