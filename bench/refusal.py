"""What decides between an answer and "the articles do not say": the data, the fit, the price.

Four groups, drawn from SQuAD 1.1 dev with a fixed seed. Answerable questions are asked of a
corpus that holds their paragraph; the others of one that does not:

big    all 2,067 paragraphs; for the unanswerable the paragraphs of the question's own title
       are taken out of what was found
mid    the paragraphs of one title; unanswerable are questions about other titles
tiny   one, two or four paragraphs; unanswerable are questions about other titles
near   the same few paragraphs, and questions about other paragraphs of the same title: some
       of them are answered there by chance, so they weigh less and cannot all be refused

The logistic regression of app/answering/refusal.py is fitted to all, each group and
answerability weighing the same; the shares of the new fit are of questions it was not fitted on.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from corpora import (
    CachedQueries,
    Question,
    Record,
    argument_parser,
    build,
    open_service,
    squad_questions,
    squad_records,
    workplace,
    write_records,
)
from report import print_table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from app.answering import refusal
from app.answering.engine import TOP_K
from app.answering.extractive import rank_sentences
from app.settings import Settings
from ingest.split import SPLITTER
from ingest.sync import Sync
from vectorstore.retriever import Retrieved, Retriever
from vectorstore.store import Store

SEED = 7
BIG = 900  # questions asked of the whole corpus, once as they are and once without their title
DEPTHS = (3 * TOP_K, 15 * TOP_K)  # passages to take a title's own out of
MID_TITLES, MID_QUESTIONS = 8, 60
TINY, TINY_QUESTIONS, NEAR_QUESTIONS = 24, 20, 10
TINY_SIZES = (1, 2, 4)  # paragraphs
LARGE_TITLE = 20  # paragraphs that a title has at least, to be drawn for mid and tiny
NEAR_WEIGHT = 0.6
FOLDS = 5
THRESHOLDS = (0.3, 0.4, 0.5, 0.6)
GROUPS = ("big", "mid", "tiny", "near")

Group = Literal["big", "mid", "tiny", "near"]
NAMES = ("COSINE", "COSINE_SIZE", "OVERLAP", "COVERAGE", "SIZE", "INTERCEPT")
SHIPPED = tuple(float(getattr(refusal, name)) for name in NAMES)
Signals = tuple[float, float, float, float, float]  # what NAMES weigh, but for the intercept


@dataclass(frozen=True, slots=True)
class Row:
    """One question's signals, and whether the corpus it was asked of answers it."""

    group: Group
    answerable: bool
    signals: Signals


def signals(question: str, retrieved: Retrieved) -> Signals | None:
    """Return what the regression weighs, None if there is no sentence."""
    ranked = rank_sentences(question, retrieved)
    if not ranked:
        return None
    best = ranked[0]
    size = math.log1p(retrieved.searched)
    return best.cosine, best.cosine * size, best.overlap, best.passage.signals.coverage, size


class Collector:
    """Asks questions and keeps a row for each."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def ask(self, group: Group, answerable: bool, retriever: Retriever, question: Question) -> None:
        """Keep the signals of a question as they are."""
        self._keep(group, answerable, question, retriever.retrieve(question.text, TOP_K))

    def ask_without(
        self, group: Group, retriever: Retriever, question: Question, title: str
    ) -> None:
        """Keep the signals of a question that a title alone answers, without that title."""
        for depth in DEPTHS:
            found = retriever.retrieve(question.text, depth)
            left = tuple(p for p in found.passages if p.article.title != title)[:TOP_K]
            if len(left) == TOP_K:
                break
        self._keep(group, False, question, replace(found, passages=left))

    def _keep(
        self, group: Group, answerable: bool, question: Question, retrieved: Retrieved
    ) -> None:
        found = signals(question.text, retrieved)
        if found is not None:
            self.rows.append(Row(group, answerable, found))


class Drawer:
    """Draws with a fixed seed."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(SEED)

    def some(self, of: Sequence[Question], size: int) -> list[Question]:
        """Return `size` different questions, or all there are."""
        chosen = self._random.choice(len(of), size=min(size, len(of)), replace=False)
        return [of[int(n)] for n in chosen]

    def titles(self, of: Sequence[str], size: int) -> list[str]:
        """Return `size` titles; the same may come again only if there are fewer."""
        again = size > len(of)
        return [of[int(n)] for n in self._random.choice(len(of), size=size, replace=again)]

    def run(self, of: Sequence[Record]) -> list[Record]:
        """Return a few neighbouring paragraphs."""
        start = int(self._random.integers(0, len(of) - max(TINY_SIZES) + 1))
        return list(of[start : start + int(self._random.choice(TINY_SIZES))])


class Subjects:
    """SQuAD's paragraphs and questions by title, and the titles that are large enough."""

    def __init__(self, records: Sequence[Record], questions: Sequence[Question]) -> None:
        self.questions = questions
        self.paragraphs: dict[str, list[Record]] = defaultdict(list)
        self.about: dict[str, list[Question]] = defaultdict(list)
        for record in records:
            self.paragraphs[record["title"]].append(record)
        for question in questions:
            self.about[question.title].append(question)
        self.titles = sorted(t for t in self.about if len(self.paragraphs[t]) > LARGE_TITLE)

    def others(self, title: str) -> list[Question]:
        """Return the questions about all titles but this."""
        return [question for question in self.questions if question.title != title]


def ask_big(
    collector: Collector, drawer: Drawer, retriever: Retriever, questions: Sequence[Question]
) -> None:
    """Ask the whole corpus, with the question's own title and without it."""
    for question in drawer.some(questions, BIG):
        collector.ask("big", True, retriever, question)
        collector.ask_without("big", retriever, question, question.title)


def ask_mid(
    collector: Collector, drawer: Drawer, folder: Path, subjects: Subjects, queries: CachedQueries
) -> None:
    """Ask stores of one title each."""
    for title in drawer.titles(subjects.titles, MID_TITLES):
        with small_store(folder, subjects.paragraphs[title], queries) as retriever:
            for question in drawer.some(subjects.about[title], MID_QUESTIONS):
                collector.ask("mid", True, retriever, question)
            for question in drawer.some(subjects.others(title), MID_QUESTIONS):
                collector.ask("mid", False, retriever, question)


def ask_tiny(
    collector: Collector, drawer: Drawer, folder: Path, subjects: Subjects, queries: CachedQueries
) -> None:
    """Ask stores of a few paragraphs of one title."""
    for title in drawer.titles(subjects.titles, TINY):
        chosen = drawer.run(subjects.paragraphs[title])
        held = {record["uri"] for record in chosen}
        own = [q for q in subjects.about[title] if held & q.relevant.keys()]
        near = [q for q in subjects.about[title] if not held & q.relevant.keys()]
        with small_store(folder, chosen, queries) as retriever:
            for question in drawer.some(own, TINY_QUESTIONS):
                collector.ask("tiny", True, retriever, question)
            for question in drawer.some(subjects.others(title), TINY_QUESTIONS):
                collector.ask("tiny", False, retriever, question)
            for question in drawer.some(near, NEAR_QUESTIONS):
                collector.ask("near", False, retriever, question)


def collect(
    folder: Path, store: Path, records: Sequence[Record], questions: Sequence[Question]
) -> list[Row]:
    """Return the rows of all four groups."""
    collector, drawer = Collector(), Drawer()
    service = open_service(store, threads=os.cpu_count() or 1)
    queries = CachedQueries(service.encoder)
    queries.prepare([question.text for question in questions], folder / "squad-queries.npz")
    ask_big(collector, drawer, Retriever(service.store, queries), questions)
    service.close()
    subjects = Subjects(records, questions)
    ask_mid(collector, drawer, folder, subjects, queries)
    ask_tiny(collector, drawer, folder, subjects, queries)
    return collector.rows


@contextmanager
def small_store(
    folder: Path, records: Sequence[Record], queries: CachedQueries
) -> Iterator[Retriever]:
    """Yield the retriever of a new store of a few paragraphs.

    It shares the encoder, which a `Service` of its own would load once more.
    """
    work = Path(tempfile.mkdtemp(prefix="small-", dir=folder))
    store = Store(work / "store", {"encoder": queries.fingerprint, "splitter": SPLITTER})
    try:
        collection = store.catalogue.create_collection("articles")
        Sync(store, queries, collection).run([str(write_records(work, "articles", records))])
        yield Retriever(store, queries)
    finally:
        store.close()
        shutil.rmtree(work, ignore_errors=True)


# -- the fit -----------------------------------------------------------------------------


def weights(rows: Sequence[Row]) -> np.ndarray:
    """Return one weight a row: groups and answerabilities count the same, `near` less."""
    sizes = Counter((row.group, row.answerable) for row in rows)
    return np.array(
        [
            len(rows)
            / sizes[row.group, row.answerable]
            * (NEAR_WEIGHT if row.group == "near" else 1)
            for row in rows
        ]
    )


def fit(rows: Sequence[Row]) -> LogisticRegression:
    """Return the regression fitted to the rows."""
    found = np.array([row.signals for row in rows])
    answerable = np.array([row.answerable for row in rows])
    model = LogisticRegression(C=10.0, max_iter=5_000)
    return model.fit(found, answerable, sample_weight=weights(rows))


def held_out(rows: Sequence[Row]) -> np.ndarray:
    """Return each row's probability under a fit to the other folds."""
    folds = np.random.default_rng(SEED).integers(0, FOLDS, len(rows))
    chances = np.zeros(len(rows))
    for fold in range(FOLDS):
        model = fit([row for row, at in zip(rows, folds, strict=True) if at != fold])
        inside = np.flatnonzero(folds == fold)
        chances[inside] = model.predict_proba([rows[int(n)].signals for n in inside])[:, 1]
    return chances


def shipped(rows: Sequence[Row]) -> np.ndarray:
    """Return each row's probability under the weights in app/answering/refusal.py."""
    logits = np.array([row.signals for row in rows]) @ np.array(SHIPPED[:-1]) + SHIPPED[-1]
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def print_weights(rows: Sequence[Row]) -> None:
    """Print the fitted weights beside those that are shipped."""
    model = fit(rows)
    fitted = (*model.coef_[0], model.intercept_[0])
    print_table(
        ["weight", "fitted now", "shipped"],
        [[n, f"{f:.2f}", f"{s:.2f}"] for n, f, s in zip(NAMES, fitted, SHIPPED, strict=True)],
    )


def print_shares(rows: Sequence[Row], chances: np.ndarray) -> None:
    """Print, for each threshold, what is answered of the answerable and refused of the rest."""
    table = []
    for group in GROUPS:
        # near has no answerable questions of its own: those of the same stores are tiny's
        own = "tiny" if group == "near" else group
        yes = np.array([r.answerable and r.group == own for r in rows])
        no = np.array([not r.answerable and r.group == group for r in rows])
        both = yes | no
        area = roc_auc_score(yes[both], chances[both])
        cells = [
            f"{(chances[yes] >= at).mean():.3f} / {(chances[no] < at).mean():.3f}"
            for at in THRESHOLDS
        ]
        table.append([group, f"{yes.sum()} / {no.sum()}", f"{area:.3f}", *cells])
    heads = [f"{at}{' (shipped)' if at == Settings().threshold else ''}" for at in THRESHOLDS]
    print_table(["group", "answerable / not", "AUC", *heads], table)


def main() -> int:
    """Collect the data, fit, and print."""
    options = argument_parser(__doc__).parse_args()
    questions = squad_questions(options.data)
    records = squad_records(options.data)
    with workplace(options.keep) as folder:
        store = build("squad", options.data, folder)
        rows = collect(folder, store, records, questions)
    print(f"\n{len(rows)} questions")
    print_weights(rows)
    print("Answered of the answerable / refused of the others, at each threshold.")
    print("The weights shipped:")
    print_shares(rows, shipped(rows))
    print("The weights fitted now, each question by a fit to the other folds:")
    print_shares(rows, held_out(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
