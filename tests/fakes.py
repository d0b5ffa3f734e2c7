"""An encoder without a model, and articles cut by hand: pure functions of their input."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from vectorstore.publication import Publication
from vectorstore.store import Store
from vectorstore.types import (
    Article,
    ArticleHead,
    Chunk,
    Embedding,
    Encoder,
    EncoderInput,
    Sentence,
    Vector,
    embedding_context,
)

FINGERPRINT = {"encoder": "hash-256", "splitter": "test-1"}


class HashEncoder:
    """Hashed word counts as unit vectors: texts that share words are near.

    `embedded` lists the text of every chunk it was asked to embed, in order.
    """

    fingerprint = "hash-256"
    dimension = 256
    max_tokens = 256

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of words of each text."""
        return [len(text.split()) for text in texts]

    def encode_query(self, query: str) -> Vector:
        """Return the query's hashed word counts, unit length."""
        vector = np.zeros(self.dimension, dtype=np.float32)
        for word in re.findall(r"\w+", query.casefold()) or ["\0"]:
            vector[int(hashlib.sha256(word.encode()).hexdigest(), 16) % self.dimension] += 1
        return vector / np.linalg.norm(vector)

    def encode_queries(self, queries: Sequence[str]) -> list[Vector]:
        """Return each query's vector."""
        return [self.encode_query(query) for query in queries]

    def encode_chunks(self, inputs: Sequence[EncoderInput]) -> list[Embedding]:
        """Return the vectors of each chunk in its context and of each of its sentences."""
        self.embedded += [entry.text for entry in inputs]
        return [
            Embedding(
                self.encode_query(entry.context + entry.text),
                np.array(
                    [self.encode_query(entry.text[start:end]) for start, end in entry.sentences],
                    dtype=np.float16,
                ).reshape(len(entry.sentences), self.dimension),
            )
            for entry in inputs
        ]


def make_publication(
    store: Store,
    uri: str,
    paragraphs: Sequence[str],
    *,
    encoder: Encoder | None = None,
    collection: str = "news",
    title: str = "A title",
    published: date | None = None,
    language: str | None = "en",
) -> Publication:
    """Return an article of one chunk a paragraph, embedded; each chunk is one sentence."""
    encoder = encoder or HashEncoder()
    collection_id = store.catalogue.create_collection(collection)
    text = "\n\n".join(paragraphs)
    head = ArticleHead(
        id=f"{collection}/{uri}",
        uri=uri,
        title=title,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        collection=collection_id,
        url=f"https://example.org/{uri}",
        authors=("Ada Lovelace", "Émile Zola"),
        published=published,
        language=language,
    )
    context = embedding_context(head)
    chunks = []
    start = 0
    for ordinal, paragraph in enumerate(paragraphs):
        end = start + len(paragraph)
        chunks.append(
            Chunk(
                id=hashlib.sha256(f"{head.id}\0{context}{paragraph}".encode()).hexdigest(),
                article_id=head.id,
                ordinal=ordinal,
                start=start,
                end=end,
                text=paragraph,
                sentences=(Sentence(start, end),),
            )
        )
        start = end + 2
    known = store.catalogue.chunk_ids(head.id)
    missing = [chunk for chunk in chunks if chunk.id not in known]
    embeddings = encoder.encode_chunks(
        [EncoderInput(context, chunk.text, ((0, len(chunk.text)),)) for chunk in missing]
    )
    return Publication(
        article=Article(head, text),
        chunks=tuple(chunks),
        embeddings={c.id: e for c, e in zip(missing, embeddings, strict=True)},
        source="folder",
        source_sha256=head.sha256,
    )


def put(store: Store, uri: str, *paragraphs: str, **options: object) -> str:
    """Publish an article of one chunk a paragraph; return its id."""
    publication = make_publication(store, uri, paragraphs, **options)  # type: ignore[arg-type]
    store.publish([publication])
    return publication.article.head.id


def crash(store: Store) -> None:
    """Leave a store as a killed process leaves it: nothing is closed, only locks are freed."""
    store._lock.release()
    store.catalogue._engine.dispose()
    del store.lexical  # its writer goes, what it had not committed is lost
    _left_open.append(store.vectors.dense._client)
    store.vectors.dense = None


_left_open: list[Any] = []  # Chroma's clients


def clear_away() -> None:
    """Close the files that crashed stores have left open, which this process still holds."""
    while _left_open:
        _left_open.pop().close()
