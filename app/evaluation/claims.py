"""Evaluates citation support: whether a score tells which claims their article bears out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from app.answering.evidence import Evidence
from app.answering.verify import Verifier
from app.evaluation.bootstrap import Resamplers
from app.evaluation.curves import area_difference, area_interval
from app.evaluation.figures import REPORTED, SCORE, Figure, Row
from app.evaluation.sets import Claim, ClaimSet
from app.evaluation.stores import CachedQueries, Emit, place_name
from app.service import Service
from ingest.report import Progress
from vectorstore.retriever import Retrieved, Retriever
from vectorstore.types import Filter

DEPTH = 30  # passages of the cited article
PLAIN = "best sentence's cosine"
GROUP = "claims"
AREA = "supported or not, area under the ROC curve"

Support = Callable[[Claim, Retrieved], float]
"""How well the passages of its own article support a claim: the higher, the better."""


def _cosine(_: Claim, found: Retrieved) -> float:
    best = -1.0
    for passage in found.passages:
        vectors = passage.sentence_vectors
        if vectors is not None and len(vectors):
            best = max(best, float((vectors.astype(np.float32) @ found.query_vector).max()))
    return best


def _coverage(_: Claim, found: Retrieved) -> float:
    return max((passage.signals.coverage for passage in found.passages), default=0.0)


def _checked(claim: Claim, found: Retrieved) -> float:
    return _VERIFIER.check(
        claim.text, [Evidence.of(passage) for passage in found.passages], claim.cluster
    ).score


_VERIFIER = Verifier()

# Every score is compared with PLAIN.
SUPPORTS: Mapping[str, Support] = {
    PLAIN: _cosine,
    "best passage's coverage": _coverage,
    "support check": _checked,
}


def evaluate_claims(
    content: ClaimSet,
    service: Service,
    queries: CachedQueries,
    emit: Emit,
    resamplers: Resamplers,
    supports: Mapping[str, Support] = SUPPORTS,
) -> tuple[list[Row], list[Figure]]:
    """Score every claim against its own article; return rows, areas and their differences."""
    retriever = Retriever(service.store, queries, batching=False)
    rows = []
    for done, claim in enumerate(content.claims, start=1):
        condition = Filter(sources=(place_name(claim.place),))
        found = retriever.retrieve(claim.text, DEPTH, condition)
        rows.append(
            Row(
                key=claim.id,
                group=GROUP,
                cluster=claim.cluster,
                reported=True,
                question=claim.text,
                scores={name: {SCORE: score(claim, found)} for name, score in supports.items()},
                right=claim.supported,
                wanted="supported" if claim.supported else "not fully supported",
            )
        )
        emit(Progress(done, len(content.claims), claim.id))
    return rows, support_figures(rows, resamplers)


def support_figures(rows: Sequence[Row], resamplers: Resamplers) -> list[Figure]:
    """Return the area under each score's curve, and how much larger it is than that of PLAIN."""
    right = [row.right for row in rows]
    resampler = resamplers.of([row.cluster for row in rows])
    scores = {
        name: [row.scores[name][SCORE] for row in rows] for name in (rows[0].scores if rows else ())
    }
    found = [
        Figure(REPORTED, GROUP, AREA, name, area_interval(values, right, resampler))
        for name, values in scores.items()
    ]
    found += [
        Figure(
            REPORTED,
            GROUP,
            AREA,
            name,
            area_difference(values, scores[PLAIN], right, resampler),
            against=PLAIN,
        )
        for name, values in scores.items()
        if name != PLAIN
    ]
    return found
