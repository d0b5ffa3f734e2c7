"""The chat's handler, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from app.answering.engine import Engine
from app.api.runtime import Runtime
from app.settings import Settings
from app.web.chat import answer_stream
from tests.fakes import HashEncoder, put
from vectorstore.errors import EncoderError
from vectorstore.retriever import Retriever
from vectorstore.store import Store


class Ready:
    """A runtime whose service is open."""

    ready = True

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def service(self) -> Ready:
        """Return what answers."""
        return self

    def ask(self, question: str) -> Iterator[Any]:
        """Stream an answer."""
        return iter(self._engine.stream(question))


class Broken:
    """A runtime whose encoder could not be loaded."""

    ready = False

    def service(self) -> None:
        """Fail as the real one does."""
        msg = "Encoder 'x' cannot be loaded."
        raise EncoderError(msg)


@pytest.fixture
def runtime(store: Store, encoder: HashEncoder) -> Runtime:
    """A runtime over one article."""
    put(store, "bridge", "The harbour bridge opened in 1932.")
    return cast(Runtime, Ready(Engine(store, Retriever(store, encoder), Settings().threshold)))


def test_the_question_shows_at_once_and_the_answer_grows(runtime: Runtime) -> None:
    """The first update shows the question, the last one the whole answer after it."""
    updates = [history for _, history in answer_stream(runtime, "When did the bridge open?", [])]
    assert [message["role"] for message in updates[0]] == ["user"]
    assert [message["role"] for message in updates[-1]] == ["user", "assistant"]
    assert "<mark>1932</mark>" in updates[-1][1]["content"]


def test_the_stop_button_is_there_while_it_answers(runtime: Runtime) -> None:
    """The composer is emptied and offers stop first, and sending again at the end."""
    composers = [composer for composer, _ in answer_stream(runtime, "When did it open?", [])]
    assert (composers[0].stop_btn, composers[0].value) == (True, "")
    assert (composers[-1].stop_btn, composers[-1].submit_btn) == (False, True)


def test_an_empty_question_changes_nothing(runtime: Runtime) -> None:
    """A blank question adds no message."""
    history = [{"role": "user", "content": "x"}]
    assert [said for _, said in answer_stream(runtime, "  ", history)] == [history]


def test_a_failure_is_said_in_the_chat() -> None:
    """When the service cannot answer, the chat says why and can be used again."""
    updates = list(answer_stream(cast(Runtime, Broken()), "Why?", []))
    assert "being loaded" in updates[1][1][-1]["content"]
    assert "cannot be loaded" in updates[-1][1][-1]["content"]
    assert updates[-1][0].submit_btn is True
