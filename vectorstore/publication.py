"""An article ready to be published, and how it is staged in the catalogue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, insert, select, update

from vectorstore.schema import (
    articles,
    chunks,
    embeddings,
    outbox,
    placements,
    sentence_embeddings,
    versions,
)
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


def stage(connection: Connection, publication: Publication, encoder: int) -> None:
    """Write a new version, its new chunks under an encoder, and what the indexes have to do."""
    head = publication.article.head
    moved = _write_article(connection, publication)
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
    numbers = dict(
        connection.execute(
            select(chunks.c.id, chunks.c.number).where(chunks.c.article_id == head.id)
        ).all()
    )
    embedded = set(
        connection.scalars(
            select(embeddings.c.chunk)
            .join(chunks, chunks.c.number == embeddings.c.chunk)
            .where(chunks.c.article_id == head.id, embeddings.c.encoder == encoder)
        )
    )
    # A chunk that only superseded versions hold may have left the indexes already.
    live = set(
        connection.scalars(
            select(placements.c.chunk)
            .join(versions, versions.c.number == placements.c.version)
            .where(versions.c.article_id == head.id, versions.c.state != "superseded")
        )
    )
    new = [{"id": chunk.id, "article_id": head.id} for chunk in publication.chunks]
    new = [row for row in new if row["id"] not in numbers]
    if new:
        given = insert(chunks).returning(chunks.c.id, chunks.c.number)
        numbers |= dict(connection.execute(given, new).all())
    write_embeddings(
        connection,
        encoder,
        {
            numbers[chunk.id]: publication.embeddings[chunk.id]
            for chunk in publication.chunks
            if numbers[chunk.id] not in embedded
        },
    )
    todo = [
        {"action": "add", "chunk": numbers[chunk.id], "collection_id": head.collection}
        for chunk in publication.chunks
        if moved or numbers[chunk.id] not in live
    ]
    if todo:
        connection.execute(insert(outbox), todo)
    rows = [
        {
            "version": version,
            "ordinal": chunk.ordinal,
            "chunk": numbers[chunk.id],
            "start": chunk.start,
            "end": chunk.end,
            "sentences": json.dumps([[s.start, s.end] for s in chunk.sentences]),
        }
        for chunk in publication.chunks
    ]
    if rows:
        connection.execute(insert(placements), rows)


def _write_article(connection: Connection, publication: Publication) -> bool:
    """Write the article; say whether what the lexical index filters by has changed."""
    head = publication.article.head
    found = connection.execute(
        select(articles.c.source, versions.c.language)
        .outerjoin(versions, versions.c.number == articles.c.current)
        .where(articles.c.id == head.id)
    ).one_or_none()
    if found is None:
        connection.execute(
            insert(articles).values(
                id=head.id,
                collection_id=head.collection,
                uri=head.uri,
                source=publication.source,
            )
        )
        return False
    connection.execute(
        update(articles).where(articles.c.id == head.id).values(source=publication.source)
    )
    return (found.source, found.language) != (publication.source, head.language)


def write_embeddings(connection: Connection, encoder: int, found: Mapping[int, Embedding]) -> None:
    """Write the vectors of chunks, by number, under an encoder."""
    if not found:
        return
    connection.execute(
        insert(embeddings),
        [
            {
                "encoder": encoder,
                "chunk": number,
                "vector": embedding.chunk.astype(np.float32).tobytes(),
            }
            for number, embedding in found.items()
        ],
    )
    connection.execute(
        insert(sentence_embeddings),
        [
            {
                "encoder": encoder,
                "chunk": number,
                "vectors": embedding.sentences.astype(np.float16).tobytes(),
            }
            for number, embedding in found.items()
        ],
    )
