"""Queries that the catalogue's methods share, and rows as the types that flow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Row, Select, bindparam, func, or_, select

from vectorstore.schema import articles, chunks, placements, sentence_embeddings, versions
from vectorstore.types import ArticleHead, Chunk, Filter, Matrix, Sentence, SentenceVectors

HEAD = (
    articles.c.id.label("article_id"),
    articles.c.uri,
    articles.c.collection_id,
    versions.c.title,
    versions.c.url,
    versions.c.authors,
    versions.c.published,
    versions.c.modified,
    versions.c.language,
    versions.c.sha256,
)


@dataclass(frozen=True, slots=True)
class Located:
    """A chunk of a current version, with its article's head and its sentences' vectors."""

    number: int
    chunk: Chunk
    article: ArticleHead
    sentence_vectors: SentenceVectors


def current() -> Select[Any]:
    """Select the heads of the current versions."""
    return select(*HEAD).join(versions, versions.c.number == articles.c.current)


def conditions(condition: Filter) -> list[ColumnElement[bool]]:
    """Return what a filter asks of articles and versions; ExactIndex asks the same in memory."""
    found: list[ColumnElement[bool]] = []
    if condition.collections is not None:
        found.append(articles.c.collection_id.in_(condition.collections))
    if condition.sources is not None:
        found.append(_below(articles.c.source, condition.sources, "/"))
    if condition.languages is not None:
        tags = [tag.lower() for tag in condition.languages]
        found.append(_below(func.lower(versions.c.language), tags, "-"))
    if condition.published_from is not None:
        found.append(versions.c.published >= condition.published_from)
    if condition.published_to is not None:
        found.append(versions.c.published <= condition.published_to)
    return found


def _below(column: Any, wanted: Iterable[str], separator: str) -> ColumnElement[bool]:  # noqa: ANN401 (a text column)
    """Ask that a column is one of `wanted`, or one of them and more behind the separator."""
    parts = [
        part
        for value in wanted
        for part in (
            func.rtrim(column, separator) == value.rstrip(separator),
            column.startswith(value.rstrip(separator) + separator, autoescape=True),
        )
    ]
    return or_(*parts) if parts else column.in_([])


def chunk_rows() -> Select[Any]:
    """Select chunks as they stand in versions, with their texts and heads."""
    return (
        select(
            placements.c.chunk.label("chunk_number"),
            chunks.c.id.label("chunk_id"),
            placements.c.ordinal,
            placements.c.start,
            placements.c.end,
            placements.c.sentences,
            # SQL counts characters from 1, as Python counts them from 0
            func.substr(
                versions.c.text, placements.c.start + 1, placements.c.end - placements.c.start
            ).label("chunk_text"),
            *HEAD,
            articles.c.source,
        )
        .select_from(placements)
        .join(chunks, chunks.c.number == placements.c.chunk)
        .join(versions, versions.c.number == placements.c.version)
        .join(articles, articles.c.id == versions.c.article_id)
    )


def newest_chunk_rows(numbers: Sequence[int]) -> Select[Any]:
    """Select chunks, by number, as they stand in their newest versions, staged ones too."""
    newest = (
        select(placements.c.chunk, func.max(placements.c.version).label("version"))
        .where(placements.c.chunk.in_(numbers))
        .group_by(placements.c.chunk)
        .subquery()
    )
    return chunk_rows().join(
        newest,
        (placements.c.chunk == newest.c.chunk) & (placements.c.version == newest.c.version),
    )


# Every search runs it, and building such a statement takes longer than running it.
LOCATED = (
    chunk_rows()
    .add_columns(sentence_embeddings.c.vectors)
    .join(sentence_embeddings, sentence_embeddings.c.chunk == chunks.c.number)
    .where(
        sentence_embeddings.c.encoder == bindparam("encoder"),
        placements.c.chunk.in_(bindparam("numbers", expanding=True)),
        articles.c.current == placements.c.version,
    )
)


def to_head(row: Row[Any]) -> ArticleHead:
    """Return a row of HEAD as an article's head."""
    return ArticleHead(
        id=row.article_id,
        uri=row.uri,
        title=row.title,
        sha256=row.sha256,
        collection=row.collection_id,
        url=row.url,
        authors=tuple(json.loads(row.authors)),
        published=row.published,
        modified=row.modified,
        language=row.language,
    )


def to_chunk(row: Row[Any]) -> Chunk:
    """Return a row of `chunk_rows` as a chunk."""
    return Chunk(
        id=row.chunk_id,
        article_id=row.article_id,
        ordinal=row.ordinal,
        start=row.start,
        end=row.end,
        text=row.chunk_text,
        sentences=tuple(Sentence(start, end) for start, end in json.loads(row.sentences)),
    )


def to_located(row: Row[Any]) -> Located:
    """Return a row of LOCATED as a chunk in its article."""
    chunk = to_chunk(row)
    vectors = np.frombuffer(row.vectors, dtype=np.float16).reshape(len(chunk.sentences), -1)
    return Located(row.chunk_number, chunk, to_head(row), vectors)


def to_matrix(rows: Iterable[tuple[int, bytes]]) -> tuple[list[int], Matrix]:
    """Return rows of (number, vector) as numbers and a matrix, row by row."""
    pairs = list(rows)
    if not pairs:
        return [], np.zeros((0, 0), dtype=np.float32)
    matrix = np.frombuffer(b"".join(blob for _, blob in pairs), dtype=np.float32)
    return [number for number, _ in pairs], matrix.reshape(len(pairs), -1)
