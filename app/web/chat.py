"""The chat page: a question goes in, the answer streams out, its chips open the sources.

The source pane and the chips' behaviour are in `static/chat.js`, our own DOM: the page runs
under a policy without inline scripts and without eval, so it has no gr.HTML and no js=.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.answering.answer import Done, Event, Waiting, gather
from app.answering.wire import Json, answer_json
from app.identity import Identity
from app.view import View
from app.web.gate import Gate, identity_of
from app.web.markup import AnswerMarkup, notice_markup, question_markup, said_in
from app.web.offers import Message, Offers, with_options
from app.web.stoppable import stoppable
from vectorstore.errors import CitewellError
from vectorstore.retriever import MAX_QUERY

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.api.runtime import Runtime

logger = logging.getLogger(__name__)

Update = tuple[Any, Any]  # of the composer and of the conversation
Updates = AsyncGenerator[Update, None]

STATIC = Path(__file__).parent / "static"
WAITING = 64  # events that may wait, mostly questions; later ones are refused at once

HEAD = (
    '<link rel="stylesheet" href="{base}/static/chat.css">'
    '<script type="module" src="{base}/static/chat.js"></script>'
)
LOGOUT = '<meta name="citewell-logout" content="{base}/logout">'  # chat.js makes a button of it


def mount_chat(app: FastAPI, runtime: Runtime) -> FastAPI:
    """Mount the chat at the root of `app`, behind its gate."""
    head = HEAD + (LOGOUT if runtime.settings.auth == "oidc" else "")

    async def mount() -> FastAPI:
        mounted: FastAPI = gr.mount_gradio_app(
            app,
            build_chat(runtime),
            path="/",
            footer_links=[],
            run_history=False,  # else questions are kept in the browser
            ssr_mode=False,
            max_file_size=0,  # nothing is uploaded here
            head=head.format(base=runtime.settings.public_path),
            root_path=runtime.settings.public_path or None,
            theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        )
        return mounted

    # Where no event loop runs Gradio opens one for each of its locks, and closes none.
    mounted = asyncio.run(mount())
    gradio = mounted.router.routes[-1]
    gradio.app = Gate(gradio.app, runtime.settings)  # type: ignore[attr-defined] # a Mount
    return mounted


def build_chat(runtime: Runtime) -> gr.Blocks:
    """Return the page; questions wait for the service that `runtime` is starting."""
    # As many as the desk has, for the same reason.
    pool = ThreadPoolExecutor(runtime.workers, thread_name_prefix="chat")
    offers = Offers(runtime)

    async def respond(question: str, history: list[Message], request: gr.Request) -> Updates:
        identity = identity_of(request)
        refusal = await refusal_of(runtime, identity, question)
        stream = answer_stream(runtime, identity, question, history, refusal)
        async for update in stoppable(pool, stream):
            yield update

    async def respond_to_example(
        event: gr.SelectData, history: list[Message], request: gr.Request
    ) -> Updates:
        async for update in respond(event.value["text"], history, request):
            yield update

    async def respond_to_option(
        event: gr.SelectData, history: list[Message], request: gr.Request
    ) -> Updates:
        async for update in respond(event.value, history, request):
            yield update

    page: gr.Blocks
    with gr.Blocks(title="Citewell", analytics_enabled=False) as page:
        gr.Markdown(
            "# Citewell\nAsk your articles; every sentence of the answer is cited.",
            elem_id="cw-title",
        )
        chatbot = gr.Chatbot(
            label="Answers",
            show_label=False,
            elem_id="cw-chat",
            height="calc(100dvh - 200px)",
            buttons=["copy"],
            layout="panel",
            latex_delimiters=[],
            feedback_options=None,
            allow_file_downloads=False,
            placeholder="Ask a question. Then click a number to see where the answer stands.",
            examples=[{"text": text} for text in runtime.settings.examples],
        )
        composer = gr.Textbox(
            label="Question",
            show_label=False,
            placeholder="Ask the articles",
            max_length=MAX_QUERY,
            autofocus=True,
            submit_btn=True,
            elem_id="cw-question",
        )
        found = gr.JSON(visible="hidden")  # a gr.State has the page ask for what the gate refuses
        shared: Message = {
            "outputs": [composer, chatbot],
            "concurrency_limit": runtime.workers,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        asked = composer.submit(respond, inputs=[composer, chatbot], **shared)
        picked = chatbot.example_select(respond_to_example, inputs=chatbot, **shared)
        chosen = chatbot.option_select(respond_to_option, inputs=chatbot, **shared)
        composer.stop(None, cancels=[asked, picked, chosen], api_visibility="private")
        # The page passes over a question while it holds the one before for unanswered, so the
        # composer must not come back before the answer is cancelled: that is when it "fails".
        for answering in (asked, picked, chosen):
            answering.failure(_idle, **(shared | {"outputs": composer}))
            # The next question waits for neither, so they are two: what is found takes long, and
            # what is shown is put to the conversation as it is by then.
            aside = shared | {"trigger_mode": "multiple", "inputs": [chatbot, found]}
            sought = answering.success(
                offers.to_go_on, **(aside | {"inputs": chatbot, "outputs": found})
            )
            sought.success(with_options, **(aside | {"outputs": chatbot}))
        if not runtime.settings.examples:
            page.load(offers.to_begin, **(shared | {"outputs": chatbot}))
    page.queue(max_size=WAITING)
    return page


def _idle() -> gr.Textbox:
    return gr.Textbox(submit_btn=True, stop_btn=False)


async def refusal_of(runtime: Runtime, identity: Identity, question: str) -> CitewellError | None:
    """Count a question, and return why it is one too many."""
    try:
        if question.strip():
            await runtime.limits.admit_question(identity)
    except CitewellError as exc:
        return exc
    return None


def answer_stream(
    runtime: Runtime,
    identity: Identity,
    question: str,
    history: list[Message],
    refusal: CitewellError | None = None,
) -> Generator[Update, None, None]:
    """Yield the composer and the conversation as the answer grows, and keep the answer.

    The composer is emptied at once and shows a stop button until the answer is whole. With a
    `refusal` that is all there is to show.
    """
    if not question.strip():
        yield _idle(), history
        return
    said = [*history, {"role": "user", "content": question_markup(question)}]
    busy = gr.Textbox(value="", submit_btn=False, stop_btn=True)
    yield busy, said
    answer = AnswerMarkup()
    body: Json | None = None
    try:
        if refusal is not None:
            raise refusal
        if not runtime.ready:
            waiting = notice_markup("One moment: the encoder is being loaded …")
            yield gr.skip(), [*said, {"role": "assistant", "content": waiting}]
        view = View(runtime.service(), identity)
        events: list[Event] = []
        with runtime.desk.place(identity.subject):
            for event in view.ask(question, history=said_in(history)):
                if not isinstance(event, Waiting):
                    events.append(event)
                grown = answer.add(event)
                # each event is a step, even one without words: a stop takes hold between steps
                so_far = [*said, {"role": "assistant", "content": answer.html}]
                yield gr.skip(), so_far if grown else gr.skip()
                if isinstance(event, Done):  # what was stopped meanwhile does not come here
                    body = answer_json(gather(events))
                    _keep(runtime, view, body)
    except CitewellError as exc:
        answer.fail(str(exc))
    except Exception:  # the reader must get the composer back, the operator the reason
        logger.exception("an answer failed")
        answer.fail("The answer failed; the server's log says why.")
    whole: Message = {"role": "assistant", "content": answer.html}
    if body is not None:
        whole["metadata"] = {"id": body["id"]}
    yield _idle(), [*said, whole]


def _keep(runtime: Runtime, view: View, body: Json) -> None:
    """Count and keep an answer as every face does; the reader gets it even if that fails."""
    who = view.identity
    runtime.sight.answered(body, who.subject)
    try:
        view.service.records.conversations.keep(who.subject, body, portal=who.portal)
    except CitewellError as exc:
        logger.error("an answer could not be kept: %s", exc)
