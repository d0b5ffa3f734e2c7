"""How well follow-up questions are made to stand alone, on TREC CAsT 2019 to 2022.

Fitted and reported by ten folds of conversations: each turn is judged by weights that have not
seen its conversation. Intervals are 95 %, bootstrapped over conversations. `--fit` fits on all of
the development part and replaces the engine's weights.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from corpora import argument_parser
from report import print_table
from sklearn.linear_model import LogisticRegression

from app.answering import conversation
from app.answering.conversation import (
    BESIDE,
    FILE,
    MEANT,
    MOST,
    REMEMBERED,
    Said,
    leaning_signs,
    said_before,
    standalone,
    word_signs,
    words_before,
)
from app.answering.dependence import signs_of
from app.evaluation.adapters_other import cast_sets
from app.evaluation.metrics import normalize
from app.evaluation.sets import Turn
from vectorstore.lexical import content_terms

FOLDS = 10
DRAWS = 1000
POINTS = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)


@dataclass(frozen=True, slots=True)
class Read:
    """A turn with what is computed once."""

    turn: Turn
    history: tuple[Said, ...]
    alone: bool  # a person left it as it is
    wanted: frozenset[str]  # the content words that a person added
    fold: int

    @property
    def rows(self) -> tuple[list[str], np.ndarray]:
        """The candidate words and their signs."""
        turns = self.history[-REMEMBERED:]
        words = words_before(self.turn.utterance, turns)
        signs = signs_of(self.turn.utterance, said_before(turns))
        return list(words), np.array([word_signs(w, turns, signs) for w in words.values()])


def read(turn: Turn, fold: int) -> Read:
    """Return a turn as it is judged."""
    known = set(content_terms(turn.utterance))
    return Read(
        turn,
        tuple(Said(user, system or "") for user, system in turn.history),
        normalize(turn.rewrite) == normalize(turn.utterance),
        frozenset(set(content_terms(turn.rewrite)) - known),
        fold,
    )


def regression(rows: np.ndarray, labels: np.ndarray, strength: float) -> dict[str, object]:
    """Return a logistic regression as the engine reads it."""
    model = LogisticRegression(C=strength, max_iter=3000).fit(rows, labels)
    weights = [round(float(weight), 4) for weight in model.coef_[0]]
    return {"weights": weights, "bias": round(float(model.intercept_[0]), 4)}


class Fold:
    """What is fitted on some turns."""

    def __init__(self, taught: Sequence[Read]) -> None:
        leaning = [each for each in taught if each.wanted and len(each.rows[0])]
        rows = np.concatenate([each.rows[1] for each in leaning])
        labels = np.array([stem in each.wanted for each in leaning for stem in each.rows[0]])
        self.words = regression(rows, labels, 0.3)
        asked = [each for each in taught if len(each.rows[0])]
        self.leans = regression(
            np.stack([self.leaning(each) for each in asked]),
            np.array([not each.alone for each in asked]),
            0.3,
        )

    def leaning(self, each: Read) -> np.ndarray:
        """Return the signs that a turn leans on others."""
        signs = signs_of(each.turn.utterance, said_before(each.history[-REMEMBERED:]))
        return leaning_signs(each.turn.utterance, signs)


def interval(values: Sequence[float], clusters: Sequence[str]) -> str:
    """Return a mean with its interval over conversations."""
    random = np.random.default_rng(7)
    names = sorted(set(clusters))
    sums = np.array(
        [
            [sum(v for v, c in zip(values, clusters, strict=True) if c == n), clusters.count(n)]
            for n in names
        ]
    )
    draws = sums[random.integers(0, len(names), (DRAWS, len(names)))].sum(axis=1)
    low, high = np.quantile(draws[:, 0] / draws[:, 1], [0.025, 0.975])
    return f"{np.mean(values):.3f} ({low:.3f} to {high:.3f})"


def print_point(name: str, found: Sequence[Read], texts: Sequence[str]) -> list[str]:
    """Return a row: recall and precision of added words, turns rewritten, left unchanged."""
    recalls, of, added, right, rewritten = [], [], 0, 0, []
    for each, text in zip(found, texts, strict=True):
        if each.wanted:
            new = set(content_terms(text)) - set(content_terms(each.turn.utterance))
            recalls.append(len(new & each.wanted) / len(each.wanted))
            of.append(each.turn.conversation)
            added, right = added + len(new), right + len(new & each.wanted)
            rewritten.append(text != each.turn.utterance)
    alone = [
        (float(text == each.turn.utterance), each.turn.conversation)
        for each, text in zip(found, texts, strict=True)
        if each.alone
    ]
    later = [
        float(text == each.turn.utterance)
        for each, text in zip(found, texts, strict=True)
        if each.alone and each.history
    ]
    return [
        name,
        interval(recalls, of),
        f"{right / max(added, 1):.3f}",
        f"{np.mean(rewritten):.3f}",
        interval([v for v, _ in alone], [c for _, c in alone]),
        f"{np.mean(later):.3f}",
    ]


def main() -> None:
    """Fit, print, and with --fit keep the weights."""
    parser = argument_parser(__doc__)
    parser.add_argument("--fit", action="store_true", help="replace the engine's weights")
    options = parser.parse_args()
    (content,) = cast_sets(options.data / "data/cast")
    names = sorted({turn.conversation for turn in content.turns})
    found = [read(turn, names.index(turn.conversation) % FOLDS) for turn in content.turns]
    folds = [Fold([each for each in found if each.fold != n]) for n in range(FOLDS)]
    counts = [sum(bool(e.wanted) for e in found), sum(e.alone for e in found)]
    counts.append(sum(e.alone and bool(e.history) for e in found))
    print(f"{len(found)} turns of {len(names)} conversations: {counts[0]} to which a person added")
    print(f"words, {counts[1]} left as they are, {counts[2]} of these not the first of theirs\n")
    table = []
    for point in POINTS:
        texts = []
        for each in found:
            fold = folds[each.fold]
            conversation._fitted = lambda f=fold: {"words": f.words, "leans": f.leans}  # type: ignore[assignment]
            conversation.LEANS = point
            texts.append(standalone(each.turn.utterance, each.history).text)
        table.append(print_point(f"leans >= {point:g}", found, texts))
    last = [" ".join([*(s.question for s in e.history[-1:]), e.turn.utterance]) for e in found]
    every = [" ".join([*(s.question for s in e.history), e.turn.utterance]) for e in found]
    table.append(print_point("last question in front", found, last))
    table.append(print_point("all questions in front", found, every))
    with_own = [e for e in found if e.turn.automatic]
    texts = [str(e.turn.automatic) for e in with_own]
    if any(e.alone for e in with_own):
        table.append(print_point(f"the track's own, n = {len(with_own)}", with_own, texts))
    headers = [
        "",
        "recall of added words",
        "precision",
        "rewritten",
        "left unchanged",
        "later ones",
    ]
    print_table(headers, table)
    print(f"\nMEANT {MEANT}, BESIDE {BESIDE}, at most {MOST} words", file=sys.stderr)
    if options.fit:
        whole = Fold(found)
        FILE.write_text(json.dumps({"words": whole.words, "leans": whole.leans}) + "\n")
        print(f"wrote {FILE.name}")


if __name__ == "__main__":
    main()
