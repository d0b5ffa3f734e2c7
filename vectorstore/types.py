"""The types that flow from an article to a passage. Ids are opaque strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

TITLE_BYTES = 190  # no script takes more tokens than bytes, so the text behind it has room

Vector = NDArray[np.float32]
"""Shape (dimension,), float32, unit length."""

Matrix = NDArray[np.float32]
"""Shape (n, dimension), float32, unit rows."""

SentenceVectors = NDArray[np.float16]
"""Shape (sentences of one chunk, dimension), float16, unit rows."""


@dataclass(frozen=True, slots=True)
class ArticleHead:
    """What identifies and describes one version of an article, without its text.

    `uri` identifies the article within its collection; `collection` is the collection's
    opaque id; `url` is where the original can be read on the web, http(s) only;
    `sha256` is the hex digest of the text (UTF-8).
    """

    id: str
    uri: str
    title: str
    sha256: str
    collection: str
    url: str | None = None
    authors: tuple[str, ...] = ()
    published: date | None = None
    modified: date | None = None
    language: str | None = None


def embedding_context(head: ArticleHead) -> str:
    """The line put in front of a chunk when it is embedded and indexed, never cited."""
    date = f" ({head.published.isoformat()})" if head.published else ""
    title = head.title.encode(errors="ignore")[:TITLE_BYTES].decode(errors="ignore")
    return f"{title}{date}. "


@dataclass(frozen=True, slots=True)
class Article:
    """One version of an article: its head and its text."""

    head: ArticleHead
    text: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as character offsets into its article's text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of whole sentences of one article: `article.text[start:end] == text`.

    `id` is a hash of the article's id, the embedded text and its occurrence, so a chunk
    that only moved keeps its id and its embedding. `ordinal` counts from 0 in the article.
    """

    id: str
    article_id: str
    ordinal: int
    start: int
    end: int
    text: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Embedding:
    """A chunk's vector and those of its sentences, from one forward pass."""

    chunk: Vector
    sentences: SentenceVectors


@dataclass(frozen=True, slots=True)
class Signals:
    """Absolute evidence that a passage fits the query; comparable between queries.

    `cosine` is in [-1, 1]; `bm25` is at least 0, 0 when the chunk shares no content term
    with the query; `coverage` is the idf-weighted share, in [0, 1], of the query's content
    terms that the passage or its title holds. `fused`, in [0, 1], is the one that depends on what
    else the query finds: cosine and BM25 by which the passage came among those that are scored.
    """

    cosine: float
    bm25: float
    coverage: float
    fused: float = 0.0


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was retrieved for a query.

    `score` orders what one retrieval found and means nothing outside it; `rank` counts from 1, in
    that order unless a reranker or the question's time gave another.
    """

    chunk: Chunk
    article: ArticleHead
    score: float
    rank: int
    signals: Signals
    sentence_vectors: SentenceVectors | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which articles a query may see; every condition must hold.

    Of `collections` (opaque ids), `sources` and `languages`, None means all and an empty tuple
    none. A source is where articles were ingested from: that very place, or any below it. A
    language is a tag, which its subtags match too: "en" lets "en-GB" through (RFC 4647, basic
    filtering). The range of publication dates includes both ends and leaves out articles
    without a date.
    """

    collections: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    published_from: date | None = None
    published_to: date | None = None

    @property
    def dated(self) -> bool:
        """Whether the filter asks for a range of publication dates."""
        return self.published_from is not None or self.published_to is not None

    @property
    def by_collection_only(self) -> bool:
        """Whether nothing but the collection decides."""
        return self.sources is None and self.languages is None and not self.dated


@dataclass(frozen=True, slots=True)
class EncoderInput:
    """One chunk as the encoder sees it: context in front, then the chunk's own text.

    `sentences` are offsets into `text`, not into the article.
    """

    context: str
    text: str
    sentences: tuple[tuple[int, int], ...]


class Encoder(Protocol):
    """Turns text into unit vectors whose dot product is the cosine similarity."""

    @property
    def fingerprint(self) -> str:
        """Model, weights and precision; indexes built under another one do not mix."""

    @property
    def max_tokens(self) -> int:
        """How many tokens of one input are read, special ones included."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, special ones left out."""

    def encode_query(self, query: str) -> Vector:
        """Return the query's vector."""

    def encode_queries(self, queries: Sequence[str]) -> list[Vector]:
        """Return the queries' vectors, in order; sooner than one by one."""

    def encode_chunks(self, inputs: Sequence[EncoderInput]) -> list[Embedding]:
        """Return one embedding for each input, in order."""
