"""The JSON of answers, passages and events: stable, fields are only ever added."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from app.answering.answer import (
    Answer,
    AnswerSentence,
    Citation,
    Degraded,
    Done,
    Generation,
    PassagesFound,
    SentenceReleased,
    Started,
    Told,
    period_text,
)
from vectorstore.types import ArticleHead, Filter, Passage

Json = dict[str, Any]


def head_json(head: ArticleHead) -> Json:
    """An article without its text."""
    return {
        "article_id": head.id,
        "uri": head.uri,
        "title": head.title,
        "url": head.url,
        "authors": list(head.authors),
        "published": head.published.isoformat() if head.published else None,
        "modified": head.modified.isoformat() if head.modified else None,
        "language": head.language,
        "sha256": head.sha256,
    }


def passage_json(passage: Passage) -> Json:
    """A passage, its article's name and its place there."""
    head = passage.article
    return {
        "chunk_id": passage.chunk.id,
        "article_id": head.id,
        "uri": head.uri,
        "title": head.title,
        "url": head.url,
        "text": passage.chunk.text,
        "start": passage.chunk.start,
        "end": passage.chunk.end,
        "published": head.published.isoformat() if head.published else None,
        "score": round(passage.score, 6),
        "rank": passage.rank,
        "signals": {
            "cosine": round(passage.signals.cosine, 6),
            "bm25": round(passage.signals.bm25, 6),
            "coverage": round(passage.signals.coverage, 6),
        },
    }


def citation_json(citation: Citation) -> Json:
    """A citation, whole."""
    head = citation.article
    return {
        "number": citation.number,
        "article_id": head.id,
        "article_sha256": head.sha256,
        "chunk_id": citation.chunk_id,
        "title": head.title,
        "uri": head.uri,
        "url": citation.url,
        "published": head.published.isoformat() if head.published else None,
        "quote": citation.quote,
        "start": citation.start,
        "end": citation.end,
    }


def sentence_json(sentence: AnswerSentence) -> Json:
    """A sentence of an answer."""
    return {
        "text": sentence.text,
        "citations": list(sentence.citations),
        "span": list(sentence.span) if sentence.span else None,
        "support": sentence.support,
        "reason": sentence.reason,
        "part": sentence.part,
        "begins": sentence.begins,
    }


def answer_json(answer: Answer) -> Json:
    """A finished answer."""
    return {
        "id": answer.id,
        "question": answer.question,
        "question_used": answer.question_used,
        "filters": filter_json(answer.filters),
        "outcome": answer.outcome,
        "text": answer.text,
        "sentences": [sentence_json(sentence) for sentence in answer.sentences],
        "citations": [citation_json(citation) for citation in answer.citations],
        "passages": [passage_json(passage) for passage in answer.passages],
        "closest": [head_json(head) for head in answer.closest],
        "unanswered": list(answer.unanswered),
        "degraded": list(answer.degraded),
        "degraded_at": list(answer.degraded_at),
        "generation": generation_json(answer.generation),
        "timings_ms": _timings(answer.timings),
    }


def generation_json(generation: Generation | None) -> Json | None:
    """What a chat model did, None where none was asked."""
    return None if generation is None else asdict(generation)


def filter_json(condition: Filter) -> Json:
    """The filters in force; null where nothing is filtered. `period` is the dates in words."""
    return {
        "collections": _listed(condition.collections),
        "sources": _listed(condition.sources),
        "languages": _listed(condition.languages),
        "published_from": condition.published_from and condition.published_from.isoformat(),
        "published_to": condition.published_to and condition.published_to.isoformat(),
        "period": period_text(condition) or None,
    }


def read_filter(told: Json) -> Filter:
    """Return the filter that `filter_json` has told; earlier versions told less of it."""
    days = (told.get("published_from"), told.get("published_to"))
    first, last = (date.fromisoformat(day) if day else None for day in days)
    named = (told.get(name) for name in ("collections", "sources", "languages"))
    collections, sources, languages = (None if each is None else tuple(each) for each in named)
    return Filter(collections, sources, languages, first, last)


def _listed(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)


def event_json(event: Told) -> tuple[str, Json]:
    """An event's name and data, as every face sends them."""
    match event:
        case Started():
            return "start", {
                "answer_id": event.answer_id,
                "question": event.question,
                "question_used": event.question_used,
                "filters": filter_json(event.filters),
            }
        case PassagesFound():
            return "passages", {"passages": [passage_json(p) for p in event.passages]}
        case SentenceReleased():
            return "sentence", {
                "index": event.index,
                **sentence_json(event.sentence),
                "citations": [citation_json(citation) for citation in event.citations],
            }
        case Degraded():
            return "degraded", {"reason": event.reason}
        case Done():
            return "done", {
                "outcome": event.outcome,
                "closest": [head_json(head) for head in event.closest],
                "unanswered": list(event.unanswered),
                "generation": generation_json(event.generation),
                "timings_ms": _timings(event.timings),
            }


def _timings(timings: Any) -> dict[str, float]:  # noqa: ANN401 (a mapping of floats)
    return {stage: round(value, 2) for stage, value in timings.items()}


def utc(moment: float) -> str:
    """Return seconds since 1970 as ISO 8601."""
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
