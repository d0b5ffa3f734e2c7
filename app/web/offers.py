"""What the chat offers to ask: to begin with, and to go on with from an answer.

Looking for that takes searches, so it has threads of its own, and nobody who asks waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.identity import Identity
from app.view import View
from app.web.gate import identity_of
from app.web.markup import said_in
from vectorstore.errors import CitewellError

if TYPE_CHECKING:
    from app.api.runtime import Runtime

logger = logging.getLogger(__name__)

Message = dict[str, Any]
Found = dict[str, Any]  # `answer`: its id; `options`: the buttons that go on from it


class Offers:
    """Gradio's handlers for what is offered."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        # One searches, so that answers come first; each call of a chat model may wait in another.
        self._pool = ThreadPoolExecutor(1 + runtime.calls, thread_name_prefix="offers")

    async def to_begin(self, request: gr.Request) -> gr.Chatbot:
        """Return the questions that one may begin with, in an empty chat."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._pool, starters_of, self._runtime, identity_of(request)
        )
        return gr.Chatbot(examples=[{"text": text} for text in found])

    async def to_go_on(self, history: list[Message], request: gr.Request) -> Found:
        """Return what goes on from the answer that a conversation ends with."""
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, options_of, self._runtime, identity_of(request), history
        )


def starters_of(runtime: Runtime, identity: Identity) -> list[str]:
    """Return the questions that one may begin with, none to whom may not ask."""
    try:
        return View(runtime.service(), identity).starters()
    except CitewellError as exc:
        logger.info("no questions to begin with: %s", exc)
        return []


def options_of(runtime: Runtime, identity: Identity, history: list[Message]) -> Found:
    """Return the answer that a conversation ends with, and buttons that go on from it.

    The reader has the answer even if finding them fails.
    """
    answer = _answer_at_the_end(history)
    if not answer:
        return {}
    try:
        view = View(runtime.service(), identity)
        texts = view.follow_ups(answer, said_in(history[:-2]))
        return {"answer": answer, "options": [{"value": text} for text in texts]}
    except CitewellError as exc:
        logger.error("no questions to go on with could be found: %s", exc)
    except Exception:
        logger.exception("looking for questions to go on with failed")
    return {}


def with_options(history: list[Message], found: Found | None) -> Any:  # noqa: ANN401 (Gradio's skip)
    """Return the conversation with the buttons that were found for the answer at its end."""
    if not found or found["answer"] != _answer_at_the_end(history):
        return gr.skip()
    return [*history[:-1], history[-1] | {"options": found["options"]}]


def _answer_at_the_end(history: list[Message]) -> str:
    """Return the id of the answer that was told last, "" where that is not whole."""
    told = (history[-1].get("metadata") or {}) if history else {}
    return str(told.get("id") or "")
