"""Answers are a LangChain runnable: they stream, are traced and stand in chains."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from app.answering.answer import NOT_FOUND
from app.lc_engine import as_runnable
from app.service import Service
from app.settings import Settings
from tests.model_server import ModelServer
from vectorstore.errors import QuestionError

QUESTION = "When did the Lyra Dome open?"
OPENED = "The Lyra Dome opened on 4 June 2019 above the harbour of Port Vell."


class Trace(BaseCallbackHandler):
    """Remembers what runs were begun, by name, and below which."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, Any, Any]] = []

    def on_chain_start(self, *_: Any, run_id: Any, parent_run_id: Any = None, **more: Any) -> None:  # noqa: ANN401
        """Note a chain."""
        self.runs.append((str(more.get("name")), run_id, parent_run_id))

    def on_chat_model_start(
        self,
        *_: Any,  # noqa: ANN401
        run_id: Any,  # noqa: ANN401
        parent_run_id: Any = None,  # noqa: ANN401
        **__: Any,  # noqa: ANN401
    ) -> None:
        """Note a call of a chat model."""
        self.runs.append(("model", run_id, parent_run_id))


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    """The scripted chat model."""
    with ModelServer() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one article."""
    root = tmp_path_factory.mktemp("runnable")
    (root / "dome.md").write_text(f"# The Lyra Dome\n\n{OPENED} It has 3,200 seats.\n")
    service = Service(Settings(data_dir=root / "data"))
    service.ingest([str(root / "dome.md")])
    service.close()
    return root / "data"


@pytest.fixture
def service(folder: Path) -> Iterator[Service]:
    """A service that quotes."""
    opened = Service(Settings(data_dir=folder))
    yield opened
    opened.close()


def test_chunks_add_up_to_the_answer(service: Service) -> None:
    """The chunks of a stream, synchronous or not, add up to what invoke returns."""
    answers = as_runnable(service)
    whole = answers.invoke(QUESTION)
    assert (whole["outcome"], whole["text"]) == ("answered", f"{OPENED} [1]")
    assert whole["citations"][0]["quote"] == OPENED

    async def streamed() -> list[Any]:
        return [chunk async for chunk in answers.astream(QUESTION)]

    for chunks in (list(answers.stream(QUESTION)), asyncio.run(streamed())):
        assert len(chunks) > 3
        total = reduce(add, chunks)
        assert {**total, "id": ""} == {**whole, "id": ""}


def test_what_is_not_there_is_said(service: Service) -> None:
    """An answer that the articles do not have is the sentence that says so."""
    answer = as_runnable(service).invoke("Who composed the ninth symphony?")
    assert (answer["outcome"], answer["text"]) == ("not_found", NOT_FOUND)


def test_it_stands_in_a_chain(service: Service) -> None:
    """Other runnables go on with the answer."""
    chain = as_runnable(service) | (lambda answer: [c["quote"] for c in answer["citations"]])
    assert chain.invoke({"question": QUESTION}) == [OPENED]


def test_a_talk_is_understood(service: Service) -> None:
    """The history of a mapping makes a follow-up question stand alone."""
    asked = {"question": "When did it open?", "history": [("What is the Lyra Dome?", "A dome.")]}
    assert "Lyra Dome" in as_runnable(service).invoke(asked)["question_used"]


def test_what_is_no_question_is_refused(service: Service) -> None:
    """Input that is neither text nor a mapping with a question is an error that says so."""
    with pytest.raises(QuestionError, match="not int"):
        as_runnable(service).invoke(3)


def test_a_models_call_is_traced_below_the_run(folder: Path, server: ModelServer) -> None:
    """Callbacks hear of the run and of the chat model's call, which names it as its parent."""
    server.play("The Lyra Dome opened on 4 June 2019.")
    service = Service(Settings(data_dir=folder, llm="openai:scripted", llm_base_url=server.url))
    try:
        trace = Trace()
        answer = as_runnable(service).invoke(QUESTION, {"callbacks": [trace]})
    finally:
        service.close()
    assert answer["sentences"][0]["support"] == "supported"
    assert answer["generation"]["calls"] == 1
    (run,) = [each for each in trace.runs if each[0] == "citewell"]
    (call,) = [each for each in trace.runs if each[0] == "model"]
    assert call[2] == run[1]
