"""What an administrator learns over HTTP: figures, gaps, feedback, the audit, people's data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from app.api.models import AnswerOut, ConversationOut, Given
from app.api.runtime import Runtime
from app.identity import NOBODY, Identity
from app.records.records import Records
from app.reports import (
    GAPS,
    MOST_ASKED,
    Json,
    cases,
    dossier_json,
    entry_json,
    feedback_json,
    gap_json,
    gaps_csv,
    json_lines,
    stats_json,
)
from vectorstore.errors import ForbiddenError, QuestionError

CSV = "text/csv"
LINES = "application/x-ndjson"

Days = Annotated[int, Query(ge=1, le=36_500)]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=40)]

Number = TypeVar("Number", int, float)


class ShareOut(Given):
    """How many, and which part of all in [0, 1]."""

    count: int
    share: float


class LatencyOut(Given):
    """Milliseconds within which half, and 95 of 100, of `count` answers came."""

    p50: float | None
    p95: float | None
    count: int


class DayOut(Given):
    """A day in UTC."""

    day: date
    answers: int
    not_found: int


class AskedOut(Given):
    """A question in its newest spelling."""

    question: str
    count: int
    last: datetime


class StatsOut(Given):
    """How it went in the last days."""

    days: int
    answers: int
    people: int
    outcomes: dict[str, ShareOut]
    verdicts: dict[str, int]
    reasons: dict[str, int]
    latency_ms: dict[str, LatencyOut]
    by_day: list[DayOut]
    most_asked: list[AskedOut]


class GapOut(AskedOut):
    """A question that the articles do not answer, with the titles of the closest articles."""

    not_found: int
    partial: int
    closest: list[str]


class GapList(Given):
    """Gaps, most asked first."""

    items: list[GapOut]


class FeedbackOut(Given):
    """A verdict; outcome and text of the answer are null once something it quotes was erased."""

    answer_id: str
    verdict: str
    reason: str | None
    comment: str | None
    given: datetime
    question: str
    outcome: str | None
    text: str | None


class FeedbackPage(Given):
    """Feedback, newest first; `next_cursor` leads to more."""

    items: list[FeedbackOut]
    next_cursor: str | None


class EntryOut(Given):
    """An entry of the audit."""

    number: int
    at: datetime
    actor: str
    action: str
    target: str | None
    address: str | None
    request: str | None
    allowed: bool


class AuditPage(Given):
    """The audit, newest first; `next_cursor` leads to more."""

    items: list[EntryOut]
    next_cursor: str | None


class KeptAnswerOut(Given):
    """An answer as it was given; `answer` is null once something it quotes was erased.

    `context` is the page it was asked on.
    """

    id: str
    conversation_id: str | None
    asked: datetime
    question: str
    outcome: str
    answer: AnswerOut | None
    context: dict[str, Any] | None


class VerdictOut(Given):
    """What somebody thought of one of their answers."""

    answer_id: str
    verdict: str
    reason: str | None
    comment: str | None
    given: datetime


class DossierOut(Given):
    """All that is kept of one person."""

    subject: str
    conversations: list[ConversationOut]
    answers: list[KeptAnswerOut]
    feedback: list[VerdictOut]


class DeletedOut(Given):
    """How many answers of a person were deleted."""

    subject: str
    answers: int


def administrator(request: Request) -> Identity:
    """Return who makes the request, if they may administer everything.

    Raises:
        UnauthenticatedError: Nobody knows who they are.
        ForbiddenError: They may not, or some collections only.
    """
    identity: Identity = getattr(request.state, "identity", NOBODY)
    if identity.need("admin") is not None:
        msg = f"{identity.subject} may administer some collections only."
        raise ForbiddenError(msg)
    return identity


def insight_router(runtime: Runtime) -> APIRouter:
    """Return the routes over the service that `runtime` has."""
    router = APIRouter(prefix="/api/v1/admin", tags=["insight"])

    def records_for(request: Request) -> Records:
        administrator(request)  # before anybody waits for the service
        return runtime.service().records

    @router.get("/stats", response_model=StatsOut)
    def read_stats(request: Request, days: Days = 30) -> Json:
        """Tell what was asked most, how it was answered, and how fast."""
        insight = records_for(request).insight
        return stats_json(insight.stats(days), insight.most_asked(days, MOST_ASKED))

    @router.get("/gaps", response_model=GapList, responses={200: {"content": {CSV: {}}}})
    def read_gaps(
        request: Request,
        days: Days = 30,
        limit: Limit = GAPS,
        format: Literal["json", "csv"] | None = None,
        accept: Annotated[str, Header()] = "",
    ) -> Json | Response:
        """List what was asked and is not in the articles; as CSV by `format` or Accept."""
        gaps = records_for(request).insight.gaps(days, limit)
        if format == "csv" or (format is None and CSV in accept):
            name = {"content-disposition": 'attachment; filename="gaps.csv"'}
            return Response(gaps_csv(gaps), media_type=f"{CSV}; charset=utf-8", headers=name)
        return {"items": [gap_json(gap) for gap in gaps]}

    @router.get("/feedback", response_model=FeedbackPage)
    def read_feedback(request: Request, limit: Limit = 50, cursor: Cursor = None) -> Json:
        """List what readers thought of answers."""
        log = records_for(request).feedback
        found = log.page(limit + 1, _read_cursor(cursor, float))
        last = found[limit - 1].given if len(found) > limit else None
        return {"items": [feedback_json(f) for f in found[:limit]], "next_cursor": _cursor(last)}

    @router.get("/feedback/cases", responses={200: {"content": {LINES: {}}}})
    def read_cases(request: Request) -> StreamingResponse:
        """Return feedback as cases for an evaluation, in JSON Lines."""
        lines: Iterator[str] = json_lines(cases(records_for(request)))
        return StreamingResponse(lines, media_type=LINES)

    @router.get("/audit", response_model=AuditPage)
    def read_audit(request: Request, limit: Limit = 50, cursor: Cursor = None) -> Json:
        """List who wrote, logged in or was refused."""
        found = records_for(request).audit.page(limit + 1, _read_cursor(cursor, int))
        last = found[limit - 1].number if len(found) > limit else None
        return {"items": [entry_json(e) for e in found[:limit]], "next_cursor": _cursor(last)}

    @router.get("/users/{subject:path}/data", response_model=DossierOut)
    def export_user(request: Request, subject: str) -> Json:
        """Give out what is kept of a person."""
        records = records_for(request)
        _note(request, records, "export user data", subject)
        return dossier_json(records.people.export(subject))

    @router.delete("/users/{subject:path}/data", response_model=DeletedOut)
    def delete_user(request: Request, subject: str) -> Json:
        """Delete what is kept of a person, and end their sessions."""
        records = records_for(request)
        gone = records.people.delete(subject)
        _note(request, records, "delete user data", subject)
        return {"subject": subject, "answers": gone}

    return router


def _note(request: Request, records: Records, action: str, target: str) -> None:
    address = request.client.host if request.client else None
    number = getattr(request.state, "request_id", None)
    records.audit.note(administrator(request).subject, action, target, address, number)


def _cursor(last: float | None) -> str | None:
    return None if last is None else repr(last)


def _read_cursor(cursor: str | None, convert: Callable[[str], Number]) -> Number | None:
    try:
        return None if cursor is None else convert(cursor)
    except ValueError as exc:
        msg = f"The cursor {cursor!r} is not one that was given. Begin without one."
        raise QuestionError(msg) from exc
