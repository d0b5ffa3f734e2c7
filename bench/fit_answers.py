"""Fits what picks answering sentences, marks words in them, and refuses; prints what it gives.

Fitted is on half of SQuAD 1.1's and 2.0's dev titles and on SciFact's train claims; every figure is
of the other half and of SciFact dev. What the refusal is fitted on was scored by trees that had not
seen its titles (five folds by title). Intervals are 95 %, bootstrapped over titles.
`--write` puts the weights where the engine reads them.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from asked import Case, cases
from corpora import argument_parser, workplace
from report import print_table
from sklearn.ensemble import HistGradientBoostingClassifier

from app.answering.contrast import contrast
from app.answering.extractive import SHOWN, rank_sentences, scores_of
from app.answering.features import SENTENCE, Asked, sentence_features
from app.answering.kinds import Span
from app.answering.refusal import probability
from app.answering.refusal import signals as signals_of
from app.answering.span import SPAN, Spans
from app.answering.trees import Floats, Trees, chance
from app.answering.weights import FILE, REFUSAL
from vectorstore.retriever import ALPHA, Retrieved

DEPTH = 4
SENTENCE_TREES, SPAN_TREES, REFUSAL_TREES = 120, 150, 60
RATE = 0.1
FOLDS = 5
WRONGLY = 0.06  # of the fitted answerable questions may be refused, where the threshold is set
WORTHS = (2.5, 3.5, 4.0, 5.0)
THRESHOLD = 0.5
DRAWS = 1000
# How much a group of cases counts, by whether there is an answer: where one article is all there
# is, little tells the two apart, and whoever has it asks what it says; and where an article seems
# to answer, only what it says other than the question (contrast.py) tells.
PRIORS = {
    ("own", True): 2.0,
    ("gone", False): 1.5,
    ("alone", True): 1.3,
    ("own", False): 0.3,
}  # the others count 1


@dataclass(frozen=True, slots=True)
class Rows:
    """One case's sentences: features, texts, their passages', and which hold the answer."""

    features: Floats
    texts: tuple[str, ...]
    around: tuple[str, ...]  # each one's passage
    right: np.ndarray


def rows_of(case: Case) -> Rows:
    """Return a case's sentences, each text once."""
    asked = Asked(case.question, case.found.idf, case.found.language)
    read, features = sentence_features(asked, case.found)
    right = [
        any(answer in each.text for answer in case.answers)
        and each.passage.article.uri in case.relevant
        for each in read
    ]
    texts = tuple(each.text for each in read)
    around = tuple(each.passage.chunk.text for each in read)
    return Rows(features.astype(np.float32), texts, around, np.array(right, dtype=bool))


def spans_of(case: Case) -> list[tuple[str, list[Span], Floats, list[bool]]]:
    """Return the candidates in each sentence that holds the answer, and which are the answer."""
    asked = Asked(case.question, case.found.idf, case.found.language)
    spans = Spans(asked)
    read, _ = sentence_features(asked, case.found)
    gold = {normal(answer) for answer in case.answers}
    found = []
    for each in read:
        if each.passage.article.uri in case.relevant and any(a in each.text for a in case.answers):
            candidates, features = spans.candidates(each)
            if candidates:
                is_gold = [normal(each.text[a:b]) in gold for a, b in candidates]
                found.append((each.text, candidates, features.astype(np.float32), is_gold))
    return found


def normal(text: str) -> str:
    """Return an answer as SQuAD compares it: lower case, no articles, no punctuation."""
    words = "".join(c for c in text.lower() if c.isalnum() or c.isspace()).split()
    return " ".join(word for word in words if word not in ("a", "an", "the"))


# -- fitting -----------------------------------------------------------------------------


def grow(features: Floats, labels: np.ndarray, count: int, weights: Floats | None = None) -> Any:  # noqa: ANN401
    """Return boosted trees of logistic loss."""
    model = HistGradientBoostingClassifier(
        max_iter=count, max_depth=DEPTH, max_leaf_nodes=2**DEPTH, learning_rate=RATE,
        min_samples_leaf=60, l2_regularization=5.0, early_stopping=False, random_state=7,
    )  # fmt: skip
    return model.fit(features, labels, sample_weight=weights)


def saved(model: Any, names: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401
    """Return a model as complete trees, as `Trees.load` reads them."""
    trees = [complete(grown.nodes) for (grown,) in model._predictors]
    return {
        "names": list(names),
        "base": round(float(np.ravel(model._baseline_prediction)[0]), 4),
        "features": [features for features, _, _ in trees],
        "cuts": [cuts for _, cuts, _ in trees],
        "leaves": [leaves for _, _, leaves in trees],
    }


def complete(nodes: Any) -> tuple[list[int], list[float], list[float]]:  # noqa: ANN401
    """Return a grown tree's features, cuts and leaves, with a short branch's leaf repeated."""
    inner = 2**DEPTH - 1
    features, cuts, leaves = [0] * inner, [0.0] * inner, [0.0] * (inner + 1)

    def put(node: int, at: int) -> None:
        entry = nodes[node]
        if at >= inner:
            leaves[at - inner] = round(float(entry["value"]), 4)
        elif entry["is_leaf"]:
            put(node, 2 * at + 1)
            put(node, 2 * at + 2)
        else:
            features[at] = int(entry["feature_idx"])
            cuts[at] = round(float(entry["num_threshold"]), 5)
            put(int(entry["left"]), 2 * at + 1)
            put(int(entry["right"]), 2 * at + 2)

    put(0, 0)
    return features, cuts, leaves


def fold_of(case: Case) -> int:
    """Return the fold of a case, the same for all of a title."""
    return sum((case.title or case.question).encode()) % FOLDS


# -- figures -----------------------------------------------------------------------------


def interval(values: Sequence[float], titles: Sequence[str]) -> str:
    """Return a mean with its 95 % interval, drawn over titles."""
    random = np.random.default_rng(7)
    by_title: dict[str, list[float]] = {}
    for value, title in zip(values, titles, strict=True):
        by_title.setdefault(title, []).append(value)
    sums = np.array([[sum(each), len(each)] for each in by_title.values()])
    draws = sums[random.integers(0, len(sums), (DRAWS, len(sums)))].sum(axis=1)
    low, high = np.quantile(draws[:, 0] / draws[:, 1], [0.025, 0.975])
    return f"{np.mean(values):.3f} ({low:.3f} to {high:.3f})"


def f1(told: str, gold: str) -> float:
    """Return the harmonic mean of the shares of words that both have."""
    left, right = normal(told).split(), normal(gold).split()
    common = sum(min(left.count(word), right.count(word)) for word in set(left))
    return 2 * common / (len(left) + len(right)) if common else 0.0


def parallel(work: Callable[[Case], Any], found: Sequence[Case]) -> list[Any]:
    """Return what `work` gives for each case."""
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(work, found, chunksize=50))


def rescored(found: Retrieved) -> Retrieved:
    """Return what is found once an article is gone, fused as if it had never been there.

    Fused scores are normalised over what a query finds: the best cosine and BM25 of those left
    take the place of the best of all, else the gap where the article was would give it away. The
    lowest cosine is not known; a line through the scores gives it. Their order does not change.
    """
    cosines = np.array([passage.signals.cosine for passage in found.passages])
    bm25 = np.array([passage.signals.bm25 for passage in found.passages])
    scores = np.array([passage.signals.fused for passage in found.passages])
    columns = np.stack([cosines, np.ones_like(cosines), bm25], axis=1)
    (slope, start, _), *_ = np.linalg.lstsq(columns, scores, rcond=None)
    low = min(-start / slope, float(cosines.min())) if slope > 0 else float(cosines.min())
    width = max(float(cosines.max()) - low, 1e-6)
    new = ALPHA * (cosines - low) / width + (1 - ALPHA) * bm25 / (float(bm25.max()) or 1.0)
    ranked = tuple(
        replace(passage, signals=replace(passage.signals, fused=float(fused)))
        for passage, fused in zip(found.passages, new, strict=True)
    )
    return replace(found, passages=ranked)


class Sentences:
    """Every case's sentences, scored by trees that have not seen its title."""

    def __init__(self, found: Sequence[Case]) -> None:
        self.found = found
        self.rows: list[Rows] = parallel(rows_of, found)
        taught = [n for n, c in enumerate(found) if c.fit and self.rows[n].right.any()]
        print(f"{len(found)} cases; {len(taught)} teach what a right sentence is", file=sys.stderr)
        self.saved = self._fit(taught)
        whole = Trees.load(self.saved, SENTENCE)
        apart = []
        for fold in range(FOLDS):
            others = [n for n in taught if fold_of(found[n]) != fold]
            apart.append(Trees.load(self._fit(others), SENTENCE))
        self.logits = [
            scores_of(apart[fold_of(case)] if case.fit else whole, row.features)
            for case, row in zip(found, self.rows, strict=True)
        ]
        self.orders = [
            order_of(row.texts, scores) for row, scores in zip(self.rows, self.logits, strict=True)
        ]

    def _fit(self, numbers: Sequence[int]) -> dict[str, Any]:
        rows = [self.rows[n] for n in numbers]
        right = np.concatenate([row.right for row in rows])
        # Every question counts the same, however many sentences were found for it.
        weights = np.concatenate([np.full(len(row.right), 40.0 / len(row.right)) for row in rows])
        features = np.concatenate([row.features for row in rows])
        return saved(grow(features, right, SENTENCE_TREES, weights), SENTENCE)


class Refusals:
    """How probable it is, for each case, that its best sentence answers; NaN where none is."""

    def __init__(self, sentences: Sentences) -> None:
        found = sentences.found
        self.kinds = [(case.group, case.corpus, bool(case.answers)) for case in found]
        self.fit = np.array([case.fit for case in found])
        held = np.array([bool(order) for order in sentences.orders])
        signals = np.stack([self._signals(sentences, n) for n in range(len(found))])
        labels = np.array([bool(case.answers) for case in found])
        taught = self.fit & held
        of_kind = Counter(kind for kind, fits in zip(self.kinds, taught, strict=True) if fits)
        weights = np.array(
            [PRIORS.get((kind[0], kind[2]), 1.0) / max(1, of_kind[kind]) for kind in self.kinds]
        )
        shares = weights[taught] * (taught.sum() / weights[taught].sum())
        self.saved = saved(grow(signals[taught], labels[taught], REFUSAL_TREES, shares), REFUSAL)
        own = np.array([kind == ("own", "squad", True) for kind in self.kinds])
        logits = Trees.load(self.saved, REFUSAL).logits(signals)
        # How many questions have an answer is nowhere known: .5 is put where WRONGLY are refused.
        shift = float(np.quantile(logits[taught & own], WRONGLY))
        self.saved["base"] = round(self.saved["base"] - shift, 4)
        self.chances = np.where(held, 1.0 / (1.0 + np.exp(shift - logits)), 0.0)

    def _signals(self, sentences: Sentences, n: int) -> Floats:
        order = sentences.orders[n]
        if not order:
            return np.zeros(len(REFUSAL))
        scores = sentences.logits[n][order].tolist()
        rows, case = sentences.rows[n], sentences.found[n]
        at = order[0]
        apart = contrast(case.question, rows.texts[at], rows.around[at])
        return signals_of(scores, rows.features[at], case.found.searched, apart)

    def print_figures(self, found: Sequence[Case]) -> None:
        """Print which share of each kind of case is refused at .5, and other points of SQuAD's."""
        table = []
        for kind in sorted(set(self.kinds)):
            chosen = self._reported(kind)
            if chosen:
                told = [float(self.chances[n] < THRESHOLD) for n in chosen]
                titles = [found[n].title or str(n) for n in chosen]
                answerable = "yes" if kind[2] else "no"
                table.append([*kind[:2], answerable, str(len(chosen)), interval(told, titles)])
        print_table(["asked", "corpus", "answerable", "n", "refused"], table)
        own = self._reported(("own", "squad", True))
        table = []
        for share in (0.02, 0.03, 0.06, 0.1):
            point = float(np.quantile(self.chances[own], share))
            cells = [
                float(np.mean(self.chances[self._reported(kind)] < point))
                for kind in (("foreign", "squad", False), ("gone", "squad", False),
                             ("own", "squad", False), ("alone", "squad", False),
                             ("alone", "squad", True))
            ]  # fmt: skip
            table.append([f"{share:g}", f"{point:.3f}", *(f"{cell:.3f}" for cell in cells)])
        headers = [
            "own refused",
            "threshold",
            "foreign",
            "gone",
            "own, no answer",
            "alone, no answer",
            "alone, answer",
        ]
        print_table(headers, table)

    def _reported(self, kind: tuple[str, str, bool]) -> list[int]:
        return [n for n, k in enumerate(self.kinds) if k == kind and not self.fit[n]]


def print_sentences(sentences: Sentences, chances: Floats) -> None:
    """Print how often the first and the shown sentences hold the answer."""
    table = []
    for corpus in ("squad", "scifact"):
        chosen = [
            n
            for n, case in enumerate(sentences.found)
            if case.group == "own" and case.corpus == corpus and case.answers and not case.fit
        ]
        titles = [sentences.found[n].title or str(n) for n in chosen]
        for worth in WORTHS:
            first, shown, many = [], [], []
            for n in chosen:
                order, scores = sentences.orders[n][:SHOWN], sentences.logits[n]
                order = [i for i in order if scores[i] >= scores[order[0]] - worth]
                texts = [sentences.rows[n].texts[i] for i in order]
                right = [any(a in text for a in sentences.found[n].answers) for text in texts]
                answered = chances[n] >= THRESHOLD
                first.append(float(answered and right[0]))
                shown.append(float(answered and any(right)))
                many.append(len(order))
            cells = [interval(first, titles), interval(shown, titles), f"{np.mean(many):.2f}"]
            table.append([corpus, str(len(chosen)), f"{worth:g}", *cells])
    print_table(["corpus", "n", "worth", "first holds it", "shown hold it", "sentences"], table)


def order_of(texts: Sequence[str], scores: Floats) -> list[int]:
    """Return the sentences from the best on, each text once."""
    seen: set[str] = set()
    order = []
    for i in np.argsort(-scores, kind="stable").tolist():
        if texts[i] not in seen:
            seen.add(texts[i])
            order.append(i)
    return order


def spans(found: Sequence[Case]) -> dict[str, Any]:
    """Fit what marks words, print what it gives, and return it."""
    own = [c for c in found if c.group == "own" and c.corpus == "squad" and c.answers]
    made = parallel(spans_of, own)
    taught = [s for c, each in zip(own, made, strict=True) if c.fit for s in each[:2] if any(s[3])]
    features = np.concatenate([s[2] for s in taught])
    labels = np.concatenate([np.array(s[3]) for s in taught])
    model = saved(grow(features, labels, SPAN_TREES), SPAN)
    trees = Trees.load(model, SPAN)
    table = []
    for sure in (0.0, 0.05, 0.1, 0.2):
        exact, partial, marked, titles = [], [], [], []
        for case, each in zip(own, made, strict=True):
            if case.fit or not each:
                continue
            text, candidates, rows, _ = each[0]
            scores = trees.logits(rows)
            best = int(scores.argmax())
            told = text[slice(*candidates[best])] if chance(scores[best]) >= sure else ""
            marked.append(float(bool(told)))
            exact.append(max(float(normal(told) == normal(a)) for a in case.answers))
            partial.append(max(f1(told, a) for a in case.answers))
            titles.append(case.title)
        told_of = [interval(exact, titles), interval(partial, titles)]
        table.append([f"{sure:g}", str(len(exact)), f"{np.mean(marked):.3f}", *told_of])
    print("\nThe words marked, in sentences of the article that hold the answer:")
    print_table(["sure", "n", "marked", "exact match", "F1"], table)
    return model


def marked(case: Case) -> str:
    """Return the words that the engine, as it ships, marks in the sentence that leads."""
    ranked = rank_sentences(case.question, case.found)
    if not ranked or probability(ranked, case.found.searched) < THRESHOLD:
        return ""
    span = ranked[0].span()
    return ranked[0].text[slice(*span)] if span else ""


def print_marked(found: Sequence[Case]) -> None:
    """Print how right the marked words are over the whole corpus, refusals and all."""
    own = [c for c in found if (c.group, c.corpus) == ("own", "squad") and c.answers and not c.fit]
    told = parallel(marked, own)
    titles = [case.title for case in own]
    pairs = list(zip(own, told, strict=True))
    exact = [max(float(normal(text) == normal(a)) for a in case.answers) for case, text in pairs]
    partial = [max(f1(text, a) for a in case.answers) for case, text in pairs]
    print("\nThe words marked in the sentence that leads, whole corpus, weights as shipped:")
    cells = [str(len(own)), interval(exact, titles), interval(partial, titles)]
    print_table(["n", "exact match", "F1"], [cells])


def main() -> None:
    """Fit, print, and with --write keep the weights."""
    parser = argument_parser(__doc__)
    parser.add_argument("--write", action="store_true", help="replace the engine's weights")
    options = parser.parse_args()
    with workplace(options.keep) as folder:
        asked = cases(options.data, folder)
    found = [
        replace(case, found=rescored(case.found)) if case.group == "gone" else case
        for case in asked
    ]
    sentences = Sentences(found)
    refusals = Refusals(sentences)
    print_sentences(sentences, refusals.chances)
    refusals.print_figures(found)
    of_span = spans(found)
    if options.write:
        weights = {"sentence": sentences.saved, "span": of_span, "refusal": refusals.saved}
        FILE.write_text(json.dumps(weights, separators=(",", ":")) + "\n", encoding="utf-8")
        print(f"wrote {FILE.name}, {FILE.stat().st_size / 1e3:.0f} kB")
    print_marked(found)


if __name__ == "__main__":
    main()
