"""Pick the sentences that answer a question, word for word.

A sentence's score is linear in four things a reader can follow: how well its passage was
retrieved, how near its late-pooled vector is to the question's, how much of the weight of
the question's words it holds, and whether it has words of the kind the question asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.answering.citations import sentence_text
from app.answering.span import Span, SpanFinder
from vectorstore.retriever import Retrieved, coverage
from vectorstore.types import Passage, Sentence

# Weights of the four, and WORTH, chosen on SQuAD 1.1: bench/quality.py --grid prints the others.
PASSAGE, COSINE, OVERLAP, KIND = 0.5, 1.0, 0.6, 0.15
SHOWN = 3
WORTH = 0.8  # of the best sentence's score; weaker sentences are not shown


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may answer, with what its score was made of."""

    passage: Passage
    sentence: Sentence
    text: str
    cosine: float
    overlap: float
    span: Span | None
    score: float


def rank_sentences(question: str, retrieved: Retrieved) -> list[Candidate]:
    """Return every sentence of the passages, best first, each text once."""
    finder = SpanFinder(question, retrieved.idf)
    best: dict[str, Candidate] = {}
    for passage in retrieved.passages:
        for candidate in _candidates(passage, retrieved, finder):
            known = best.get(candidate.text)
            if known is None or candidate.score > known.score:
                best[candidate.text] = candidate
    return sorted(best.values(), key=lambda c: (-c.score, c.passage.rank, c.sentence.start))


def _candidates(passage: Passage, retrieved: Retrieved, finder: SpanFinder) -> list[Candidate]:
    vectors = passage.sentence_vectors
    if vectors is None or not len(vectors):
        return []
    cosines = (vectors.astype(np.float32) @ retrieved.query_vector).tolist()
    found = []
    for sentence, cosine in zip(passage.chunk.sentences, cosines, strict=True):
        text = sentence_text(passage, sentence)
        overlap = coverage(retrieved.idf, text)
        span = finder.find(text)
        score = (
            PASSAGE * passage.score
            + COSINE * cosine
            + OVERLAP * overlap
            + KIND * (span is not None)
        )
        found.append(Candidate(passage, sentence, text, cosine, overlap, span, score))
    return found


def choose(ranked: Sequence[Candidate]) -> list[Candidate]:
    """Return up to SHOWN sentences: the best, then others in the order of their articles."""
    if not ranked:
        return []
    lead = ranked[0]
    others = [c for c in ranked[1:SHOWN] if c.score >= WORTH * lead.score]
    return [lead, *sorted(others, key=lambda c: (c.passage.rank, c.sentence.start))]
