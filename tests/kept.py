"""Answers as they are kept, made by hand."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from app.records.records import Records


def clear(records: Records) -> None:
    """Forget what earlier tests have asked of a server that several of them use."""
    moment = time.time() + 1
    records.conversations.forget_before(moment)
    records.audit.forget_before(moment)


def body(
    answer_id: str,
    question: str,
    outcome: str = "answered",
    timings: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return the JSON of an answer, with one citation if it was answered, else one closest."""
    head = {
        "article_id": "c1",
        "uri": "c1.md",
        "title": "The title of c1",
        "url": None,
        "authors": [],
        "published": None,
        "modified": None,
        "language": "en",
        "sha256": "0" * 64,
    }
    citation = {
        "number": 1,
        "article_id": "c1",
        "article_sha256": "0" * 64,
        "chunk_id": "k1",
        "title": "The title of c1",
        "uri": "c1.md",
        "url": None,
        "published": None,
        "quote": "It is so.",
        "start": 0,
        "end": 9,
    }
    sentence = {
        "text": "It is so.",
        "citations": [1],
        "span": None,
        "support": "verbatim",
        "reason": "quoted word for word",
    }
    found = outcome != "not_found"
    filters = ("collections", "sources", "languages", "published_from", "published_to")
    return {
        "id": answer_id,
        "question": question,
        "question_used": question,
        "filters": dict.fromkeys(filters),
        "outcome": outcome,
        "text": "It is so. [1]" if found else "The articles do not say.",
        "sentences": [sentence] if found else [],
        "citations": [citation] if found else [],
        "passages": [],
        "closest": [] if found else [head],
        "degraded": [],
        "timings_ms": dict(timings or {"encode": 5.0, "retrieve": 2.0, "total": 10.0}),
    }
