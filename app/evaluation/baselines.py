"""The plain pipelines that everybody has, over the same chunks and vectors, and the best peer.

`dense`: every chunk's cosine, exactly. `bm25`: bm25s over whole articles, English stop words.
`rrf`: both by reciprocal rank fusion, k = 60 (Cormack et al. 2009). `convex`: their convex
combination, alpha .5, the cosine min-max normalised over the best 100, BM25 divided by its
maximum (Bruch et al. 2022, arXiv 2210.11934). `txtai`: its hybrid index as it comes, with our
vectors. An article is ranked by its best chunk.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from app.evaluation.ranking import DEPTH
from app.service import Service
from vectorstore.types import Encoder, Matrix, Vector, embedding_context

CANDIDATES = 100  # of each kind, before fusion
PEER_CANDIDATES = 50  # chunks that txtai is asked for; it takes ten times as many of each kind
RRF_K = 60
ALPHA = 0.5
PEER = "txtai"

Scores = dict[str, float]  # article uri -> score


@dataclass(frozen=True, slots=True)
class Plain:
    """What the plain pipelines read of a store: every chunk's text, vector and article.

    `vectors` has one row for each of `uris`, `contexts` and `texts`; an article's uri comes once
    for each of its chunks.
    """

    uris: tuple[str, ...]
    contexts: tuple[str, ...]
    texts: tuple[str, ...]
    vectors: Matrix
    articles: Mapping[str, str]  # uri -> title and text


def read_plain(service: Service) -> Plain:
    """Return what a store's readers see."""
    catalogue = service.store.catalogue
    exact = service.store.vectors.exact
    articles = {}
    for head in catalogue.heads():
        articles[head.uri] = embedding_context(head) + catalogue.article(head.id).text
    numbers = [number for shown in catalogue.shown() for number in shown.numbers]
    rows = sorted(catalogue.placed(numbers), key=lambda row: row.number)
    vectors = np.stack([exact.vector(row.number) for row in rows])
    return Plain(
        uris=tuple(row.article.uri for row in rows),
        contexts=tuple(embedding_context(row.article) for row in rows),
        texts=tuple(row.text for row in rows),
        vectors=vectors,
        articles=articles,
    )


def rank_plain(
    plain: Plain, queries: Sequence[str], encoder: Encoder
) -> dict[str, list[tuple[str, ...]]]:
    """Return each plain pipeline's ranking of articles for each query, best first."""
    dense = [best_articles(plain, encoder.encode_query(query.strip())) for query in queries]
    bm25 = bm25_scores(plain.articles, queries)
    pairs = list(zip(dense, bm25, strict=True))
    return {
        "dense": [ranked(scores) for scores in dense],
        "bm25": [ranked(scores) for scores in bm25],
        "rrf": [ranked(reciprocal_ranks(a, b)) for a, b in pairs],
        "convex": [ranked(convex(a, b)) for a, b in pairs],
    }


def best_articles(plain: Plain, vector: Vector) -> Scores:
    """Return the cosine of the best chunk of each of the CANDIDATES nearest articles."""
    cosines = plain.vectors @ vector
    found: Scores = {}
    for at in np.argsort(-cosines, kind="stable").tolist():
        found.setdefault(plain.uris[at], float(cosines[at]))
        if len(found) == CANDIDATES:
            break
    return found


def bm25_scores(articles: Mapping[str, str], queries: Sequence[str]) -> list[Scores]:
    """Return the BM25 of the best CANDIDATES articles for each query, those at 0 left out."""
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it asks for DEBUG when imported
    uris = list(articles)
    options = {"stopwords": "en", "show_progress": False}
    index = bm25s.BM25()
    index.index(bm25s.tokenize(list(articles.values()), **options), show_progress=False)
    tokens = bm25s.tokenize(list(queries), return_ids=False, **options)
    most = min(CANDIDATES, len(uris))
    found, scores = index.retrieve(tokens, k=most, show_progress=False, sorted=True)
    return [
        {uris[at]: score for at, score in zip(a, b, strict=True) if score > 0}
        for a, b in zip(found.tolist(), scores.tolist(), strict=True)
    ]


def ranked(scores: Mapping[str, float]) -> tuple[str, ...]:
    """Return the best DEPTH articles by falling score; ties by uri."""
    return tuple(sorted(scores, key=lambda uri: (-scores[uri], uri))[:DEPTH])


def reciprocal_ranks(*rankings: Mapping[str, float]) -> Scores:
    """Return the sum of 1 / (RRF_K + rank) over the rankings.

    Example: {a: 2, b: 1}, {b: 5} -> {a: 1/61, b: 1/62 + 1/61}
    """
    fused: Scores = {}
    for scores in rankings:
        order = sorted(scores, key=lambda uri: (-scores[uri], uri))
        for rank, uri in enumerate(order, start=1):
            fused[uri] = fused.get(uri, 0.0) + 1 / (RRF_K + rank)
    return fused


def convex(dense: Mapping[str, float], bm25: Mapping[str, float]) -> Scores:
    """Return ALPHA * min-max cosine + (1 - ALPHA) * BM25 / max; who is in one only has 0 there.

    Example: {a: .8, b: .4}, {b: 6.0} -> {a: .5, b: .5}
    """
    low, high = min(dense.values(), default=0.0), max(dense.values(), default=0.0)
    top = max(bm25.values(), default=0.0) or 1.0
    return {
        uri: ALPHA * (dense.get(uri, low) - low) / ((high - low) or 1.0)
        + (1 - ALPHA) * bm25.get(uri, 0.0) / top
        for uri in dense.keys() | bm25.keys()
    }


# -- the best peer -----------------------------------------------------------------------


def has_peer() -> bool:
    """Whether txtai is installed."""
    return find_spec(PEER) is not None


def rank_peer(plain: Plain, queries: Sequence[str], encoder: Encoder) -> list[tuple[str, ...]]:
    """Return the ranking by txtai's hybrid index, with its defaults and our vectors."""
    from txtai import Embeddings

    inputs = [context + text for context, text in zip(plain.contexts, plain.texts, strict=True)]
    known = dict(zip(inputs, plain.vectors, strict=True))

    def transform(texts: Sequence[str]) -> Matrix:
        return np.stack(
            [known[text] if text in known else encoder.encode_query(text.strip()) for text in texts]
        )

    index = Embeddings(method="external", transform=transform, hybrid=True)
    index.index(enumerate(inputs))
    try:
        ranked_chunks = index.batchsearch([query.strip() for query in queries], PEER_CANDIDATES)
    finally:
        index.close()
    return [
        tuple(dict.fromkeys(plain.uris[int(at)] for at, _ in chunks))[:DEPTH]
        for chunks in ranked_chunks
    ]
