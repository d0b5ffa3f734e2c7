"""The chat's handler, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn, cast

import gradio as gr
import pytest
from filelock import FileLock
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request

from app.api.desk import WORKERS
from app.api.runtime import Runtime
from app.identity import LOCAL, NOBODY, Identity
from app.settings import Settings
from app.web.chat import answer_stream, build_chat, refusal_of
from app.web.gate import identity_of
from app.web.stoppable import stoppable
from tests.app.runtimes import opened
from tests.model_server import ModelServer, Script
from vectorstore.errors import EncoderError, StoreError

QUESTION = "When did the harbour bridge open?"


class Broken:
    """A runtime whose encoder could not be loaded."""

    ready = False

    def service(self) -> None:
        """Fail as the real one does."""
        msg = "Encoder 'x' cannot be loaded."
        raise EncoderError(msg)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A runtime over two articles."""
    with opened(tmp_path_factory.mktemp("chat")) as runtime:
        yield runtime


def test_the_question_shows_at_once_and_the_answer_grows(runtime: Runtime) -> None:
    """The first update shows the question, the last one the whole answer after it."""
    updates = [
        history
        for _, history in answer_stream(runtime, LOCAL, "When did the harbour bridge open?", [])
    ]
    assert [message["role"] for message in updates[0]] == ["user"]
    assert [message["role"] for message in updates[-1]] == ["user", "assistant"]
    assert "<mark>19 March 1932</mark>" in updates[-1][1]["content"]


def test_the_stop_button_is_there_while_it_answers(runtime: Runtime) -> None:
    """The composer is emptied and offers stop first, and sending again at the end."""
    composers = [composer for composer, _ in answer_stream(runtime, LOCAL, "When did it open?", [])]
    assert (composers[0].stop_btn, composers[0].value) == (True, "")
    assert (composers[-1].stop_btn, composers[-1].submit_btn) == (False, True)


def test_an_empty_question_changes_nothing(runtime: Runtime) -> None:
    """A blank question adds no message."""
    history = [{"role": "user", "content": "x"}]
    assert [said for _, said in answer_stream(runtime, LOCAL, "  ", history)] == [history]


def test_a_failure_is_said_in_the_chat() -> None:
    """When the service cannot answer, the chat says why and can be used again."""
    updates = list(answer_stream(cast(Runtime, Broken()), LOCAL, "Why?", []))
    assert "being loaded" in updates[1][1][-1]["content"]
    assert "cannot be loaded" in updates[-1][1][-1]["content"]
    assert updates[-1][0].submit_btn is True


def test_the_answer_is_kept_for_who_asked(runtime: Runtime) -> None:
    """What the chat answered is in the records, as its owner's alone, with its portal."""
    reader = Identity("portal:p1/ada", {"ask": None}, "p1")
    list(answer_stream(runtime, reader, QUESTION, []))
    kept = runtime.service().records.conversations.of_owner(reader.subject)
    assert [answer.question for answer in kept] == [QUESTION]
    assert kept[0].body is not None
    assert "19 March 1932" in kept[0].body["text"]


def test_a_stopped_answer_is_not_kept(runtime: Runtime) -> None:
    """An answer that the reader did not wait for is no answer that was given."""
    reader = Identity("user:hasty", {"ask": None})
    stream = answer_stream(runtime, reader, QUESTION, [])
    next(stream)
    stream.close()
    assert runtime.service().records.conversations.of_owner(reader.subject) == []


def test_who_stops_a_silent_model_leaves_it(tmp_path: Path) -> None:
    """A chat model that says nothing is left soon after the reader stops, not at its time-out."""

    async def ask_and_stop(runtime: Runtime, server: ModelServer) -> None:
        stream = answer_stream(runtime, LOCAL, QUESTION, [])

        async def read() -> None:
            async for _ in stoppable(pool, stream):
                pass

        reading = asyncio.create_task(read())
        while not server.requests:
            await asyncio.sleep(0.01)
        reading.cancel()
        assert await asyncio.to_thread(server.wait_for_disconnect, 8)
        await asyncio.wait_for(asyncio.wrap_future(pool.submit(lambda: None)), 8)  # it is free

    with ModelServer() as server, ThreadPoolExecutor(1) as pool:
        server.play(Script(["The "], end="hang"))
        model = {"llm": "openai:scripted", "llm_base_url": server.url, "llm_first_token": 25.0}
        with opened(tmp_path, **model) as runtime:
            asyncio.run(ask_and_stop(runtime, server))


@pytest.mark.parametrize(
    ("llm", "workers"), [({}, WORKERS), ({"llm": "ollama:m", "llm_concurrency": 9}, WORKERS + 9)]
)
def test_as_many_are_answered_at_once_as_elsewhere(
    llm: dict[str, Any], workers: int, tmp_path: Path
) -> None:
    """Those who wait for a chat model leave room for the others; the queue lets as many through."""
    settings = Settings(data_dir=tmp_path, **llm)
    runtime = Runtime(settings, FileLock(tmp_path / "lock"))

    async def built() -> gr.Blocks:
        return build_chat(runtime)  # Gradio's locks take the loop that runs

    page = asyncio.run(built())
    runtime.close()
    assert {each.concurrency_limit for each in page.fns.values() if each.fn} == {workers}


def test_a_refusal_that_was_stopped_is_not_kept(runtime: Runtime) -> None:
    """A reader who leaves while it turns out that there is no answer leaves no trace either."""
    reader = Identity("user:hastier", {"ask": None})
    stream = answer_stream(runtime, reader, "How do I reset my VPN password?", [])
    shown = next(each for each in stream if len(each[1]) == 2)
    assert "The articles do not say" in shown[1][-1]["content"]
    stream.close()
    assert runtime.service().records.conversations.of_owner(reader.subject) == []


def test_an_answer_that_cannot_be_kept_is_given(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the records fail the reader gets the answer nevertheless."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise StoreError

    monkeypatch.setattr(runtime.service().records.conversations, "keep", fail)
    updates = list(answer_stream(runtime, LOCAL, QUESTION, []))
    assert "<mark>19 March 1932</mark>" in updates[-1][1][-1]["content"]


@pytest.mark.parametrize("request_", [None, Request({"type": "http"}), {"identity": "local"}])
def test_whoever_is_not_known_gets_no_answer(runtime: Runtime, request_: object) -> None:
    """A request that does not say who asks is nobody's, and is refused in the chat."""
    if isinstance(request_, dict):
        request_ = Request({"type": "http", "state": request_})
    found = identity_of(gr.Request(request=cast(Any, request_)))
    assert found is NOBODY
    updates = list(answer_stream(runtime, found, QUESTION, []))
    assert "Nobody is logged in" in updates[-1][1][-1]["content"]
    assert "1932" not in str(updates)


def test_who_may_not_ask_is_told(runtime: Runtime) -> None:
    """Somebody without the right reads why there is no answer."""
    updates = list(answer_stream(runtime, Identity("user:ada", {"search": None}), QUESTION, []))
    assert "it takes the right to ask" in updates[-1][1][-1]["content"]


def test_who_asks_too_often_is_told(tmp_path: Path) -> None:
    """The chat counts questions as every face does; one too many is told how long to wait."""
    reader = Identity("user:keen", {"ask": None})
    with opened(tmp_path, limit_user="1/minute") as runtime:
        assert asyncio.run(refusal_of(runtime, reader, "  ")) is None, "no question"
        assert asyncio.run(refusal_of(runtime, reader, QUESTION)) is None
        refusal = asyncio.run(refusal_of(runtime, reader, QUESTION))
        updates = list(answer_stream(runtime, reader, QUESTION, [], refusal))
    assert "more than 1 per 1 minute for one user" in updates[-1][1][-1]["content"]
    assert updates[-1][0].submit_btn is True


def test_an_answer_takes_a_place(runtime: Runtime) -> None:
    """While the chat answers it holds one of the reader's places; stopped, it gives it back."""
    reader = Identity("user:busy", {"ask": None})
    before = runtime.desk.load
    stream = answer_stream(runtime, reader, QUESTION, [])
    next(each for each in stream if len(each[1]) == 2)
    assert runtime.desk.load == before + 1
    for _ in range(runtime.settings.streams - 1):
        runtime.desk.admit(reader.subject)
    told = list(answer_stream(runtime, reader, QUESTION, []))[-1][1][-1]["content"]
    assert "answers open already" in told
    stream.close()
    for _ in range(runtime.settings.streams - 1):
        runtime.desk.leave(reader.subject)
    assert runtime.desk.load == before


def test_an_answer_is_counted(runtime: Runtime) -> None:
    """The metrics count the chat's answers."""
    before = answered(runtime)
    list(answer_stream(runtime, LOCAL, QUESTION, []))
    assert answered(runtime) == before + 1


def answered(runtime: Runtime) -> float:
    """Return how many answers the metrics have counted."""
    families = text_string_to_metric_families(runtime.sight.metrics.exposition().decode())
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "citewell_answers_total"
    )
