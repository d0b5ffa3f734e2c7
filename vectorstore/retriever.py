"""Hybrid retrieval: dense and lexical hits, fused, filtered, scored, without copies.

Scores are fused by a convex combination: alpha times the cosine, min-max normalised over the
query's candidates, plus (1 - alpha) times BM25 divided by its maximum (Bruch et al. 2022,
arXiv 2210.11934). Both searches end within milliseconds, so they run one after the other:
handing them to threads would cost more than it saves.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vectorstore.analysis import terms_held
from vectorstore.batcher import QueryBatcher
from vectorstore.copies import Outline, is_copy, outline
from vectorstore.errors import QuestionError
from vectorstore.language import ENGLISH, language_of
from vectorstore.reranker import HEAD, Reranker
from vectorstore.rows import Located
from vectorstore.scoring import Scorer
from vectorstore.store import Store
from vectorstore.types import Encoder, Filter, Passage, Signals, Vector, embedding_context

# Chosen by bench/retrieval.py (results/2026-11-27-retrieval.md): of the alphas, .3 and .4 lose R@5,
# .7 loses R@1, .6 is no different; a head of 10 loses R@5, of 30 gains .002 for half as much time
# again; by bench/passages.py: one passage an article loses evidence, 2 to 4 are no different.
ALPHA = 0.5
CANDIDATES = 100  # from each index
SCORED = 20  # of the fused hits, more where more are asked for
PER_ARTICLE = 4  # passages of one article in one result list
MAX_QUERY = 2_000  # characters; what is longer is not a question


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The passages for one query, best first, with what answering needs beside them.

    `idf` holds the weight of each of the query's content terms; `searched` is how many chunks
    were there to be found; `degraded` tells what was missing, `passing` whether some of it may
    be there when the same is asked again; `timings` are milliseconds; `language` is what the query
    was taken to be in.
    """

    passages: tuple[Passage, ...]
    query_vector: Vector
    idf: Mapping[str, float]
    searched: int
    degraded: tuple[str, ...] = ()
    passing: bool = False
    timings: Mapping[str, float] = field(default_factory=dict)
    language: str = ENGLISH


class Retriever:
    """Finds the passages for a query in an open store.

    `encoder` is the one the store is embedded with; whoever changes that changes it here, in the
    moment of the switch. Queries that come together are encoded together, unless `batching` is
    off. A `reranker` has the last word on the order of the first HEAD passages.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        alpha: float = ALPHA,
        batching: bool = True,
        reranker: Reranker | None = None,
    ) -> None:
        self._store = store
        self._alpha = alpha
        self._batching = batching
        self._reranker = reranker
        # More at once than there are cores would only take time from each other.
        self._cores = max(2, os.cpu_count() or 1)
        self._turns = threading.BoundedSemaphore(self._cores)
        self.encoder = encoder

    @property
    def encoder(self) -> Encoder:
        """What encodes the queries."""
        return self._queries.encoder

    @encoder.setter
    def encoder(self, encoder: Encoder) -> None:
        """Encode by another one from now on; the vectors of the former are forgotten."""
        if self._batching:
            self._queries = QueryBatcher(encoder, passes=self._cores // 2)
        else:
            self._queries = QueryBatcher(encoder, most=1, kept=0, passes=self._cores)

    def retrieve(
        self,
        query: str,
        top_k: int,
        condition: Filter | None = None,
        language: str | None = None,
        rerank: bool = True,
    ) -> Retrieved:
        """Return the passages that fit the query best.

        Args:
            query: At most MAX_QUERY characters, not blank.
            top_k: At least 1. Fewer come back when fewer fit.
            condition: Which articles may be seen; applied in retrieval, exactly.
            language: The query's; None has it told from its words.
            rerank: Whether the reranker orders them, where there is one.

        Raises:
            QuestionError: The query is blank or too long, or top_k is below 1.
        """
        query = check_query(query)
        if top_k < 1:
            msg = f"top_k is {top_k}; ask for at least 1 passage."
            raise QuestionError(msg)
        reranker = self._reranker if rerank else None
        start = time.perf_counter()
        language = language or language_of(query)
        queries = self._queries
        encoded = queries.encode(query)
        asked = time.perf_counter()
        with self._turns:
            begun = time.perf_counter()
            depth = top_k if reranker is None else max(top_k, HEAD)
            found = self._retrieve(
                query, language, queries, encoded.vector, depth, condition or Filter()
            )
        timings = {
            "wait": encoded.waited + begun - asked,
            "encode": asked - start - encoded.waited,
            "retrieve": time.perf_counter() - begun,
        }
        told = {stage: max(0.0, seconds) * 1e3 for stage, seconds in timings.items()}
        found = replace(found, timings=told)
        return found if reranker is None else _reranked(reranker, query, found, top_k)

    def prepare(self, queries: Sequence[str]) -> None:
        """Encode queries that are about to be retrieved, together: sooner than one by one.

        Raises:
            EncoderError: One of them could not be encoded.
        """
        if self._batching:
            self._queries.encode_all([check_query(query) for query in queries])

    def _retrieve(
        self,
        query: str,
        language: str,
        queries: QueryBatcher,
        vector: Vector,
        top_k: int,
        condition: Filter,
    ) -> Retrieved:
        def search() -> Retrieved:
            nonlocal queries, vector
            if queries is not self._queries:  # a rebuild has changed the encoder meanwhile
                queries = self._queries
                vector = queries.encoder.encode_query(query)
            return self._search(query, language, vector, top_k, condition)

        return self._store.state.consistently(search)

    def _search(
        self, query: str, language: str, vector: Vector, top_k: int, condition: Filter
    ) -> Retrieved:
        vectors = self._store.vectors
        exact = vectors.exact
        condition = exact.spell_out(condition)
        candidates = max(CANDIDATES, 5 * top_k)
        degraded = self._store.degraded
        lexical = dict(self._store.lexical.search(query, candidates, condition, language))
        cosines = dict(vectors.search(vector, candidates, condition))
        seen = exact.seen(lexical, condition)
        bm25 = {number: lexical[number] for number in seen}
        cosines |= exact.cosines([number for number in seen if number not in cosines], vector)
        scores = fuse(cosines, bm25, self._alpha)
        idf = self._store.lexical.weights(query, language)
        scorer = Scorer(query, vector, idf, language)
        passages: list[Passage] = []
        for score, hit in self._best(scores, bm25, scorer, top_k):
            text = embedding_context(hit.article) + hit.chunk.text
            held = terms_held(text, hit.article.language, query, language)
            passages.append(
                Passage(
                    chunk=hit.chunk,
                    article=hit.article,
                    score=score,
                    rank=len(passages) + 1,
                    signals=Signals(
                        cosine=max(-1.0, min(1.0, cosines[hit.number])),  # but for rounding
                        bm25=bm25.get(hit.number, 0.0),
                        coverage=coverage(idf, held),
                        fused=scores[hit.number],
                    ),
                    sentence_vectors=hit.sentence_vectors,
                )
            )
        return Retrieved(
            passages=tuple(passages),
            query_vector=vector,
            idf=idf,
            searched=exact.count(condition),
            degraded=(degraded,) if degraded else (),
            language=language,
        )

    def _best(
        self,
        fused: Mapping[int, float],
        bm25: Mapping[int, float],
        scorer: Scorer,
        top_k: int,
    ) -> list[tuple[float, Located]]:
        """Score the head, further down until copies and crowding articles leave `top_k`."""
        ranked = sorted(fused, key=lambda number: (-fused[number], number))
        size = max(SCORED, top_k + 2)
        scored: list[tuple[float, Located]] = []
        picked: list[tuple[float, Located]] = []
        for start in range(0, len(ranked), size):
            group = ranked[start : start + size]
            found = self._store.catalogue.locate(group)
            hits = [found[number] for number in group if number in found]
            scored += [(scorer.score(hit, bm25.get(hit.number, 0.0)), hit) for hit in hits]
            scored.sort(key=lambda each: -each[0])  # among equals the fused order stays
            picked = pick(scored, top_k)
            if len(picked) == top_k:
                break
        return picked


def _reranked(reranker: Reranker, query: str, found: Retrieved, top_k: int) -> Retrieved:
    begun = time.perf_counter()
    reranked = reranker.rerank(query, found.passages)
    return replace(
        found,
        passages=reranked.passages[:top_k],
        degraded=found.degraded + reranked.missing,
        passing=bool(reranked.missing),
        timings={**found.timings, "rerank": (time.perf_counter() - begun) * 1e3},
    )


def check_query(query: str) -> str:
    """Return the query without surrounding blanks.

    Raises:
        QuestionError: It is blank or longer than MAX_QUERY characters.
    """
    query = query.encode("utf-8", "replace").decode().strip()  # no lone surrogates
    if not query:
        msg = "The question is empty. Ask something."
        raise QuestionError(msg)
    if len(query) > MAX_QUERY:
        msg = f"The question has {len(query)} characters; at most {MAX_QUERY} are read. Shorten it."
        raise QuestionError(msg)
    return query


def fuse(cosines: Mapping[int, float], bm25: Mapping[int, float], alpha: float) -> dict[int, float]:
    """Return alpha * min-max cosine + (1 - alpha) * BM25 / max, each term in [0, 1].

    Example: cosines {1: .8, 2: .4}, bm25 {2: 6.0}, alpha .5 -> {1: .5, 2: .5}
    """
    if not cosines:
        return {}
    low, high = min(cosines.values()), max(cosines.values())
    width = (high - low) or 1.0
    top = max(bm25.values(), default=0.0) or 1.0
    return {
        number: alpha * (cosine - low) / width + (1 - alpha) * bm25.get(number, 0.0) / top
        for number, cosine in cosines.items()
    }


def pick(ranked: Sequence[tuple[float, Located]], top_k: int) -> list[tuple[float, Located]]:
    """Keep the best `top_k`, no copy of a better one and at most PER_ARTICLE of one article."""
    picked: list[tuple[float, Located]] = []
    outlines: list[Outline] = []
    taken: dict[str, int] = {}
    for score, located in ranked:
        if taken.get(located.article.id, 0) >= PER_ARTICLE:
            continue
        found = outline(located.chunk.text)
        if any(is_copy(found, better) for better in outlines):
            continue
        outlines.append(found)
        taken[located.article.id] = taken.get(located.article.id, 0) + 1
        picked.append((score, located))
        if len(picked) == top_k:
            break
    return picked


def coverage(idf: Mapping[str, float], held: Collection[str]) -> float:
    """Return the share of the terms' weight that is among those held, in [0, 1]."""
    total = sum(idf.values())
    if not total:
        return 0.0
    return sum(weight for term, weight in idf.items() if term in held) / total
