"""An article ready to be published, and how it is staged in the catalogue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, insert, select, update

from vectorstore.schema import articles, chunks, outbox, placements, versions
from vectorstore.types import Article, Chunk, Embedding


@dataclass(frozen=True, slots=True)
class Publication:
    """An article with its chunks, ready to be staged.

    `embeddings` holds those of the chunks the catalogue does not have yet, by chunk id.
    `source` is the folder or file it came from, `source_sha256` the digest of its bytes there.
    """

    article: Article
    chunks: tuple[Chunk, ...]
    embeddings: Mapping[str, Embedding]
    source: str
    source_sha256: str


def stage(connection: Connection, publication: Publication) -> None:
    """Write a new version, its new chunks, and what the indexes have to add."""
    head = publication.article.head
    found = select(articles.c.id).where(articles.c.id == head.id)
    if connection.scalar(found) is None:
        connection.execute(
            insert(articles).values(
                id=head.id,
                collection_id=head.collection,
                uri=head.uri,
                source=publication.source,
            )
        )
    else:
        connection.execute(
            update(articles).where(articles.c.id == head.id).values(source=publication.source)
        )
    version = connection.scalar(
        insert(versions).returning(versions.c.number),
        {
            "article_id": head.id,
            "state": "staged",
            "source_sha256": publication.source_sha256,
            "title": head.title,
            "url": head.url,
            "authors": json.dumps(head.authors, ensure_ascii=False),
            "published": head.published,
            "modified": head.modified,
            "language": head.language,
            "sha256": head.sha256,
            "text": publication.article.text,
        },
    )
    known = {
        row.id: row.number
        for row in connection.execute(
            select(chunks.c.id, chunks.c.number).where(chunks.c.article_id == head.id)
        )
    }
    # A chunk that only superseded versions hold may have left the indexes already.
    live = set(
        connection.scalars(
            select(placements.c.chunk)
            .join(versions, versions.c.number == placements.c.version)
            .where(versions.c.article_id == head.id, versions.c.state != "superseded")
        )
    )
    for chunk in publication.chunks:
        if chunk.id not in known:
            embedding = publication.embeddings[chunk.id]
            number = connection.scalar(
                insert(chunks).returning(chunks.c.number),
                {
                    "id": chunk.id,
                    "article_id": head.id,
                    "embedding": embedding.chunk.astype(np.float32).tobytes(),
                    "sentence_vectors": embedding.sentences.astype(np.float16).tobytes(),
                },
            )
            known[chunk.id] = int(number or 0)
        elif known[chunk.id] in live:
            continue
        connection.execute(
            insert(outbox).values(
                action="add", chunk=known[chunk.id], collection_id=head.collection
            )
        )
    rows = [
        {
            "version": version,
            "ordinal": chunk.ordinal,
            "chunk": known[chunk.id],
            "start": chunk.start,
            "end": chunk.end,
            "sentences": json.dumps([[s.start, s.end] for s in chunk.sentences]),
        }
        for chunk in publication.chunks
    ]
    if rows:
        connection.execute(insert(placements), rows)
