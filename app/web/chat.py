"""The chat page: a question goes in, the answer streams out, its chips open the sources.

The source pane and the chips' behaviour are in `static/chat.js`, our own DOM: the page runs
under a policy without inline scripts and without eval, so it has no gr.HTML and no js=.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.web.markup import AnswerMarkup, notice_markup, question_markup
from vectorstore.errors import CitewellError
from vectorstore.retriever import MAX_QUERY

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.api.runtime import Runtime

logger = logging.getLogger(__name__)

Message = dict[str, Any]
Update = tuple[Any, list[Message]]  # of the composer and of the conversation

STATIC = Path(__file__).parent / "static"
AT_ONCE = 4  # questions answered at the same time; one encodes while another is retrieved
WAITING = 64  # questions that may wait; later ones are refused at once

HEAD = (
    '<link rel="stylesheet" href="/static/chat.css">'
    '<script type="module" src="/static/chat.js"></script>'
)


def mount_chat(app: FastAPI, runtime: Runtime) -> FastAPI:
    """Mount the chat at the root of `app`."""
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        build_chat(runtime),
        path="/",
        footer_links=[],
        run_history=False,  # else questions are kept in the browser
        ssr_mode=False,
        max_file_size=0,  # nothing is uploaded here
        head=HEAD,
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
    )
    return mounted


def build_chat(runtime: Runtime) -> gr.Blocks:
    """Return the page; questions wait for the service that `runtime` is starting."""

    def respond(question: str, history: list[Message]) -> Iterator[Update]:
        yield from answer_stream(runtime, question, history)

    def respond_to_example(event: gr.SelectData, history: list[Message]) -> Iterator[Update]:
        yield from answer_stream(runtime, event.value["text"], history)

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
        shared: Message = {
            "outputs": [composer, chatbot],
            "concurrency_limit": AT_ONCE,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        asked = composer.submit(respond, inputs=[composer, chatbot], **shared)
        picked = chatbot.example_select(respond_to_example, inputs=chatbot, **shared)
        composer.stop(
            _idle, outputs=composer, cancels=[asked, picked], queue=False, api_visibility="private"
        )
    page.queue(max_size=WAITING)
    return page


def _idle() -> gr.Textbox:
    return gr.Textbox(submit_btn=True, stop_btn=False)


def answer_stream(runtime: Runtime, question: str, history: list[Message]) -> Iterator[Update]:
    """Yield the composer and the conversation as the answer grows.

    The composer is emptied at once and shows a stop button until the answer is whole.
    """
    if not question.strip():
        yield _idle(), history
        return
    said = [*history, {"role": "user", "content": question_markup(question)}]
    busy = gr.Textbox(value="", submit_btn=False, stop_btn=True)
    yield busy, said
    answer = AnswerMarkup()
    try:
        if not runtime.ready:
            waiting = notice_markup("One moment: the encoder is being loaded …")
            yield gr.skip(), [*said, {"role": "assistant", "content": waiting}]
        for event in runtime.service().ask(question):
            if answer.add(event):
                yield gr.skip(), [*said, {"role": "assistant", "content": answer.html}]
    except CitewellError as exc:
        answer.fail(str(exc))
    except Exception:  # the reader must get the composer back, the operator the reason
        logger.exception("an answer failed")
        answer.fail("The answer failed; the server's log says why.")
    yield _idle(), [*said, {"role": "assistant", "content": answer.html}]
