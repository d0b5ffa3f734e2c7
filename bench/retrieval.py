"""What ranks the right article first: every choice of retrieval beside what it was chosen over.

Asked are SQuAD 1.1 dev's questions of its paragraphs and SciFact's claims of its abstracts. The
weights of the reranking stage are fitted on SciFact's train claims and the SQuAD titles that
`asked.fits` names, both counting the same; figures are of the other titles and of SciFact dev. Each
row is compared with the first of its table over the same draws (95 %, over titles or claims).
bench/passages.py has what needs articles longer than a passage.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
from asked import fits, scifact_claims
from corpora import (
    Corpus,
    Question,
    argument_parser,
    build,
    open_service,
    squad_questions,
    workplace,
)
from report import print_table
from scipy.optimize import minimize

from app.evaluation.baselines import reciprocal_ranks
from app.evaluation.bootstrap import Resampler
from app.evaluation.ranking import measure_ranking
from app.evaluation.sets import Question as Judged
from app.evaluation.stores import CachedQueries
from vectorstore.analysis import analyze, content_terms
from vectorstore.retriever import ALPHA, CANDIDATES, SCORED, coverage, fuse
from vectorstore.rows import Located
from vectorstore.scoring import FEATURES, PREFIX, SATURATED, WEIGHTS, Scorer
from vectorstore.stopwords import STOP_WORDS
from vectorstore.store import Store
from vectorstore.types import Filter, embedding_context

TRIED = (
    "fused",  # the fused score
    "chunk's cosine",
    "coverage",  # of the weight of the query's words, by the whole passage and its title
    "families",  # the same, counting words of one family
    "title",  # coverage by the title alone
    "words",  # the logarithm of how many
)
MEASURES = {"squad": ("R@1", "R@5", "nDCG@10"), "scifact": ("nDCG@10", "R@10")}
HEADS = (10, 30, 50)
PENALTY = 1e-3  # on the squares of the weights, of features of unit deviation

Scores = Mapping[int, float]  # chunk number -> score


class Indexed:
    """A store's chunks, and the questions asked of it: those fitted on, and those reported."""

    def __init__(self, name: str, store: Store, questions: Sequence[tuple[Question, bool]]) -> None:
        self.name = name
        self.exact, self.lexical = store.vectors.exact, store.lexical
        numbers = sorted(self.exact.numbers())
        self.located: dict[int, Located] = store.catalogue.locate(numbers)
        self.fitted = [question for question, fit in questions if fit]
        self.reported = [question for question, fit in questions if not fit]

    @cached_property
    def resampler(self) -> Resampler:
        """Draws the reported questions, those of a title together."""
        return Resampler([question.title for question in self.reported])


class Hits:
    """What both indexes find for a question, and what is known of each hit."""

    def __init__(self, indexed: Indexed, question: Question, queries: CachedQueries) -> None:
        self.question = question
        self._indexed = indexed
        text = question.text.strip()
        vector = queries.encode_query(text)
        self.bm25: Scores = dict(indexed.lexical.search(text, CANDIDATES, Filter()))
        self.cosines = dict(indexed.exact.search(vector, CANDIDATES, Filter()))
        missing = [number for number in self.bm25 if number not in self.cosines]
        self.cosines |= indexed.exact.cosines(missing, vector)
        self.idf = indexed.lexical.idf(content_terms(text))
        self._scorer = Scorer(text, vector, self.idf)
        self._known: dict[int, tuple[float, ...]] = {}
        self._vector = vector

    def of(self, bm25: Scores) -> Hits:
        """Return the same with other lexical hits."""
        other = Hits.__new__(Hits)
        other.__dict__ |= self.__dict__
        other.bm25 = bm25
        missing = [number for number in bm25 if number not in self.cosines]
        other.cosines = self.cosines | self._indexed.exact.cosines(missing, self._vector)
        return other

    def fused(self, alpha: float = ALPHA) -> Scores:
        """Return the convex combination."""
        return fuse(self.cosines, self.bm25, alpha)

    def rows(self, numbers: Sequence[int]) -> np.ndarray:
        """Return FEATURES and TRIED of the hits, row by row."""
        fused = self.fused()
        total = sum(self.idf.values()) or 1.0
        rows = []
        for number in numbers:
            share = min(1.0, self.bm25.get(number, 0.0) / (SATURATED * total))
            known = (fused.get(number, 0.0), self.cosines[number])
            rows.append((share, *self._read(number)[:3], *known, *self._read(number)[3:]))
        return np.array(rows, dtype=np.float64).reshape(-1, len(FEATURES) + len(TRIED))

    def _read(self, number: int) -> tuple[float, ...]:
        if number not in self._known:
            hit = self._indexed.located[number]
            context = embedding_context(hit.article)
            families: dict[str, float] = {}
            for term, weight in self.idf.items():
                families[term[:PREFIX]] = families.get(term[:PREFIX], 0.0) + weight
            begun = " ".join(term[:PREFIX] for term in analyze(context + hit.chunk.text))
            held = set(begun.split())
            by_family = sum(w for family, w in families.items() if family in held)
            self._known[number] = (
                *self._scorer.features(hit, 0.0)[1:],
                coverage(self.idf, context + hit.chunk.text),
                by_family / (sum(self.idf.values()) or 1.0),
                coverage(self.idf, context),
                math.log1p(len(hit.chunk.text.split())),
            )
        return self._known[number]

    def uris(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """Return the articles of chunks, each once."""
        return tuple(dict.fromkeys(self._indexed.located[n].article.uri for n in numbers))

    def right(self, number: int) -> bool:
        """Whether a chunk is of a relevant article."""
        return self._indexed.located[number].article.uri in self.question.relevant


def best(scores: Scores) -> list[int]:
    """Return the numbers by falling score, ties by number."""
    return sorted(scores, key=lambda number: (-scores[number], number))


class Weighing:
    """A reranking stage: some of FEATURES and TRIED, weighted, over a head of some size."""

    def __init__(self, names: Sequence[str], weights: Sequence[float], head: int = SCORED) -> None:
        self.columns = [(*FEATURES, *TRIED).index(name) for name in names]
        self.weights = np.array(weights)
        self.head = head

    def order(self, hits: Hits, first: Scores | None = None) -> list[int]:
        """Return the hits, the head of them reranked."""
        ranked = best(hits.fused() if first is None else first)
        head, tail = ranked[: self.head], ranked[self.head :]
        scores = hits.rows(head)[:, self.columns] @ self.weights
        return [head[at] for at in np.argsort(-scores, kind="stable")] + tail


def fit(names: Sequence[str], sets: Sequence[Sequence[Hits]], head: int = SCORED) -> Weighing:
    """Return the weights that make the relevant passages of the head most probable.

    Softmax over the head (Cao et al. 2007, Learning to rank: from pairwise to listwise approach).
    """
    columns = Weighing(names, [1.0] * len(names)).columns
    lists, shares = [], []
    for members in sets:
        for hits in members:
            numbers = best(hits.fused())[:head]
            right = np.array([hits.right(number) for number in numbers])
            if right.any() and not right.all():
                lists.append((hits.rows(numbers)[:, columns], right / right.sum()))
                shares.append(1 / len(members))
    deviation = np.concatenate([rows for rows, _ in lists]).std(axis=0)
    weights = np.array(shares) / sum(shares)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        total, slope = PENALTY * float(values @ values), 2 * PENALTY * values
        for (rows, right), weight in zip(lists, weights, strict=True):
            logits = rows @ (values / deviation)
            logits -= logits.max()
            chances = np.exp(logits) / np.exp(logits).sum()
            total -= weight * float(right @ np.log(chances))
            slope -= weight * (right - chances) @ rows / deviation
        return total, slope

    found = minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B").x / deviation
    return Weighing(names, found / np.abs(found).sum(), head)


# -- other lexical indexes ---------------------------------------------------------------

Analysis = Callable[[str], list[str]]


def plain_words(text: str) -> list[str]:
    """Return the words in lower case."""
    return "".join(c if c.isalnum() else " " for c in text.lower()).split()


def with_pairs(text: str) -> list[str]:
    """Return the index's terms, and each two neighbours as one more."""
    terms = analyze(text)
    return terms + [f"{one} {two}" for one, two in pairwise(terms)]


def without_numbers(text: str) -> list[str]:
    """Return the index's terms without those of digits."""
    return [term for term in analyze(text) if not any(letter.isdigit() for letter in term)]


ANALYSES: Mapping[str, tuple[Analysis, bool, bool]] = {  # with stop words left out, with titles
    "stemmed, stop words left out of queries, title and date indexed": (analyze, True, True),
    "not stemmed": (plain_words, True, True),
    "stop words kept": (analyze, False, True),
    "pairs of neighbours too": (with_pairs, True, True),
    "numbers left out": (without_numbers, True, True),
    "title and date not indexed": (analyze, True, False),
}
STOPS = STOP_WORDS | {term for word in STOP_WORDS for term in analyze(word)}


def lexical_hits(
    indexed: Indexed, analysis: Analysis, stops: bool, titled: bool, questions: Sequence[Question]
) -> list[Scores]:
    """Return BM25 of the best chunks for each question, as another analysis gives them."""
    numbers = list(indexed.located)
    texts = (
        (embedding_context(hit.article) if titled else "") + hit.chunk.text
        for hit in indexed.located.values()
    )
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    index.index([analysis(text) for text in texts], show_progress=False)
    asked = []
    for question in questions:
        terms = list(dict.fromkeys(analysis(question.text)))
        asked.append([t for t in terms if not stops or t.split()[0] not in STOPS] or terms)
    found, scores = index.retrieve(asked, k=CANDIDATES, show_progress=False, n_threads=1)
    return [
        # bm25s leaves out the factor k1 + 1
        {numbers[at]: SATURATED * float(s) for at, s in zip(*pair, strict=True) if s > 0}
        for pair in zip(found.tolist(), scores.tolist(), strict=True)
    ]


# -- tables ------------------------------------------------------------------------------

Orders = Callable[[Hits], Sequence[int]]


def print_rankings(indexed: Indexed, rows: Mapping[str, Sequence[tuple[str, ...]]]) -> None:
    """Print each ranking's measures, and what it gains over the first."""
    judged = [Judged(q.id, q.text, relevant=q.relevant) for q in indexed.reported]
    measured = {name: measure_ranking(judged, ranked) for name, ranked in rows.items()}
    first = next(iter(measured.values()))
    table = []
    for name, values in measured.items():
        cells = [name]
        for measure in MEASURES[indexed.name]:
            ours, base = ([each[measure] for each in some] for some in (values, first))
            cell = f"{np.mean(ours):.3f}"
            if values is not first:
                gain = indexed.resampler.difference(ours, base)
                cell += f", {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
            cells.append(cell)
        table.append(cells)
    print(f"\n{indexed.name}, n = {len(judged)}")
    print_table(["", *MEASURES[indexed.name]], table)


def rankings(found: Sequence[Hits], orders: Mapping[str, Orders]) -> dict[str, Any]:
    """Return each way's ranking of articles for each question."""
    return {name: [hits.uris(way(hits)) for hits in found] for name, way in orders.items()}


class Ablations:
    """Every table, over the sets given."""

    def __init__(self, sets: Sequence[tuple[Indexed, CachedQueries]]) -> None:
        self.sets = [indexed for indexed, _ in sets]
        self.taught = [[Hits(i, q, queries) for q in i.fitted] for i, queries in sets]
        self.found = [[Hits(i, q, queries) for q in i.reported] for i, queries in sets]
        self.shipped = Weighing(FEATURES, WEIGHTS)

    def _print(self, title: str, orders: Mapping[str, Orders]) -> None:
        print(f"\n## {title}")
        for indexed, found in zip(self.sets, self.found, strict=True):
            print_rankings(indexed, rankings(found, orders))

    def weights(self) -> None:
        """Print the fitted weights, of all and of each set alone."""
        print("\n## Weights")
        table = [[f"shipped, head {SCORED}", *(f"{weight:.3f}" for weight in WEIGHTS)]]
        groups = {"fitted on both": self.taught} | {
            f"fitted on {indexed.name} alone": [taught]
            for indexed, taught in zip(self.sets, self.taught, strict=True)
        }
        for name, group in groups.items():
            table.append([name, *(f"{weight:.3f}" for weight in fit(FEATURES, group).weights)])
        print_table(["", *FEATURES], table)

    def fusion(self) -> None:
        """Print ways to fuse, without and with the reranking stage behind them."""
        ways: dict[str, Callable[[Hits], Scores]] = {
            f"convex, alpha {ALPHA} (shipped)": Hits.fused,
            **{f"convex, alpha {a}": lambda h, a=a: h.fused(a) for a in (0.3, 0.4, 0.6, 0.7)},
            "reciprocal ranks, k = 60": lambda h: _reciprocal(h),
            "dense alone": lambda h: h.cosines,
            "BM25 alone": lambda h: h.bm25,
        }
        plain = {name: lambda h, way=way: best(way(h)) for name, way in ways.items()}
        behind = {
            name: lambda h, way=way: self.shipped.order(h, way(h)) for name, way in ways.items()
        }
        self._print("Fusion, not reranked", plain)
        self._print("Fusion, then reranked", behind)

    def stage(self) -> None:
        """Print the reranking stage with one number less, one more, other heads."""
        whole = fit(FEATURES, self.taught)
        orders: dict[str, Orders] = {
            f"shipped weights, head {SCORED}": self.shipped.order,
            "weights fitted here": whole.order,
            "not reranked": lambda h: best(h.fused()),
        }
        for indexed, taught in zip(self.sets, self.taught, strict=True):
            orders[f"fitted on {indexed.name} alone"] = fit(FEATURES, [taught]).order
        for name in FEATURES:
            left = [other for other in FEATURES if other != name]
            orders[f"without {name}"] = fit(left, self.taught).order
        for name in TRIED:
            orders[f"with {name} too"] = fit([*FEATURES, name], self.taught).order
        for head in HEADS:
            orders[f"head {head}"] = Weighing(FEATURES, WEIGHTS, head).order
        self._print("The reranking stage", orders)

    def lexical(self) -> None:
        """Print other analyses of the lexical part, with and without the stage."""
        for title, order in (
            ("fused, not reranked", lambda hits: best(hits.fused())),
            ("reranked", self.shipped.order),
        ):
            print(f"\n## The lexical part; {title}")
            for indexed, found in zip(self.sets, self.found, strict=True):
                rows = {}
                for name, options in ANALYSES.items():
                    scores = lexical_hits(indexed, *options, indexed.reported)
                    pairs = zip(found, scores, strict=True)
                    rows[name] = [hits.uris(order(hits.of(bm25))) for hits, bm25 in pairs]
                print_rankings(indexed, rows)


def _reciprocal(hits: Hits) -> Scores:
    named = [{str(n): s for n, s in scores.items()} for scores in (hits.cosines, hits.bm25)]
    return {int(name): score for name, score in reciprocal_ranks(*named).items()}


def open_sets(data: Path, folder: Path, every: int) -> list[tuple[Indexed, CachedQueries]]:
    """Return SQuAD and SciFact with their questions' vectors."""
    squad = [(question, fits(question.title)) for question in squad_questions(data)[::every]]
    scifact = [(claim.question, claim.fit) for claim in scifact_claims(data)]
    found = []
    asked: list[tuple[Corpus, list[tuple[Question, bool]]]] = [
        ("squad", squad),
        ("scifact", scifact),
    ]
    for name, questions in asked:
        service = open_service(build(name, data, folder), threads=os.cpu_count() or 1)
        queries = CachedQueries(service.encoder)
        queries.prepare([q.text for q, _ in questions], folder / f"{name}-queries.npz")
        found.append((Indexed(name, service.store, questions), queries))
    return found


def main() -> None:
    """Print every table."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="take every Nth SQuAD question only"
    )
    options = parser.parse_args()
    with workplace(options.keep) as folder:
        ablations = Ablations(open_sets(options.data, folder, options.every))
        ablations.weights()
        ablations.fusion()
        ablations.stage()
        ablations.lexical()


if __name__ == "__main__":
    main()
