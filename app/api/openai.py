"""The articles as a chat model: what speaks OpenAI's chat completions can ask them.

There is one model, `citewell`, and one for each collection, `citewell/COLLECTION`. The last
message of the user is the question; the messages before it tell what a follow-up leans on, and
nothing else that is sent changes the answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse

from app.answering.wire import Json
from app.api.asking import base_of, begin, unless_left, whole
from app.api.openai_wire import Asked, Completion
from app.api.problems import problem_of, status_of
from app.scope import EVERYTHING, Scope
from app.view import View
from vectorstore.errors import (
    BusyError,
    CitewellError,
    ForbiddenError,
    QuestionError,
    UnauthenticatedError,
    UnknownNameError,
)

if TYPE_CHECKING:
    from app.api.desk import Work
    from app.api.runtime import Runtime
    from app.identity import Identity

MODEL = "citewell"
KEPT_HEADERS = ("cache-control", "retry-after", "www-authenticate")
SERVER_ERROR = 500  # statuses from here on are not the client's fault
LEFT = 499  # the status, which nobody reads, of a request whose client has left

# What OpenAI calls an error: its type, code, and the parameter that is wrong.
_KINDS: tuple[tuple[type[CitewellError], str, str, str | None], ...] = (
    (UnauthenticatedError, "authentication_error", "invalid_api_key", None),
    (ForbiddenError, "permission_error", "insufficient_permissions", None),
    (UnknownNameError, "invalid_request_error", "model_not_found", "model"),
    (QuestionError, "invalid_request_error", "invalid_value", "messages"),
    (BusyError, "rate_limit_error", "rate_limit_exceeded", None),
)


class ErrorDetail(BaseModel):
    """Why a request was refused, in words and in OpenAI's names."""

    message: str
    type: str
    code: str | None
    param: str | None


class ErrorOut(BaseModel):
    """An error as OpenAI's clients read it."""

    error: ErrorDetail


class Route(APIRoute):
    """A route whose errors have OpenAI's form."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of a request."""
        handle = super().get_route_handler()

        async def handle_or_tell(request: Request) -> Response:
            try:
                return await handle(request)
            except CitewellError as exc:
                return _refused(exc)
            except RequestValidationError as exc:
                return _invalid(exc)

        return handle_or_tell


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorOut} for status in (400, 401, 403, 404, 422, 429, 503)
}
STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}


def openai_router(runtime: Runtime) -> APIRouter:
    """Return OpenAI's endpoints over the service that `runtime` is starting."""
    router = APIRouter(prefix="/v1", route_class=Route, tags=["openai"], responses=REFUSALS)
    since = int(time.time())

    @router.get("/models")
    def list_models(request: Request) -> Json:
        """List the models: `citewell`, and one for each collection that may be asked."""
        return {"object": "list", "data": _models(runtime, request.state.identity, since)}

    @router.get("/models/{model:path}")
    def show_model(model: str, request: Request) -> Json:
        """Return one of the models."""
        for known in _models(runtime, request.state.identity, since):
            if known["id"] == model:
                return known
        raise _no_model(model)

    @router.post("/chat/completions", response_model=None, responses=STREAM)
    async def complete(asked: Asked, request: Request) -> Response:
        """Answer the last message of the user; every sentence is followed by its citations."""
        return await _complete(runtime, asked, request)

    return router


def _models(runtime: Runtime, identity: Identity, since: int) -> list[Json]:
    allowed = identity.need("ask")
    found = View(runtime.service(), identity).collections()
    names = [each.name for each in found if allowed is None or each.id in allowed]
    return [
        {"id": model, "object": "model", "created": since, "owned_by": MODEL}
        for model in (MODEL, *(f"{MODEL}/{name}" for name in names))
    ]


async def _complete(runtime: Runtime, asked: Asked, request: Request) -> Response:
    work = await begin(
        runtime,
        request.state.identity,
        asked.question,
        _scope(asked.model),
        history=await run_in_threadpool(lambda: asked.history),
    )
    completion = Completion(asked.model, base_of(request, runtime.settings.public_url))
    if asked.stream:
        if not await unless_left(request, _begun(work)):
            return Response(status_code=LEFT)
        return StreamingResponse(
            _stream(runtime, asked, work, completion),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )
    answer = await unless_left(request, whole(work))
    if answer is None:
        return Response(status_code=LEFT)
    for name, data in work.frames:
        completion.add(name, data)
    usage = await run_in_threadpool(_usage, runtime, asked.question, completion.text, answer)
    return JSONResponse(completion.whole(answer, usage), headers={"cache-control": "no-store"})


def _scope(model: str) -> Scope:
    if model == MODEL:
        return EVERYTHING
    kind, _, collection = model.partition("/")
    if kind != MODEL or not collection:
        raise _no_model(model)
    return Scope((collection,))


def _no_model(model: str) -> UnknownNameError:
    msg = f"There is no model {model[:200]!r}. There are {MODEL!r} and '{MODEL}/COLLECTION'."
    return UnknownNameError(msg)


async def _begun(work: Work) -> bool:
    """Wait for an answer's first frame, while an error can still give the reply its status.

    Raises:
        CitewellError: The answer failed at once.
    """
    async with aclosing(work.listen()) as told:
        async for found in told:
            if found is not None:
                break
    if work.error is not None:
        raise work.error
    return True


async def _stream(
    runtime: Runtime, asked: Asked, work: Work, completion: Completion
) -> AsyncIterator[str]:
    """Yield a chunk for each sentence; the last one has the annotations and the whole answer."""
    more: Json = {"usage": None} if asked.with_usage else {}
    async with aclosing(work.listen()) as told:
        async for found in told:
            if found is None:
                yield ": waiting\n\n"
                continue
            _, name, data = found
            if work.error is not None and name == "error":
                yield _sent(_error(work.error))
                return
            text = completion.add(name, data)
            if name == "start":
                yield _sent(completion.chunk({"role": "assistant", "content": ""}, **more))
            elif text:
                yield _sent(completion.chunk({"content": text}, **more))
    annotations = {"annotations": completion.annotations}
    yield _sent(completion.chunk(annotations, "stop", citewell=work.answer, **more))
    if asked.with_usage:
        usage = await run_in_threadpool(
            _usage, runtime, asked.question, completion.text, work.answer
        )
        yield _sent({**completion.chunk({}), "choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def _sent(data: Json) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


def _usage(runtime: Runtime, question: str, text: str, answer: Json | None) -> Json:
    """Return how many tokens were read and written: the chat model's, by its provider's count.

    Where there is none, or it does not count, they are the encoder's, of question and answer.
    """
    told = (answer or {}).get("generation") or {}
    read, written = told.get("input_tokens", 0), told.get("output_tokens", 0)
    if not (read or written):
        read, written = runtime.service().encoder.count_tokens([question, text])
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _refused(error: CitewellError) -> Response:
    headers = problem_of(error).headers
    kept = {name: headers[name] for name in KEPT_HEADERS if name in headers}
    return JSONResponse(_error(error), status_of(error), kept)


def _error(error: CitewellError) -> Json:
    told: Json = {"message": str(error), "type": "server_error", "code": None, "param": None}
    if status_of(error) < SERVER_ERROR:
        for known, kind, code, param in _KINDS:
            if isinstance(error, known):
                told |= {"type": kind, "code": code, "param": param}
    return {"error": told}


def _invalid(error: RequestValidationError) -> Response:
    """Refuse what is no chat completion, by the first thing that is wrong with it."""
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"][1:]) or None
    detail = {
        "message": f"{param}: {first['msg']}" if param else first["msg"],
        "type": "invalid_request_error",
        "code": "invalid_value",
        "param": param,
    }
    return JSONResponse({"error": detail}, 400)
