"""Citewell's answers as a LangChain runnable: streamed, traced, and part of others' chains.

    answers = as_runnable(service)
    answers.invoke("How many tree species are there?")["text"]
    chain = answers | (lambda answer: answer["citations"])

A stream's chunks add up to what `invoke` returns. A chat model's calls are traced below the run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.runnables import AddableDict, Runnable, RunnableGenerator
from starlette.concurrency import iterate_in_threadpool

from app.answering.answer import (
    Degraded,
    Done,
    PassagesFound,
    SentenceReleased,
    Started,
    lacking,
    not_found_text,
    told_text,
)
from app.answering.conversation import Exchange
from app.answering.wire import (
    citation_json,
    filter_json,
    generation_json,
    head_json,
    passage_json,
    sentence_json,
)
from app.scope import EVERYTHING, Scope
from app.service import Service
from vectorstore.errors import QuestionError


def as_runnable(service: Service, scope: Scope = EVERYTHING) -> Runnable[Any, AddableDict]:
    """Return a runnable that answers from an open service.

    Its input is a question, or `{"question": …, "history": [(question, answer), …]}`. Its output
    has the fields of `citewell ask --json` but for `timings_ms`.

    Args:
        service: Is left open.
        scope: Which articles may answer.
    """

    def transform(asked: Iterator[Any]) -> Iterator[AddableDict]:
        for each in asked:
            yield from _chunks(service, scope, each)

    async def atransform(asked: AsyncIterator[Any]) -> AsyncIterator[AddableDict]:
        async for each in asked:
            async for chunk in iterate_in_threadpool(_chunks(service, scope, each)):
                yield chunk

    return RunnableGenerator(transform, atransform, name="citewell")


def _chunks(service: Service, scope: Scope, asked: Any) -> Iterator[AddableDict]:  # noqa: ANN401 (a question or a mapping)
    question, history = _read(asked)
    condition = service.filter(scope)
    told = ""
    known: set[int] = set()
    for event in service.ask(question, scope, history=history):
        match event:
            case Started():
                condition = event.filters
                yield AddableDict(
                    id=event.answer_id,
                    question=event.question,
                    question_used=event.question_used,
                    filters=filter_json(condition),
                    text="", sentences=[], citations=[], passages=[], degraded=[],
                )  # fmt: skip
            case Degraded():
                yield AddableDict(degraded=[event.reason])
            case PassagesFound():
                yield AddableDict(passages=[passage_json(each) for each in event.passages])
            case SentenceReleased():
                text = told_text(event.sentence)
                new = [each for each in event.citations if each.number not in known]
                known |= {each.number for each in new}
                yield AddableDict(
                    text=text if told else text.lstrip(),
                    sentences=[sentence_json(event.sentence)],
                    citations=[citation_json(each) for each in new],
                )
                told += text
            case Done():
                end = f" {lacking(event.unanswered)}" if event.unanswered else ""
                yield AddableDict(
                    text=not_found_text(condition) if event.outcome == "not_found" else end,
                    outcome=event.outcome,
                    closest=[head_json(head) for head in event.closest],
                    unanswered=list(event.unanswered),
                    generation=generation_json(event.generation),
                )


def _read(asked: Any) -> tuple[str, list[Exchange]]:  # noqa: ANN401
    """Return the question and the talk before it.

    Raises:
        QuestionError: It is neither text nor a mapping with a `question`.
    """
    if isinstance(asked, str):
        return asked, []
    if not isinstance(asked, dict) or not isinstance(asked.get("question"), str):
        msg = f"A question is text, or a mapping with 'question', not {type(asked).__name__}."
        raise QuestionError(msg)
    return asked["question"], [Exchange(one, other) for one, other in asked.get("history") or ()]
