"""What the faces share that wait for an answer: begin it, hear it out, leave it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.concurrency import run_in_threadpool

from app.view import View

if TYPE_CHECKING:
    from starlette.requests import Request

    from app.answering.answer import Event
    from app.answering.conversation import Exchange
    from app.answering.wire import Json
    from app.api.desk import Keep, Work
    from app.api.runtime import Runtime
    from app.identity import Identity
    from app.scope import Scope

Result = TypeVar("Result")


async def begin(
    runtime: Runtime,
    identity: Identity,
    question: str,
    scope: Scope,
    conversation: str | None = None,
    context: Json | None = None,
    history: Sequence[Exchange] = (),
) -> Work:
    """Have a question answered, and the answer kept; called on the event loop.

    The question may lean on the turns before it: those of the conversation, or of `history`.
    `context`, the page that it was asked on, is kept beside the answer and changes nothing in it.

    Raises:
        CitewellError: It is refused before anything is answered: the right is missing, the share
            used up, everything busy, a name unknown.
    """
    identity.need("ask")
    await runtime.limits.admit_question(identity)
    runtime.desk.admit(identity.subject)
    try:
        events, keep = await run_in_threadpool(
            _prepare, runtime, identity, question, scope, conversation, context, history
        )
    except BaseException:
        runtime.desk.leave(identity.subject)
        raise
    return runtime.desk.begin(identity.subject, lambda: events, keep)


def _prepare(
    runtime: Runtime,
    identity: Identity,
    question: str,
    scope: Scope,
    conversation: str | None,
    context: Json | None,
    history: Sequence[Exchange],
) -> tuple[Iterator[Event], Keep]:
    view = View(runtime.service(), identity)
    conversations = view.service.records.conversations
    if conversation is not None:
        history = view.said(conversation)  # it has to be theirs

    def keep(body: Json) -> None:
        conversations.keep(identity.subject, body, conversation, identity.portal, context)

    return view.ask(question, scope, history), keep


async def whole(work: Work) -> Json:
    """Return an answer once it is whole.

    Raises:
        CitewellError: What the answer failed with.
    """
    async for _ in work.listen():
        pass
    if work.answer is None:
        raise work.error or RuntimeError("an answer ended without an end")
    return work.answer


async def unless_left(request: Request, doing: Coroutine[Any, Any, Result]) -> Result | None:
    """Return what a coroutine returns; when the client leaves first, end it and return None.

    The request's body must have been read.
    """
    work, leaving = asyncio.ensure_future(doing), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        for task in (work, leaving):
            task.cancel()
        await asyncio.wait({work, leaving})


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def base_of(request: Request, public_url: str | None) -> str:
    """Return the address where readers reach the service, without a slash at its end."""
    return (public_url or str(request.base_url)).rstrip("/")
