"""Fits what picks answering sentences, marks words in them, and refuses; prints what it gives.

Fitted is on half of SQuAD 1.1's and 2.0's dev titles and on SciFact's train claims; every figure is
of the other half and of SciFact dev. What the refusal is fitted on was scored by trees that had not
seen its titles (five folds by title). Intervals are 95 %, bootstrapped over titles.
`--write` puts the weights where the engine reads them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from asked import Case, cases
from corpora import argument_parser, workplace
from report import print_table
from sklearn.ensemble import HistGradientBoostingClassifier

from app.answering.features import SENTENCE, Asked, sentence_features
from app.answering.kinds import Span
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
RIGHT_SENTENCES = 3  # of the best sentences, those with the answer teach which words it is
DRAWS = 1000
# How much a group of cases counts, by whether there is an answer: where one article is all there is,
# little tells the two apart, and whoever has it asks what it says.
PRIORS = {("own", True): 2.0, ("gone", False): 1.5, ("alone", True): 1.6, ("alone", False): 0.9}


@dataclass(frozen=True, slots=True)
class Rows:
    """One case's sentences: features, texts, and which hold the answer."""

    features: Floats
    texts: tuple[str, ...]
    right: np.ndarray


def rows_of(case: Case) -> Rows:
    """Return a case's sentences, each text once."""
    asked = Asked(case.question, case.found.idf)
    read, features = sentence_features(asked, case.found)
    right = [
        any(answer in each.text for answer in case.answers)
        and each.passage.article.uri in case.relevant
        for each in read
    ]
    texts = tuple(each.text for each in read)
    return Rows(features.astype(np.float32), texts, np.array(right, dtype=bool))


def spans_of(case: Case) -> list[tuple[str, list[Span], Floats, list[bool]]]:
    """Return the candidates in each sentence that holds the answer, and which are the answer."""
    asked = Asked(case.question, case.found.idf)
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
    inner, leaves = 2**DEPTH - 1, 2**DEPTH
    features, cuts, values = [], [], []
    for (grown,) in model._predictors:
        feature, cut, value = [0] * inner, [0.0] * inner, [0.0] * leaves

        def put(node: int, at: int, nodes: Any = grown.nodes) -> None:  # noqa: ANN401
            entry = nodes[node]
            if at >= inner:
                values_here[at - inner] = round(float(entry["value"]), 4)
            elif entry["is_leaf"]:
                put(node, 2 * at + 1)
                put(node, 2 * at + 2)
            else:
                feature_here[at] = int(entry["feature_idx"])
                cut_here[at] = float(np.float32(entry["num_threshold"]))
                put(int(entry["left"]), 2 * at + 1)
                put(int(entry["right"]), 2 * at + 2)

        feature_here, cut_here, values_here = feature, cut, value
        put(0, 0)
        features.append(feature)
        cuts.append([round(each, 5) for each in cut])
        values.append(value)
    base = float(np.ravel(model._baseline_prediction)[0])
    return {"names": list(names), "base": round(base, 4), "features": features, "cuts": cuts,
            "leaves": values}  # fmt: skip


def fold_of(title: str) -> int:
    """Return a title's fold."""
    return sum(title.encode()) % FOLDS


def weighted(groups: Sequence[np.ndarray]) -> Floats:
    """Return a weight for each row, so that every question counts the same."""
    return np.concatenate([np.full(len(each), 40.0 / len(each)) for each in groups])


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


def main() -> None:
    """Fit, print, and with --write keep the weights."""
    parser = argument_parser(__doc__)
    parser.add_argument("--write", action="store_true", help="replace the engine's weights")
    options = parser.parse_args()
    with workplace(options.keep) as folder:
        asked = cases(options.data, folder)
    fit_all(asked, options.write)


def fit_all(asked: Sequence[Case], write: bool) -> None:
    """Fit on one half, print the figures of the other, and keep the weights if that is wanted."""
    found = [
        replace(case, found=rescored(case.found)) if case.group == "gone" else case
        for case in asked
    ]
    rows: list[Rows] = parallel(rows_of, found)
    print(f"{len(found)} cases", file=sys.stderr)
    taught = [n for n, c in enumerate(found) if c.fit and c.answers and rows[n].right.any()]
    print(f"{len(taught)} questions teach what a right sentence is", file=sys.stderr)

    def sentence_model(numbers: Sequence[int]) -> Any:  # noqa: ANN401
        return grow(
            np.concatenate([rows[n].features for n in numbers]),
            np.concatenate([rows[n].right for n in numbers]),
            SENTENCE_TREES,
            weighted([rows[n].right for n in numbers]),
        )

    sentence = saved(sentence_model(taught), SENTENCE)
    trees = Trees.load(sentence, SENTENCE)
    apart = []
    for fold in range(FOLDS):
        others = [n for n in taught if fold_of(found[n].title or found[n].question) != fold]
        apart.append(Trees.load(saved(sentence_model(others), SENTENCE), SENTENCE))

    refusals = []
    logits = []
    for case, row in zip(found, rows, strict=True):
        if not len(row.features):
            logits.append(np.zeros(0))
            refusals.append(np.zeros(len(REFUSAL)))
            continue
        model = apart[fold_of(case.title or case.question)] if case.fit else trees
        scores = model.logits(row.features)
        logits.append(scores)
        order = order_of(row.texts, scores)
        told = scores[order].tolist()
        refusals.append(signals_of(told, row.features[order[0]], case.found.searched))
    keep = [n for n in range(len(found)) if len(logits[n])]
    signals = np.stack([refusals[n] for n in keep])
    labels = np.array([bool(found[n].answers) for n in keep])
    fit = np.array([found[n].fit for n in keep])
    kinds = [(found[n].group, found[n].corpus, bool(found[n].answers)) for n in keep]
    size = {
        kind: sum(k == kind and f for k, f in zip(kinds, fit, strict=True)) for kind in set(kinds)
    }
    share = np.array(
        [1000.0 / max(1, size[kind]) * PRIORS.get((kind[0], kind[2]), 1.0) for kind in kinds]
    )
    of_refusal = saved(grow(signals[fit], labels[fit], REFUSAL_TREES, share[fit]), REFUSAL)
    chances = np.array([chance(x) for x in Trees.load(of_refusal, REFUSAL).logits(signals)])
    own = np.array([kind == ("own", "squad", True) for kind in kinds])
    # On what was fitted, since the reported half may not decide it.
    threshold = float(np.quantile(chances[fit & own], WRONGLY))
    # How many questions have an answer is the operator's to know: .5 is put where WRONGLY are refused.
    of_refusal["base"] = round(of_refusal["base"] - float(np.log(threshold / (1 - threshold))), 4)
    chances = np.array([chance(x) for x in Trees.load(of_refusal, REFUSAL).logits(signals)])
    threshold = 0.5

    print_sentences(found, rows, logits, dict(zip(keep, chances, strict=True)), threshold)
    headers = ["asked", "corpus", "answerable", "n", "refused"]
    table = []
    for kind in sorted(set(kinds)):
        chosen = [i for i, k in enumerate(kinds) if k == kind and not fit[i]]
        if chosen:
            told = [float(chances[i] < threshold) for i in chosen]
            titles = [found[keep[i]].title or str(i) for i in chosen]
            table.append(
                [*kind[:2], "yes" if kind[2] else "no", str(len(chosen)), interval(told, titles)]
            )
    print_table(headers, table)
    of_span = spans(found)
    if write:
        weights = {"sentence": sentence, "span": of_span, "refusal": of_refusal}
        FILE.write_text(json.dumps(weights, separators=(",", ":")) + "\n", encoding="utf-8")
        print(f"wrote {FILE}, {FILE.stat().st_size / 1e3:.0f} kB")


def rescored(found: Retrieved) -> Retrieved:
    """Return what is found once an article is gone, scored as if it had never been there.

    Scores are normalised over what a query finds: the best cosine and BM25 of those left take the
    place of the best of all, else the gap where the article was would give it away. The lowest
    cosine is not known; a line through the scores gives it.
    """
    cosines = np.array([passage.signals.cosine for passage in found.passages])
    bm25 = np.array([passage.signals.bm25 for passage in found.passages])
    scores = np.array([passage.score for passage in found.passages])
    columns = np.stack([cosines, np.ones_like(cosines), bm25], axis=1)
    (slope, start, _), *_ = np.linalg.lstsq(columns, scores, rcond=None)
    low = min(-start / slope, float(cosines.min())) if slope > 0 else float(cosines.min())
    width = max(float(cosines.max()) - low, 1e-6)
    new = ALPHA * (cosines - low) / width + (1 - ALPHA) * bm25 / (float(bm25.max()) or 1.0)
    ranked = tuple(
        replace(found.passages[n], score=float(new[n]), rank=rank)
        for rank, n in enumerate(np.argsort(-new, kind="stable").tolist(), start=1)
    )
    return replace(found, passages=ranked)


def print_sentences(
    found: Sequence[Case], rows: Sequence[Rows], logits: Sequence[Floats],
    chances: dict[int, float], threshold: float,
) -> None:  # fmt: skip
    """Print how often the first and the shown sentences hold the answer."""
    table = []
    for corpus in ("squad", "scifact"):
        chosen = [
            n for n, c in enumerate(found) if c.group == "own" and c.corpus == corpus and not c.fit
        ]
        titles = [found[n].title or str(n) for n in chosen]
        orders = [order_of(rows[n].texts, logits[n]) for n in chosen]
        held = [
            [any(a in rows[n].texts[i] for a in found[n].answers) for i in order[:5]]
            for n, order in zip(chosen, orders, strict=True)
        ]
        for gap in (1.5, 2.5, 3.5, 5.0, 99.0):
            first, shown, many = [], [], []
            for n, order, right in zip(chosen, orders, held, strict=True):
                answered = chances.get(n, 0.0) >= threshold
                best = logits[n][order[0]]
                seen = [i for i in range(min(3, len(order))) if logits[n][order[i]] >= best - gap]
                first.append(float(answered and right[0]))
                shown.append(float(answered and any(right[i] for i in seen)))
                many.append(len(seen))
            table.append([corpus, str(len(chosen)), f"{gap:g}", interval(first, titles),
                          interval(shown, titles), f"{np.mean(many):.2f}",
                          f"{np.mean([r[0] for r in held]):.3f}"])  # fmt: skip
    print_table(
        [
            "corpus",
            "n",
            "worth",
            "first holds it",
            "shown hold it",
            "sentences",
            "first, none refused",
        ],
        table,
    )


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
    own = [c for c in found if c.group == "own" and c.corpus == "squad"]
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
        table.append([f"{sure:g}", str(len(exact)), f"{np.mean(marked):.3f}", interval(exact, titles),
                      interval(partial, titles)])  # fmt: skip
    print("\nThe words marked, in sentences of the article that hold the answer:")
    print_table(["sure", "n", "marked", "exact match", "F1"], table)
    return model


if __name__ == "__main__":
    main()
