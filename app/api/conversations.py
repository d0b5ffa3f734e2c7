"""Conversations over HTTP: kept, read, renamed, deleted, exported; and what readers thought."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from app.answering.wire import utc
from app.api.models import (
    ConversationIn,
    ConversationOut,
    ConversationPage,
    ConversationWhole,
    FeedbackIn,
)
from app.api.pages import OnceRoute, identity_of, paged, read_cursor, view_of
from app.export import conversation_markdown
from app.records.conversations import Conversation, Conversations, StoredAnswer

conversations_router = APIRouter(prefix="/api/v1", tags=["conversations"], route_class=OnceRoute)


def _mine(request: Request) -> tuple[str, Conversations]:
    identity = identity_of(request)
    identity.need("ask")
    return identity.subject, view_of(request).service.records.conversations


@conversations_router.post("/conversations", response_model=ConversationOut, status_code=201)
def create(request: Request, asked: ConversationIn) -> dict[str, Any]:
    """Begin a conversation; send its id with the questions that belong to it."""
    owner, conversations = _mine(request)
    return _conversation(conversations.create(owner, asked.title))


@conversations_router.get("/conversations", response_model=ConversationPage)
def page(
    request: Request, limit: int = Query(50, ge=1, le=100), cursor: str | None = None
) -> dict[str, Any]:
    """List your conversations, the last changed first."""
    owner, conversations = _mine(request)
    found = conversations.page(owner, limit + 1, read_cursor(cursor, float))
    items, more = paged(found, limit, lambda each: repr(each.updated))
    return {"items": [_conversation(each) for each in items], "next_cursor": more}


@conversations_router.get("/conversations/{conversation_id}", response_model=ConversationWhole)
def read(request: Request, conversation_id: str) -> Response:
    """Return a conversation with its answers, as they were given."""
    owner, conversations = _mine(request)
    return JSONResponse(_whole(*conversations.read(owner, conversation_id)))


@conversations_router.get(
    "/conversations/{conversation_id}/export",
    response_model=ConversationWhole,
    responses={200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}},
)
def export(
    request: Request,
    conversation_id: str,
    form: Literal["markdown", "json"] = "markdown",
) -> Response:
    """Return a conversation as a file: Markdown with footnotes, or JSON."""
    owner, conversations = _mine(request)
    conversation, answers = conversations.read(owner, conversation_id)
    ending = "md" if form == "markdown" else "json"
    named = f'attachment; filename="conversation-{conversation.id}.{ending}"'
    headers = {"content-disposition": named, "cache-control": "no-store"}
    if form == "json":
        return JSONResponse(_whole(conversation, answers), headers=headers)
    text = conversation_markdown(conversation, answers)
    return Response(text, media_type="text/markdown; charset=utf-8", headers=headers)


@conversations_router.patch("/conversations/{conversation_id}", response_model=ConversationOut)
def rename(request: Request, conversation_id: str, asked: ConversationIn) -> dict[str, Any]:
    """Give a conversation another title."""
    owner, conversations = _mine(request)
    return _conversation(conversations.rename(owner, conversation_id, asked.title))


@conversations_router.delete("/conversations/{conversation_id}", status_code=204)
def delete(request: Request, conversation_id: str) -> None:
    """Delete a conversation with its answers."""
    owner, conversations = _mine(request)
    conversations.delete(owner, conversation_id)


@conversations_router.post("/feedback", status_code=204)
def give_feedback(request: Request, given: FeedbackIn) -> None:
    """Say what you think of one of your answers; a second time replaces the first."""
    owner, conversations = _mine(request)
    conversations.answer(owner, given.answer_id)  # only of one's own
    records = view_of(request).service.records
    records.feedback.give(given.answer_id, given.verdict, given.reason, given.comment)


def _conversation(found: Conversation) -> dict[str, Any]:
    return {
        "id": found.id,
        "title": found.title,
        "created": utc(found.created),
        "updated": utc(found.updated),
    }


def _whole(conversation: Conversation, answers: list[StoredAnswer]) -> dict[str, Any]:
    told = [
        {
            "id": each.id,
            "asked": utc(each.asked),
            "question": each.question,
            "outcome": each.outcome,
            "answer": each.body,
        }
        for each in answers
    ]
    return {**_conversation(conversation), "answers": told}
