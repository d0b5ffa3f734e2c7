"""How good the passages and answers are, on SQuAD 1.1 dev and SciFact dev.

SQuAD: every question is asked of the real engine over all 2,067 paragraphs. A sentence "holds"
the answer when a gold answer is a part of it; a refusal holds nothing. SciFact: articles are
ranked by their best passage. `--grid` prints what other weights would have given.
"""

from __future__ import annotations

import os
import re
import string
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ir_measures
import numpy as np
import sentencex
from corpora import (
    CachedQueries,
    Question,
    argument_parser,
    build,
    open_service,
    scifact_questions,
    squad_questions,
    squad_records,
    workplace,
)
from ir_measures import RR, R, nDCG
from report import Figure, print_figures, print_table

from app.answering import extractive
from app.answering.answer import Done, PassagesFound, SentenceReleased
from app.answering.engine import TOP_K, Engine
from app.answering.extractive import rank_sentences
from app.answering.span import SpanFinder
from app.service import Service
from vectorstore.lexical import content_terms
from vectorstore.retriever import ALPHA, Retriever
from vectorstore.types import Passage

DEPTH = 50  # passages from which SciFact's articles are ranked
ALPHAS = (0.3, 0.4, 0.5, 0.6, 0.7)
PASSAGES, OVERLAPS, KINDS = (0.25, 0.5, 1.0), (0.3, 0.6, 1.0), (0.0, 0.15, 0.3)
WORTHS = (0.0, 0.7, 0.75, 0.8, 0.85, 0.9)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one question got: the articles in order, the sentences shown, and when refused."""

    uris: tuple[str, ...]
    sentences: tuple[str, ...]
    refused: bool


def open_cached(
    store: Path, questions: Sequence[Question], cache: Path
) -> tuple[Service, CachedQueries]:
    """Open a store whose retriever takes the questions' vectors from one batch."""
    service = open_service(store, threads=os.cpu_count() or 1)
    queries = CachedQueries(service.encoder)
    queries.prepare([question.text for question in questions], cache)
    service._retriever.encoder = queries  # all else is the service that answers
    return service, queries


def article_uris(passages: Iterable[Passage]) -> tuple[str, ...]:
    """Return the passages' articles, each once, best first."""
    return tuple(dict.fromkeys(passage.article.uri for passage in passages))


def outcome(events: Iterable[object]) -> Outcome:
    """Return what the events of one answer say."""
    uris: tuple[str, ...] = ()
    sentences: list[str] = []
    refused = False
    for event in events:
        match event:
            case PassagesFound(passages):
                uris = article_uris(passages)
            case SentenceReleased():
                sentences.append(event.sentence.text)
            case Done(outcome=told):
                refused = told == "not_found"
    return Outcome(uris, tuple(sentences), refused)


def holds(sentences: Sequence[str], answers: Sequence[str]) -> bool:
    """Whether one of the sentences has a gold answer as a part of it."""
    return any(answer in sentence for answer in answers for sentence in sentences)


def share(hits: Sequence[bool]) -> float:
    """Return the share of hits, in [0, 1]."""
    return sum(hits) / len(hits)


# -- the figures -------------------------------------------------------------------------


def squad_figures(service: Service, questions: Sequence[Question]) -> list[Figure]:
    """Ask every question; ask those that were refused once more with threshold 0."""
    told = [outcome(service.ask(question.text)) for question in questions]
    willing = Engine(service.store, service._retriever, threshold=0.0)
    forced = [
        outcome(willing.stream(question.text)) if got.refused else got
        for question, got in zip(questions, told, strict=True)
    ]

    def found(depth: int) -> float:
        pairs = zip(questions, told, strict=True)
        return share([any(u in q.relevant for u in got.uris[:depth]) for q, got in pairs])

    def held(outcomes: Sequence[Outcome], shown: int | None) -> float:
        pairs = zip(questions, outcomes, strict=True)
        return share([holds(got.sentences[:shown], q.answers) for q, got in pairs])

    answered = [(q, got) for q, got in zip(questions, told, strict=True) if not got.refused]
    return [
        Figure("R@1", found(1), 0.76),
        Figure("R@5", found(5), 0.945),
        Figure("first sentence holds the answer", held(told, 1), 0.60),
        Figure("shown answer holds it", held(told, None), 0.78),
        Figure("first sentence holds it, threshold 0", held(forced, 1)),
        Figure("shown answer holds it, threshold 0", held(forced, None)),
        Figure("refused", share([got.refused for got in told]), note="every one has an answer"),
        Figure(
            "first sentence holds it, of those answered",
            share([holds(got.sentences[:1], q.answers) for q, got in answered]),
        ),
        Figure(
            "sentences shown, of those answered",
            sum(len(got.sentences) for _, got in answered) / len(answered),
            digits=2,
        ),
    ]


def scifact_figures(service: Service, questions: Sequence[Question]) -> list[Figure]:
    """Rank the articles for every claim by their best passage."""
    ranked = [article_uris(service.search(q.text, DEPTH).passages) for q in questions]
    scores = measure(questions, ranked)
    return [
        Figure("nDCG@10", scores[nDCG @ 10], 0.735),
        Figure("R@10", scores[R @ 10]),
        Figure("RR@10", scores[RR @ 10]),
    ]


def measure(
    questions: Sequence[Question], ranked: Sequence[Sequence[str]]
) -> dict[ir_measures.Measure, float]:
    """Return the measures of a run, as ir_measures defines them."""
    qrels = [ir_measures.Qrel(q.id, uri, g) for q in questions for uri, g in q.relevant.items()]
    run = [
        ir_measures.ScoredDoc(question.id, uri, -float(rank))
        for question, uris in zip(questions, ranked, strict=True)
        for rank, uri in enumerate(uris)
    ]
    measures = [nDCG @ 10, R @ 10, RR @ 10, R @ 1, R @ 5]
    return dict(ir_measures.calc_aggregate(measures, qrels, run))


def normalize(answer: str) -> list[str]:
    """Return an answer's words as SQuAD's evaluation compares them.

    Example: "The Denver Broncos." -> ["denver", "broncos"]
    """
    bare = "".join(c for c in answer.lower() if c not in string.punctuation)
    return _ARTICLES.sub(" ", bare).split()


def word_f1(answer: str, gold: str) -> float:
    """Return the F1 of the words two answers share, in [0, 1]."""
    words, wanted = normalize(answer), normalize(gold)
    common = sum((Counter(words) & Counter(wanted)).values())
    return 2 * common / (len(words) + len(wanted)) if common else 0.0


def print_spans(service: Service, questions: Sequence[Question], texts: dict[str, str]) -> None:
    """Print how well the marked words match, given the sentence that holds the answer."""
    scored: dict[str, list[tuple[bool, float, bool]]] = defaultdict(list)
    for question in questions:
        text = texts[next(iter(question.relevant))]
        sentences = (part.strip() for part in sentencex.segment("en", text))
        gold = next((s for s in sentences if holds([s], question.answers)), None)
        if gold is None:
            continue  # the answer runs over a sentence's end
        finder = SpanFinder(question.text, service.store.lexical.idf(content_terms(question.text)))
        span = finder.find(gold)
        words = gold[slice(*span)] if span else ""
        exact = any(normalize(words) == normalize(answer) for answer in question.answers)
        best = max(word_f1(words, answer) for answer in question.answers)
        scored[finder.kind].append((exact and bool(span), best, span is not None))
    rows = []
    for kind, scores in sorted(scored.items(), key=lambda item: -len(item[1])):
        marked = [score for score in scores if score[2]]
        n = max(len(marked), 1)
        cells = [len(marked) / len(scores), sum(s[0] for s in marked) / n]
        cells.append(sum(s[1] for s in marked) / n)
        rows.append([kind, str(len(scores)), *(f"{cell:.3f}" for cell in cells)])
    print("The words marked in the sentence that holds the answer, where any are marked:")
    print_table(["kind", "questions", "marked", "EM", "F1"], rows)


# -- what other weights would have given -------------------------------------------------


def print_alphas(
    service: Service, queries: CachedQueries, questions: Sequence[Question], top_k: int
) -> None:
    """Print the retrieval figures for each of ALPHAS."""
    rows = []
    for alpha in ALPHAS:
        retriever = Retriever(service.store, queries, alpha)
        ranked = [article_uris(retriever.retrieve(q.text, top_k).passages) for q in questions]
        scores = measure(questions, ranked)
        cells = [scores[m] for m in (R @ 1, R @ 5, nDCG @ 10, R @ 10)]
        name = f"{alpha}{' (shipped)' if alpha == ALPHA else ''}"
        rows.append([name, *(f"{cell:.4f}" for cell in cells)])
    print_table(["alpha", "R@1", "R@5", "nDCG@10", "R@10"], rows)


def print_sentence_grid(service: Service, questions: Sequence[Question]) -> None:
    """Print how often the first sentence and the first three hold, for other weights."""
    features, gold = [], []  # one array each per question: rows are its sentences
    for question in questions:
        ranked = rank_sentences(question.text, service.search(question.text, TOP_K))
        rows = [(c.passage.score, c.cosine, c.overlap, float(c.span is not None)) for c in ranked]
        features.append(np.array(rows, dtype=np.float64).reshape(-1, 4))
        gold.append(np.array([holds([c.text], question.answers) for c in ranked], dtype=bool))
    print("Weights of a sentence's score, that of the cosine being 1:")
    table = []
    for passage in PASSAGES:
        for overlap in OVERLAPS:
            for kind in KINDS:
                weights = (passage, 1.0, overlap, kind)
                first, three, _ = shown_holds(features, gold, weights, worth=0.0)
                names = [f"{passage}", f"{overlap}", f"{kind}"]
                table.append([*names, f"{first:.4f}", f"{three:.4f}", is_shipped(weights)])
    print_table(["passage", "overlap", "kind", "first holds", "three hold", "shipped"], table)
    print("How good a further sentence must be, as a share of the best one's score:")
    shipped = (extractive.PASSAGE, extractive.COSINE, extractive.OVERLAP, extractive.KIND)
    table = []
    for worth in WORTHS:
        _, held, shown = shown_holds(features, gold, shipped, worth)
        here = "yes" if worth == extractive.WORTH else ""
        table.append([f"{worth}", f"{held:.4f}", f"{shown:.2f}", here])
    print_table(["worth", "shown holds", "sentences shown", "shipped"], table)


def is_shipped(weights: tuple[float, float, float, float]) -> str:
    """Return "yes" for the weights in app/answering/extractive.py."""
    shipped = (extractive.PASSAGE, extractive.COSINE, extractive.OVERLAP, extractive.KIND)
    return "yes" if weights == shipped else ""


def shown_holds(
    features: Sequence[np.ndarray],
    gold: Sequence[np.ndarray],
    weights: tuple[float, float, float, float],
    worth: float,
) -> tuple[float, float, float]:
    """Return the shares of questions whose first and shown sentences hold, and how many show."""
    first = held = shown = 0
    for rows, right in zip(features, gold, strict=True):
        if not len(rows):
            continue
        scores = rows @ np.array(weights)
        order = np.argsort(-scores, kind="stable")[: extractive.SHOWN]
        order = order[scores[order] >= worth * scores[order[0]]]
        first += bool(right[order[0]])
        held += bool(right[order].any())
        shown += len(order)
    n = len(features)
    return first / n, held / n, shown / n


def main() -> int:
    """Build or reuse both stores and print the figures."""
    parser = argument_parser(__doc__)
    parser.add_argument("--grid", action="store_true", help="print what other weights give")
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="take every Nth SQuAD question only"
    )
    options = parser.parse_args()
    with workplace(options.keep) as folder:
        questions = squad_questions(options.data)
        store = build("squad", options.data, folder)
        service, queries = open_cached(store, questions, folder / "squad-queries.npz")
        questions = questions[:: options.every]
        print(f"\n## SQuAD 1.1 dev, {len(questions)} questions")
        met = print_figures(squad_figures(service, questions))
        texts = {record["uri"]: record["text"] for record in squad_records(options.data)}
        print_spans(service, questions, texts)
        if options.grid:
            print_alphas(service, queries, questions, TOP_K)
            print_sentence_grid(service, questions)
        service.close()

        questions = scifact_questions(options.data)
        store = build("scifact", options.data, folder)
        service, queries = open_cached(store, questions, folder / "scifact-queries.npz")
        print(f"\n## SciFact dev, {len(questions)} claims")
        met = print_figures(scifact_figures(service, questions)) and met
        if options.grid:
            print_alphas(service, queries, questions, DEPTH)
        service.close()
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
