"""Questions asked once of the real stores, and what was found for them, kept in a file.

Every figure about answers and refusals starts from the same passages, so they are looked for
once. A case is one question asked of one set of articles, in one of these groups:

own      the whole corpus, which answers it: SQuAD 1.1's questions, SciFact's claims; or only
         seems to: SQuAD 2.0's questions without an answer
gone     the same, with the title that answers taken out of what is found (SQuAD)
foreign  the whole corpus of the other set: SciFact's claims of SQuAD, SQuAD's questions of SciFact
alone    SQuAD 2.0's questions with their own paragraph as the only article; half have no answer
few      SQuAD's questions asked of a few paragraphs, of their own title or of another

Fitted is on SciFact's train part and on the SQuAD titles whose hash says so (`fits`), by title,
so that no article is on both sides.
"""

from __future__ import annotations

import hashlib
import math
import os
import pickle
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from corpora import (
    CachedQueries,
    Question,
    build,
    open_service,
    read_lines,
    squad_questions,
)

from app.answering.engine import TOP_K
from vectorstore.analysis import analyze, content_terms
from vectorstore.lexical import BACKGROUND
from vectorstore.retriever import ALPHA, SCORED, Retrieved, Retriever, coverage, fuse
from vectorstore.rows import Located
from vectorstore.scoring import Scorer
from vectorstore.store import Store
from vectorstore.types import Passage, Signals, Vector, embedding_context

Group = Literal["own", "gone", "foreign", "alone", "few"]

FIT_DIGITS = 8  # of 16 first hex digits: half of the titles
DEPTHS = (3 * TOP_K, 15 * TOP_K)  # passages to take a title's own out of
EVERY_FOREIGN = 4  # every fourth SQuAD question is asked of SciFact
EVERY_FEW = 2
FEW = (2, 4, 8, 16, 32)  # paragraphs
K1, B = 1.2, 0.75  # of BM25, as tantivy has them


@dataclass(frozen=True, slots=True)
class Case:
    """A question, what was found for it, and what answers it.

    `answers` are strings, of which a right sentence holds one; for SciFact's claims the
    sentences of evidence. Empty: nothing found can answer. `title` is the fold's name.
    """

    group: Group
    corpus: str
    title: str
    fit: bool
    question: str
    answers: tuple[str, ...]
    relevant: tuple[str, ...]
    found: Retrieved


def fits(title: str) -> bool:
    """Whether a SQuAD title's questions are fitted on, and not reported on."""
    return int(hashlib.sha256(title.encode()).hexdigest()[0], 16) < FIT_DIGITS


# -- what is asked -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of SciFact with the texts of the sentences that are evidence."""

    question: Question
    fit: bool


def scifact_claims(data: Path) -> list[Claim]:
    """Return the claims of SciFact: train to be fitted on, dev to be reported on."""
    rows = {str(row["_id"]): row for row in read_lines(data / "data/scifact/corpus.jsonl.gz")}
    found = []
    for name, fit in (("queries_train", True), ("queries.dev", False)):
        for claim in read_lines(data / f"data/scifact/{name}.jsonl"):
            evidence = tuple(_evidence(claim, rows))
            judged = {str(key): value for key, value in claim["qrels"].items()}
            question = Question(str(claim["_id"]), claim["text"], "", judged, evidence)
            found.append(Claim(question, fit))
    return found


def _evidence(claim: Mapping[str, Any], rows: Mapping[str, Any]) -> Iterator[str]:
    for entry in claim["evidence"]:
        row = rows[str(entry["doc_id"])]
        ends = [0, *row["sentence_ends"]]
        for number in entry["sentences"]:
            yield row["text"][ends[number] : ends[number + 1]].strip()


def squad2_questions(data: Path) -> list[tuple[Question, bool]]:
    """Return the questions of SQuAD 2.0 dev, and whether their own paragraph answers them."""
    return [
        (
            Question(
                row["id"],
                row["question"],
                row["title"].replace("_", " "),
                {row["pid"]: 1},
                tuple(dict.fromkeys(row["answers"])),
            ),
            not row["is_impossible"],
        )
        for row in read_lines(data / "data/squad/questions_v2.0.dev.jsonl")
    ]


# -- small sets of articles --------------------------------------------------------------


class SmallSet:
    """Retrieval over a few chunks as a store of nothing else would give it.

    Building a store for each of a thousand paragraphs would take an hour; what the retriever
    computes from is computed here: cosines, BM25, document frequencies.
    """

    def __init__(self, located: Sequence[Located], vectors: np.ndarray) -> None:
        self._located = located
        self._vectors = vectors
        self._terms = [
            analyze(embedding_context(each.article) + each.chunk.text) for each in located
        ]

    def retrieve(self, query: str, vector: Vector) -> Retrieved:
        """Return the passages for a query, best first."""
        terms = content_terms(query)
        size = len(self._located)
        held = {term: sum(term in words for words in self._terms) for term in terms}
        idf = {t: math.log(1 + (size + BACKGROUND - n + 0.5) / (n + 0.5)) for t, n in held.items()}
        bm25 = self._bm25(terms, held)
        cosines = dict(enumerate((self._vectors @ vector).tolist()))
        fused = fuse(cosines, bm25, ALPHA)
        scorer = Scorer(query, vector, idf)
        head = sorted(fused, key=lambda n: (-fused[n], n))[:SCORED]
        scores = {n: scorer.score(self._located[n], bm25.get(n, 0.0)) for n in head}
        passages = []
        for number in sorted(head, key=lambda n: -scores[n])[:TOP_K]:
            hit = self._located[number]
            told = Signals(
                cosines[number],
                bm25.get(number, 0.0),
                coverage(idf, self._terms[number]),
                fused[number],
            )
            passages.append(
                Passage(
                    hit.chunk, hit.article, scores[number], len(passages) + 1, told,
                    hit.sentence_vectors,
                )
            )  # fmt: skip
        return Retrieved(tuple(passages), vector, idf, size)

    def _bm25(self, terms: Sequence[str], held: Mapping[str, int]) -> dict[int, float]:
        size = len(self._located)
        mean = sum(map(len, self._terms)) / size
        found = {}
        for number, words in enumerate(self._terms):
            score = 0.0
            for term in terms:
                count = words.count(term)
                weight = math.log(1 + (size - held[term] + 0.5) / (held[term] + 0.5))
                share = K1 * (1 - B + B * len(words) / mean)
                score += weight * count * (K1 + 1) / (count + share)
            if score:
                found[number] = score
        return found


class Chunks:
    """All chunks of a store with their vectors, by the article's uri and by title."""

    def __init__(self, store: Store) -> None:
        exact = store.vectors.exact
        numbers = sorted(exact.numbers())
        located = store.catalogue.locate(numbers)
        self.by_uri: dict[str, list[tuple[Located, Vector]]] = {}
        self.uris: dict[str, list[str]] = {}
        for number in numbers:
            hit = located[number]
            self.by_uri.setdefault(hit.article.uri, []).append((hit, exact.vector(number)))
            uris = self.uris.setdefault(hit.article.title, [])
            if hit.article.uri not in uris:
                uris.append(hit.article.uri)

    def small(self, uris: Iterable[str]) -> SmallSet:
        """Return the set of these articles."""
        pairs = [pair for uri in uris for pair in self.by_uri[uri]]
        return SmallSet([hit for hit, _ in pairs], np.stack([vector for _, vector in pairs]))


# -- asking ------------------------------------------------------------------------------


class Asker:
    """Asks, and keeps each chunk once, however often it is found."""

    def __init__(self) -> None:
        self.cases: list[Case] = []
        self._chunks: dict[str, Passage] = {}

    def keep(
        self, group: Group, corpus: str, question: Question, fit: bool, found: Retrieved,
        answerable: bool = True,
    ) -> None:  # fmt: skip
        """Keep a case."""
        passages = tuple(self._once(passage) for passage in found.passages)
        self.cases.append(
            Case(
                group, corpus, question.title, fit, question.text,
                question.answers if answerable else (),
                tuple(question.relevant) if answerable else (),
                replace(found, passages=passages, timings={}),
            )
        )  # fmt: skip

    def _once(self, passage: Passage) -> Passage:
        known = self._chunks.setdefault(passage.chunk.id, passage)
        return replace(
            passage,
            chunk=known.chunk,
            article=known.article,
            sentence_vectors=known.sentence_vectors,
        )


def without(retriever: Retriever, question: Question) -> Retrieved:
    """Return what is found for a question but for the title that answers it."""
    for depth in DEPTHS:
        found = retriever.retrieve(question.text, depth)
        left = [p for p in found.passages if p.article.title != question.title][:TOP_K]
        if len(left) == TOP_K:
            break
    ranked = tuple(replace(p, rank=rank) for rank, p in enumerate(left, start=1))
    return replace(found, passages=ranked)


def ask_squad(
    asker: Asker, store: Path, questions: Sequence[Question], claims: Sequence[Claim], data: Path
) -> None:
    """Ask SQuAD's paragraphs: own, gone, foreign, alone and few."""
    service = open_service(store, threads=os.cpu_count() or 1)
    queries = CachedQueries(service.encoder)
    twos = squad2_questions(data)
    texts = [q.text for q in questions] + [q.text for q, _ in twos]
    queries.prepare([*texts, *(c.question.text for c in claims)], store.parent / "asked-squad.npz")
    retriever = Retriever(service.store, queries, batching=False)
    for number, question in enumerate(questions):
        fit = fits(question.title)
        asker.keep("own", "squad", question, fit, retriever.retrieve(question.text, TOP_K))
        asker.keep("gone", "squad", question, fit, without(retriever, question), False)
        if number % 1000 == 0:
            print(f"  {number} questions", file=sys.stderr, flush=True)
    for claim in claims:
        found = retriever.retrieve(claim.question.text, TOP_K)
        asker.keep("foreign", "squad", claim.question, claim.fit, found, False)
    chunks = Chunks(service.store)
    for question, answerable in twos:
        small = chunks.small(question.relevant)
        found = small.retrieve(question.text, queries.encode_query(question.text))
        asker.keep("alone", "squad", question, fits(question.title), found, answerable)
        if not answerable:
            found = retriever.retrieve(question.text, TOP_K)
            asker.keep("own", "squad", question, fits(question.title), found, answerable)
    ask_few(asker, chunks, questions[::EVERY_FEW], queries)
    service.close()


def ask_few(
    asker: Asker, chunks: Chunks, questions: Sequence[Question], queries: CachedQueries
) -> None:
    """Ask a few neighbouring paragraphs around the answering one, and as many of another title."""
    random = np.random.default_rng(7)
    titles = sorted(chunks.uris)
    for question in questions:
        size = int(random.choice(FEW))
        vector = queries.encode_query(question.text)
        own = chunks.uris[question.title]
        at = own.index(next(iter(question.relevant)))
        start = max(0, min(at - int(random.integers(0, size)), len(own) - size))
        found = chunks.small(own[start : start + size]).retrieve(question.text, vector)
        asker.keep("few", "squad", question, fits(question.title), found)
        # The other title is of the same half, so that no article is on both sides.
        same = [t for t in titles if t != question.title and fits(t) == fits(question.title)]
        other = chunks.uris[same[int(random.integers(0, len(same)))]]
        start = int(random.integers(0, max(1, len(other) - size)))
        found = chunks.small(other[start : start + size]).retrieve(question.text, vector)
        asker.keep("few", "squad", question, fits(question.title), found, answerable=False)


def ask_scifact(
    asker: Asker, store: Path, questions: Sequence[Question], claims: Sequence[Claim]
) -> None:
    """Ask SciFact's abstracts: own claims, and foreign questions."""
    service = open_service(store, threads=os.cpu_count() or 1)
    queries = CachedQueries(service.encoder)
    asked = questions[::EVERY_FOREIGN]
    texts = [q.text for q in asked] + [c.question.text for c in claims]
    queries.prepare(texts, store.parent / "asked-scifact.npz")
    retriever = Retriever(service.store, queries, batching=False)
    for claim in claims:
        found = retriever.retrieve(claim.question.text, TOP_K)
        if claim.question.answers:
            asker.keep("own", "scifact", claim.question, claim.fit, found)
    for question in asked:
        found = retriever.retrieve(question.text, TOP_K)
        asker.keep("foreign", "scifact", question, fits(question.title), found, False)
    service.close()


def cases(data: Path, folder: Path) -> list[Case]:
    """Return every case, from `folder` if they are kept there."""
    kept = folder / "asked.pickle"
    if kept.exists():
        return list(pickle.loads(kept.read_bytes()))  # noqa: S301 (written below)
    questions = squad_questions(data)
    claims = scifact_claims(data)
    asker = Asker()
    ask_squad(asker, build("squad", data, folder), questions, claims, data)
    ask_scifact(asker, build("scifact", data, folder), questions, claims)
    kept.write_bytes(pickle.dumps(asker.cases, protocol=pickle.HIGHEST_PROTOCOL))
    return asker.cases
