"""How follow-up questions are made to stand alone, on TREC CAsT 2019 to 2022.

People wrote each turn anew. Of a turn to which they added content words: how many of these are
added (recall, a mean over turns), and how many of the words added are among them (precision, over
all words). Of a turn that they left as it was: whether it is left so. Intervals draw conversations.

The weights of app/answering/dependence.py, topics.py and reading.py are fitted on the same
conversations, so each is measured with weights fitted to the others (ten folds); the figures of
the weights shipped stand beside. The thresholds of app/answering/conversation.py, and which signs
there are, were chosen on all of them.

Seven of eight turns of CAsT need context: readers change the subject more often. So questions of
SQuAD, each asked after one about another article, are fitted on too (half of the articles) and
measured (the other half).
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from itertools import pairwise, product
from pathlib import Path

import numpy as np
from corpora import SHARED, squad_questions
from fit_conversation import Kept, fit, form, history, stands_alone, write
from report import Figure, percentile, print_figures, print_table
from sklearn.metrics import roc_auc_score

from app.answering import conversation, dependence, topics
from app.answering.conversation import Fitted, standalone
from app.answering.reading import Reader
from app.evaluation.adapters_other import cast_sets
from app.evaluation.bootstrap import Interval, Resampler
from app.evaluation.figures import ADDED, RIGHTLY, Row
from app.evaluation.figures import OURS as CITEWELL
from app.evaluation.sets import ConversationSet, Turn
from app.evaluation.texts import REWRITERS, evaluate_turns
from vectorstore.analysis import content_terms
from vectorstore.encoder import SentenceTransformerEncoder

FOLDS = 10
CHANGES, SEED = 2_000, 7
OURS, SHIPPED, UNANSWERED = "cross-fitted", "as shipped", "cross-fitted, answers withheld"
UNREAD = "cross-fitted, no encoder"
TRIED = (-1.0, -0.8, -0.6, -0.4), (-1.6, -1.2, -0.8), (-1.4, -1.1, -0.8)
RECALL_FLOOR, PRECISION_FLOOR, ALONE_FLOOR = 0.50, 0.50, 0.95


# -- the fit -----------------------------------------------------------------------------


def subject_changes(data: Path) -> list[Turn]:
    """Return questions of SQuAD, each after a question about another article.

    About one in ten leans on its paragraph all the same ("When was his lab destroyed?").
    """
    questions = squad_questions(data)
    order = np.random.default_rng(SEED).permutation(len(questions))[: CHANGES + 1]
    drawn = [questions[int(n)] for n in order]
    return [
        Turn(
            id=question.id,
            conversation=question.title,
            history=((before.text, "".join(before.answers[:1])),),
            utterance=question.text,
            rewrite=question.text,
        )
        for before, question in pairwise(drawn)
        if before.title != question.title
    ]


def is_fitted_on(title: str) -> bool:
    """Whether a title of SQuAD is of the half that is fitted on."""
    return int(hashlib.sha256(title.encode()).hexdigest()[0], 16) < 8


def folds(turns: Sequence[Turn]) -> dict[str, int]:
    """Return each conversation's fold: whole conversations stay together."""
    names = sorted({turn.conversation for turn in turns})
    return {name: number % FOLDS for number, name in enumerate(names)}


def cross_fit(turns: Sequence[Turn], changes: Sequence[Turn], reader: Reader) -> dict[str, Fitted]:
    """Return for each conversation the weights fitted to those of the other folds."""
    of = folds(turns)
    models = [
        fit([t for t in turns if of[t.conversation] != fold], changes, reader)
        for fold in range(FOLDS)
    ]
    return {name: models[fold] for name, fold in of.items()}


def print_fit(fitted: Fitted) -> None:
    """Print the weights fitted to all turns beside those shipped, but for the many of reading."""
    for kind, new, old in (
        (dependence.Signs, fitted.dependence, dependence.WEIGHTS),
        (topics.PhraseSigns, fitted.phrases, topics.WEIGHTS),
    ):
        names = [*(field.name for field in fields(kind)), "intercept"]
        print_table(
            ["weight", "fitted now", "shipped"],
            [[n, f"{f:.2f}", f"{s:.2f}"] for n, f, s in zip(names, new, old, strict=True)],
        )


# -- the figures -------------------------------------------------------------------------


def rewriters(
    models: Mapping[str, Fitted], reader: Reader
) -> dict[str, Callable[[Turn], str | None]]:
    """Return all that are compared: ours, and plain ones."""

    def words(text: str) -> str:
        return " ".join(content_terms(text))

    def behind(turn: Turn, at: int) -> str:
        said = words(turn.history[at][0]) if turn.history else ""
        return f"{turn.utterance} {said}".strip()

    def ours(turn: Turn, fitted: Fitted, answers: bool = True, reads: bool = True) -> str:
        seen = reader if reads else None
        return standalone(turn.utterance, history(turn, answers), fitted, seen).question

    return {
        OURS: lambda turn: ours(turn, models[turn.conversation]),
        SHIPPED: lambda turn: ours(turn, conversation.FITTED),
        UNREAD: lambda turn: ours(turn, models[turn.conversation], reads=False),
        UNANSWERED: lambda turn: ours(turn, models[turn.conversation], answers=False),
        "first question's words behind": lambda turn: behind(turn, 0),
        "previous question's words behind": lambda turn: behind(turn, -1),
        **{name: rewrite for name, rewrite in REWRITERS.items() if name != CITEWELL},
    }


def figures_of(rows: Sequence[Row], name: str) -> dict[str, Interval]:
    """Return recall and precision of the added words, and what is left unchanged."""
    needing = [r for r in rows if r.group == "needs words" and name in r.scores]
    alone = [r for r in rows if r.group == "stands alone" and name in r.scores]
    found: dict[str, Interval] = {}
    if needing:
        drawer = Resampler([row.cluster for row in needing])
        scores = [row.scores[name] for row in needing]
        found["recall"] = drawer.mean([score["recall of added words"] for score in scores])
        columns = [np.array([score[key] for score in scores]) for key in (RIGHTLY, ADDED)]
        with np.errstate(invalid="ignore"):
            found["precision"] = drawer.statistic(columns, lambda means: means[0] / means[1])
    if alone:
        drawer = Resampler([row.cluster for row in alone])
        found["unchanged"] = drawer.mean([row.scores[name]["left unchanged"] for row in alone])
    return found


def _show(figure: Interval | None) -> str:
    if figure is None or np.isnan(figure.value):
        return "-"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}] of {figure.n}"


def print_rows(rows: Sequence[Row], names: Sequence[str]) -> None:
    """Print a line for each rewriter."""
    table = []
    for name in names:
        figures = figures_of(rows, name)
        cells = [_show(figures.get(key)) for key in ("recall", "precision", "unchanged")]
        table.append([name, *cells])
    print_table(["", "recall", "precision", "left unchanged"], table)


def print_dependence(turns: Sequence[Turn], models: Mapping[str, Fitted]) -> None:
    """Print how well "needs context?" alone tells the turns apart, first turns left out."""
    later = [turn for turn in turns if turn.history]
    needs = np.array([not stands_alone(turn) for turn in later])
    values = []
    for turn in later:
        weights = models[turn.conversation].dependence
        signs = form(turn)
        values.append(dependence.logit(signs, weights))
    area = roc_auc_score(needs, values)
    print(f"\nNeeds context? AUC {area:.3f} over {len(later)} turns, {needs.sum()} of which do.")


def print_thresholds(
    turns: Sequence[Turn],
    changes: Sequence[Turn],
    models: Mapping[str, Fitted],
    whole: Fitted,
    reader: Reader,
) -> None:
    """Print what other thresholds give, cross-fitted."""
    names = "NEEDS_READ", "FIRST_READ", "SECOND_READ"
    kept = [getattr(conversation, name) for name in names]
    table = []
    content = ConversationSet("cast", "", tuple(turns))
    for values in product(*TRIED):
        if values[2] < values[1]:
            continue
        for name, value in zip(names, values, strict=True):
            setattr(conversation, name, value)
        rows = evaluate_turns(content, {OURS: rewriters(models, reader)[OURS]})
        found = figures_of(rows, OURS)
        cells = [f"{found[key].value:.3f}" for key in ("recall", "precision", "unchanged")]
        left = np.mean([is_left(turn, whole, reader) for turn in changes])
        table.append([*(f"{value:g}" for value in values), *cells, f"{left:.3f}"])
    for name, value in zip(names, kept, strict=True):
        setattr(conversation, name, value)
    headers = ["recall", "precision", "left unchanged", "changes of subject left"]
    print_table([*names, *headers], table)


def print_ceiling(turns: Sequence[Turn]) -> None:
    """Print how many of the words that people added were said before at all."""
    shares = defaultdict(list)
    for turn in turns:
        known = set(content_terms(turn.utterance))
        if stands_alone(turn) or not (wanted := set(content_terms(turn.rewrite)) - known):
            continue
        asked = " ".join(user for user, _ in turn.history)
        answers = [system or "" for _, system in turn.history]
        for name, text in (
            ("in earlier questions", asked),
            ("in earlier questions or the last answer", f"{asked} {' '.join(answers[-1:])}"),
            ("in anything said", f"{asked} {' '.join(answers)}"),
        ):
            shares[name].append(len(wanted & set(content_terms(text))) / len(wanted))
    print_table(
        ["share of the words people added", ""],
        [
            [name, f"{sum(found) / len(found):.3f} of {len(found)}"]
            for name, found in shares.items()
        ],
    )


def is_left(turn: Turn, fitted: Fitted, reader: Reader) -> float:
    """Return 1 where a question that changes the subject is left as it is, else 0."""
    return float(standalone(turn.utterance, history(turn), fitted, reader).why == "alone")


def times(turns: Sequence[Turn], reader: Reader | None) -> list[float]:
    """Return how long each turn took, in milliseconds."""
    found = []
    for turn in turns:
        before = history(turn)
        start = time.perf_counter()
        standalone(turn.utterance, before, reader=reader)
        found.append((time.perf_counter() - start) * 1_000)
    return found


def main() -> None:
    """Fit, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=SHARED, help="the folder with data/cast")
    parser.add_argument("--fit", action="store_true", help="print weights fitted to all turns")
    parser.add_argument("--write", action="store_true", help="replace the weights of reading.json")
    parser.add_argument("--thresholds", action="store_true", help="print what others would give")
    parser.add_argument("--list", action="store_true", help="print every turn")
    options = parser.parse_args()
    content = next(iter(cast_sets(options.data / "data" / "cast")))
    turns = content.turns
    changes = subject_changes(options.data)
    fitting = [turn for turn in changes if is_fitted_on(turn.conversation)]
    changes = [turn for turn in changes if not is_fitted_on(turn.conversation)]
    encoder = SentenceTransformerEncoder()
    encoder.load()
    reader = Kept(encoder)
    models = cross_fit(turns, fitting, reader)
    if options.fit or options.write or options.thresholds:
        whole = fit(turns, fitting, reader)
    if options.fit:
        print_fit(whole)
    if options.thresholds:
        print_thresholds(turns, changes, models, whole, reader)
        return
    if options.write:
        write(whole, encoder)
    every = rewriters(models, reader)
    rows = evaluate_turns(content, every)
    first = {turn.id for turn in turns if not turn.history}
    print(f"\n{len(turns)} turns of {len({t.conversation for t in turns})} conversations")
    print_rows(rows, list(every))
    print("Without first turns, which cannot be changed:")
    print_rows([row for row in rows if row.key not in first], [OURS, SHIPPED])
    for year in sorted({row.cluster[:4] for row in rows}):
        print(f"{year}:")
        print_rows(
            [row for row in rows if row.cluster.startswith(year)],
            [OURS, UNANSWERED, "earlier questions in front", "the track's own"],
        )
    answered = {turn.id for turn in turns if any(system for _, system in turn.history)}
    print("Turns with an answer before them (2021 and 2022):")
    print_rows([row for row in rows if row.key in answered], [OURS, UNANSWERED])
    left = Resampler([turn.conversation for turn in changes]).mean(
        [is_left(turn, conversation.FITTED, reader) for turn in changes]
    )
    print(f"Changes of subject, left unchanged, as shipped: {_show(left)}")
    print_ceiling(turns)
    print_dependence(turns, models)
    if options.list:
        for turn in turns:
            said = every[OURS](turn)
            print(f"{turn.id}\t{turn.utterance}\t{turn.rewrite}\t{said}")
    took, unread = times(turns, encoder), times(turns, None)
    found = figures_of(rows, OURS)
    if not print_figures(
        [
            Figure("recall of the added words", found["recall"].value, floor=RECALL_FLOOR),
            Figure("precision of the added words", found["precision"].value, PRECISION_FLOOR),
            Figure("left unchanged", found["unchanged"].value, floor=ALONE_FLOOR),
            Figure("ms, p50", percentile(took, 0.5)),
            Figure("ms, p95", percentile(took, 0.95)),
            Figure("ms without an encoder, p95", percentile(unread, 0.95), ceiling=5),
        ]
    ):
        sys.exit(1)


if __name__ == "__main__":
    main()
