"""A summary of one article: the sentences that stand for the rest of it, word for word.

Sentences are taken one by one, each time the one with which every sentence of the article is
nearest to one that is taken (facility location: Lin and Bilmes 2011, aclanthology.org/P11-1052).
So what is said often is taken early, and what was taken is not taken again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from app.answering.citations import sentence_text
from app.answering.features import PRONOUNS
from app.answering.words import tokens
from vectorstore.rows import Located
from vectorstore.types import Matrix, Passage, Sentence, Signals

LENGTH = 5  # sentences
SHARE = 3  # at most every third sentence of a short article
READ = 1_000  # sentences of a long article
WORDS = range(6, 61)  # of a sentence that can stand alone


@dataclass(frozen=True, slots=True)
class Central:
    """A sentence of a summary in its passage."""

    passage: Passage
    sentence: Sentence


def opening(chunks: Sequence[Located]) -> list[Located]:
    """Return an article's chunks up to the one with its READth sentence, of which it is told."""
    read = accumulate((len(hit.chunk.sentences) for hit in chunks), initial=0)
    return [hit for hit, before in zip(chunks, read, strict=False) if before < READ]


def summarise(chunks: Sequence[Located]) -> list[Central]:
    """Return an article's central sentences, in its order; none where it has no sentences.

    Args:
        chunks: The article's, in order.
    """
    places = [(hit, n) for hit in chunks for n in range(len(hit.chunk.sentences))]
    if not places:
        return []
    vectors = np.concatenate([hit.sentence_vectors for hit in chunks]).astype(np.float32)
    passages = {hit.number: unsearched(hit, rank) for rank, hit in enumerate(chunks, start=1)}
    sentences = [
        Central(passages[hit.number], hit.chunk.sentences[number]) for hit, number in places
    ]
    able = [n for n, each in enumerate(sentences) if _stands_alone(each)] or [0]
    length = max(1, min(LENGTH, len(sentences) // SHARE))
    return [sentences[n] for n in sorted(central(vectors, able, length))]


def central(vectors: Matrix, able: Sequence[int], length: int) -> list[int]:
    """Return up to `length` of the rows in `able`, the most central first.

    Args:
        vectors: One row a sentence.
        able: The rows that may be taken.
        length: How many at most.
    """
    near = np.maximum(vectors @ vectors[list(able)].T, 0.0)  # (all, able)
    reached = np.zeros(len(vectors), dtype=np.float32)
    taken: list[int] = []
    for _ in range(min(length, len(able))):
        gains = np.maximum(near - reached[:, None], 0.0).sum(axis=0)
        best = int(gains.argmax())
        if gains[best] <= 0:
            break
        taken.append(able[best])
        reached = np.maximum(reached, near[:, best])
    return taken


def _stands_alone(each: Central) -> bool:
    text = sentence_text(each.passage, each.sentence)
    words = tokens(text)
    return len(words) in WORDS and words[0].word.lower not in PRONOUNS and text[-1] not in "?:"


def unsearched(hit: Located, rank: int) -> Passage:
    """Return a chunk as a passage: nothing was searched for, so there are no signals."""
    return Passage(hit.chunk, hit.article, 0.0, rank, Signals(0.0, 0.0, 0.0), hit.sentence_vectors)
