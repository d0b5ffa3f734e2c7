"""Questions over HTTP: answers whole or as a stream that can be resumed, and searches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse

from app.answering.wire import Json, passage_json
from app.api.asking import begin, unless_left, whole
from app.api.desk import Work, frame, frames, replay
from app.api.models import AnswerOut, Query, Question, SearchOut, SuggestionList
from app.api.pages import OnceRoute, identity_of, runtime_of, view_of
from vectorstore.errors import QuestionError

LEFT = 499  # the status, which nobody reads, of a request whose client has left
STREAM = "text/event-stream"
STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
STREAMED: dict[str, Any] = {
    "description": "The answer, whole or as server-sent events: start, passages, "
    "sentence …, done or error; degraded where something is lacking.",
    "content": {STREAM: {"schema": {"type": "string"}}},
}
answers_router = APIRouter(prefix="/api/v1", tags=["answers"], route_class=OnceRoute)


@answers_router.post("/answers", response_model=AnswerOut, responses={200: STREAMED})
async def answer(
    request: Request, question: Question, accept: Annotated[str, Header()] = ""
) -> Response:
    """Answer a question; every sentence of the answer is cited."""
    is_stream = question.stream if question.stream is not None else STREAM in accept
    work = await begin(
        runtime_of(request),
        identity_of(request),
        question.question,
        question.scope,
        question.conversation_id,
        question.context.model_dump(exclude_none=True) if question.context else None,
    )
    if is_stream:
        return StreamingResponse(
            _until_left(request, work), media_type=STREAM, headers=STREAM_HEADERS
        )
    found = await unless_left(request, whole(work))
    return JSONResponse(found) if found is not None else Response(status_code=LEFT)


async def _until_left(request: Request, work: Work) -> AsyncIterator[str]:
    async for text in frames(work):
        if await request.is_disconnected():
            return
        yield text


@answers_router.get("/answers/{answer_id}", response_model=AnswerOut)
def read_answer(request: Request, answer_id: str) -> Response:
    """Return one of your answers as it was given."""
    return JSONResponse(view_of(request).stored_answer(answer_id))


@answers_router.get("/answers/{answer_id}/suggestions", response_model=SuggestionList)
async def follow_ups(request: Request, answer_id: str) -> dict[str, Any]:
    """Return questions that go on from one of your answers and that the articles answer.

    Each is looked for in the articles first, so that it counts as a search does.
    """
    identity = identity_of(request)
    identity.need("ask")
    await runtime_of(request).limits.admit_question(identity)
    view = await run_in_threadpool(view_of, request)
    return {"items": await run_in_threadpool(view.follow_ups, answer_id)}


@answers_router.get("/answers/{answer_id}/events", response_model=None, responses={200: STREAMED})
async def resume(
    request: Request, answer_id: str, last_event_id: Annotated[str, Header()] = "-1"
) -> Response:
    """Go on with the stream of one of your answers, behind the event that was seen last."""
    try:
        after = int(last_event_id)
    except ValueError as exc:
        msg = f"Last-Event-ID is {last_event_id[:50]!r}; it is the number of an event."
        raise QuestionError(msg) from exc
    identity = identity_of(request)
    identity.need("ask")
    work = runtime_of(request).desk.find(answer_id, identity.subject)
    if work is not None:
        told: AsyncIterator[str] = frames(work, max(-1, after))
    else:
        view = await run_in_threadpool(view_of, request)
        told = _replayed(await run_in_threadpool(view.stored_answer, answer_id), after)
    return StreamingResponse(told, media_type=STREAM, headers=STREAM_HEADERS)


async def _replayed(body: Json, after: int) -> AsyncIterator[str]:
    for number, (name, data) in enumerate(replay(body)):
        if number > after:
            yield frame(number, name, data)


@answers_router.post("/search", response_model=SearchOut)
async def search(request: Request, query: Query) -> Response:
    """Find the passages for a query, best first."""
    identity = identity_of(request)
    identity.need("search")
    await runtime_of(request).limits.admit_question(identity)
    view = await run_in_threadpool(view_of, request)
    found = await run_in_threadpool(view.search, query.query, query.top_k, query.scope)
    return JSONResponse(
        {
            "query": query.query,
            "passages": [passage_json(passage) for passage in found.passages],
            "degraded": list(found.degraded),
        }
    )


@answers_router.get("/suggestions", response_model=SuggestionList)
async def suggestions(request: Request) -> dict[str, Any]:
    """Return questions to begin with, of which it is known that the articles answer them.

    They are looked for in the articles first, so that it counts as a search does.
    """
    identity = identity_of(request)
    identity.need("ask")
    await runtime_of(request).limits.admit_question(identity)
    view = await run_in_threadpool(view_of, request)
    return {"items": await run_in_threadpool(view.starters)}
