"""The chat page: a question goes in, the answer streams out, its chips open the sources.

The source pane and the chips' behaviour are in `static/chat.js`, our own DOM: the page runs
under a policy without inline scripts and without eval, so it has no gr.HTML and no js=.
"""

from __future__ import annotations

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

Message = dict[str, Any]

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
    page: gr.Blocks

    def respond(question: str, history: list[Message]) -> Iterator[tuple[str, list[Message]]]:
        yield from answer_stream(runtime, question, history)

    def start_over() -> list[Message]:
        return []

    with gr.Blocks(title="Citewell", analytics_enabled=False, fill_height=True) as page:
        gr.Markdown(
            "# Citewell\nAsk your articles; every sentence of the answer is cited.",
            elem_id="cw-title",
        )
        chatbot = gr.Chatbot(
            show_label=False,
            label="Answers",
            elem_id="cw-chat",
            height=None,
            scale=1,
            buttons=["copy"],
            layout="panel",
            latex_delimiters=[],
            feedback_options=None,
            allow_file_downloads=False,
            placeholder="Ask a question, then click a number to see where the answer stands.",
        )
        with gr.Row(elem_id="cw-composer"):
            question = gr.Textbox(
                show_label=False,
                label="Question",
                placeholder="Ask the articles",
                max_length=MAX_QUERY,
                autofocus=True,
                scale=8,
                submit_btn=True,
                stop_btn=True,
                elem_id="cw-question",
            )
            clear = gr.Button("New chat", scale=1, min_width=100, elem_id="cw-clear")
        gr.Examples(
            examples=[[text] for text in runtime.settings.examples],
            inputs=question,
            label="For example",
            elem_id="cw-examples",
        )
        asked = question.submit(
            respond,
            inputs=[question, chatbot],
            outputs=[question, chatbot],
            concurrency_limit=AT_ONCE,
            show_progress="hidden",
            api_visibility="private",
        )
        question.stop(None, cancels=[asked], api_visibility="private")
        clear.click(start_over, outputs=chatbot, cancels=[asked], api_visibility="private")
    page.queue(max_size=WAITING)
    return page


def answer_stream(
    runtime: Runtime, question: str, history: list[Message]
) -> Iterator[tuple[str, list[Message]]]:
    """Yield (the emptied composer, the conversation so far) as the answer grows."""
    if not question.strip():
        yield "", history
        return
    said = [*history, {"role": "user", "content": question_markup(question)}]

    def reply(html: str) -> tuple[str, list[Message]]:
        return "", [*said, {"role": "assistant", "content": html}]

    if not runtime.ready:
        yield reply(notice_markup("One moment: the encoder is being loaded …"))
    try:
        answer = AnswerMarkup()
        for event in runtime.service().ask(question):
            if answer.add(event):
                yield reply(answer.html)
    except CitewellError as exc:
        yield reply(notice_markup(str(exc)))
