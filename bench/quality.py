"""How good the passages and answers are, on SQuAD 1.1 dev and SciFact dev.

SQuAD: every question is asked of the real engine over all 2,067 paragraphs. A sentence "holds"
the answer when a gold answer is a part of it; a refusal holds nothing. SciFact: articles are
ranked by their best passage. `--grid` prints what other weights would have given.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ir_measures
from corpora import (
    CachedQueries,
    Question,
    argument_parser,
    build,
    open_service,
    scifact_questions,
    squad_questions,
    workplace,
)
from ir_measures import RR, R, nDCG
from report import Figure, print_figures, print_table

from app.answering.answer import Done, PassagesFound, SentenceReleased
from app.answering.engine import TOP_K, Engine
from app.service import Service
from vectorstore.retriever import ALPHA, Retriever
from vectorstore.types import Passage

DEPTH = 50  # passages from which SciFact's articles are ranked
ALPHAS = (0.3, 0.4, 0.5, 0.6, 0.7)


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
        if options.grid:
            print_alphas(service, queries, questions, TOP_K)
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
