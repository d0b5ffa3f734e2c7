"""What the records tell an operator, as JSON, CSV and JSON Lines: the same for every face."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from app.records.audit import Entry
from app.records.conversations import StoredAnswer
from app.records.feedback import Feedback
from app.records.insight import Asked, Gap, Latency, Stats, moment_of
from app.records.people import Dossier, Verdict
from app.records.records import Records

Json = dict[str, Any]

MOST_ASKED = 20
GAPS = 100
PAGE = 500
# A spreadsheet takes a cell that begins with one of these for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
# What a reader says of an answer that should have been a refusal.
BESIDE = ("off_topic", "not_supported")


def stats_json(stats: Stats, asked: Iterable[Asked]) -> Json:
    """How it went, and what was asked most."""
    return {
        "days": stats.days,
        "answers": stats.answers,
        "people": stats.people,
        "outcomes": {
            name: {"count": count, "share": round(count / max(1, stats.answers), 4)}
            for name, count in stats.outcomes.items()
        },
        "verdicts": dict(stats.verdicts),
        "reasons": dict(stats.reasons),
        "latency_ms": {stage: _latency(found) for stage, found in stats.latency.items()},
        "by_day": [
            {"day": each.day.isoformat(), "answers": each.answers, "not_found": each.not_found}
            for each in stats.by_day
        ],
        "most_asked": [
            {"question": each.question, "count": each.count, "last": moment(each.last)}
            for each in asked
        ],
    }


def _latency(found: Latency) -> Json:
    return asdict(found)


def gap_json(gap: Gap) -> Json:
    """A question that the articles do not answer."""
    return {**asdict(gap), "closest": list(gap.closest), "last": moment(gap.last)}


def gaps_csv(gaps: Iterable[Gap]) -> str:
    """The gaps as CSV (RFC 4180) that no spreadsheet takes for formulas."""
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(["question", "count", "not_found", "partial", "last", "closest"])
    for gap in gaps:
        told = (gap.question, gap.count, gap.not_found, gap.partial, moment(gap.last))
        writer.writerow([cell(each) for each in (*told, "; ".join(gap.closest))])
    return table.getvalue()


def cell(value: object) -> str:
    """Return a value as the text of a CSV cell that is no formula.

    Example: "=1+1" -> "'=1+1"
    """
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def feedback_json(given: Feedback) -> Json:
    """A verdict on an answer; what the answer said is null once something in it was erased."""
    body = given.body
    return {
        "answer_id": given.answer,
        "verdict": given.verdict,
        "reason": given.reason,
        "comment": given.comment,
        "given": moment(given.given),
        "question": given.question,
        "outcome": None if body is None else body["outcome"],
        "text": None if body is None else body["text"],
    }


def cases(records: Records) -> Iterator[Json]:
    """Yield the cases for an evaluation that all feedback makes, newest first."""
    before: float | None = None
    while page := records.feedback.page(PAGE, before):
        yield from (case for case in map(case_json, page) if case is not None)
        before = page[-1].given


def case_json(given: Feedback) -> Json | None:
    """Return what feedback says should be answered to a question; None where nothing is left.

    `answer` are the texts of which one must be in the answer, as examples/questions.jsonl has
    them: the quotes of an answer that helped, none where the articles do not say, null where a
    person has yet to write them. `rejected` are quotes of an answer that did not help.
    """
    if given.body is None:
        return None
    cited = [
        {"article_id": each["article_id"], "uri": each["uri"], "quote": each["quote"]}
        for each in given.body["citations"]
    ]
    refused = given.body["outcome"] == "not_found"
    helped = given.verdict == "helpful"
    should_refuse = refused if helped else not refused and given.reason in BESIDE
    quotes = [each["quote"] for each in cited] if helped and cited else None
    return {
        "id": given.answer,
        "question": given.question,
        "expected": "not_found" if should_refuse else "answered",
        "answer": [] if should_refuse else quotes,
        "article": cited[0]["uri"] if helped and cited else None,
        "relevant": cited if helped else [],
        "rejected": [] if helped else cited,
        "verdict": given.verdict,
        "reason": given.reason,
        "comment": given.comment,
    }


def json_lines(objects: Iterable[Json]) -> Iterator[str]:
    """Yield each object as one line."""
    for each in objects:
        yield json.dumps(each, ensure_ascii=False) + "\n"


def entry_json(entry: Entry) -> Json:
    """An entry of the audit."""
    return {**asdict(entry), "at": moment(entry.at)}


def dossier_json(dossier: Dossier) -> Json:
    """All that is kept of one person."""
    return {
        "subject": dossier.subject,
        "conversations": [
            {**asdict(each), "created": moment(each.created), "updated": moment(each.updated)}
            for each in dossier.conversations
        ],
        "answers": [_stored_json(each) for each in dossier.answers],
        "feedback": [_verdict_json(each) for each in dossier.feedback],
    }


def _stored_json(stored: StoredAnswer) -> Json:
    return {
        "id": stored.id,
        "conversation_id": stored.conversation,
        "asked": moment(stored.asked),
        "question": stored.question,
        "outcome": stored.outcome,
        "answer": stored.body,
        "context": stored.context,
    }


def _verdict_json(verdict: Verdict) -> Json:
    told = asdict(verdict)
    return {"answer_id": told.pop("answer"), **told, "given": moment(verdict.given)}


def moment(seconds: float) -> str:
    """Return a moment as ISO 8601 in UTC, to the second."""
    return moment_of(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")
