"""What the chat offers to ask, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import gradio as gr
import pytest

from app.api.runtime import Runtime
from app.identity import LOCAL, NOBODY, Identity
from app.web.chat import answer_stream
from app.web.offers import Message, options_of, starters_of, with_options
from tests.app.runtimes import ids, opened
from vectorstore.errors import StoreError

QUESTION = "When did the harbour bridge open?"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A runtime over two articles."""
    with opened(tmp_path_factory.mktemp("offers")) as runtime:
        yield runtime


def talk(runtime: Runtime, identity: Identity = LOCAL) -> list[Message]:
    """Return the conversation that the page holds once a question was answered."""
    *_, (_, history) = answer_stream(runtime, identity, QUESTION, [])
    chatbot = gr.Chatbot()
    held: Any = chatbot.preprocess(chatbot.postprocess(history))
    return list(held)


def test_an_answer_goes_on_with_what_is_found_for_it(runtime: Runtime) -> None:
    """What the page holds of an answer is enough to find and to show what goes on from it."""
    history = talk(runtime)
    found = options_of(runtime, LOCAL, history)
    assert found["options"]
    shown = with_options(history, found)
    assert shown[-1]["options"] == found["options"]
    assert [each["content"] for each in shown] == [each["content"] for each in history]


def test_what_comes_late_is_not_shown(runtime: Runtime) -> None:
    """A conversation that has gone on meanwhile stays as it is, asked or answered."""
    history = talk(runtime)
    found = options_of(runtime, LOCAL, history)
    for later in ([*history, {"role": "user", "content": "And now?"}], [*history, *talk(runtime)]):
        assert with_options(later, found) == gr.skip()


def test_nothing_goes_on_from_what_is_not_whole(runtime: Runtime) -> None:
    """An answer that was stopped or that failed has no buttons, and neither has an empty chat."""
    stream = answer_stream(runtime, LOCAL, QUESTION, [])
    _, stopped = next(each for each in stream if len(each[1]) == 2)
    stream.close()
    *_, (_, failed) = answer_stream(runtime, NOBODY, QUESTION, [])
    for history in (stopped, failed, []):
        assert with_options(history, options_of(runtime, LOCAL, history)) == gr.skip()


def test_who_names_anothers_answer_gets_nothing(runtime: Runtime) -> None:
    """An id that the page sends opens only answers of whoever sends it."""
    history = talk(runtime, Identity("user:ada", {"ask": None}))
    assert options_of(runtime, Identity("user:eve", {"ask": None}), history) == {}


def test_a_failing_search_leaves_the_answer(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When nothing can be looked for, nothing is offered and nothing is raised."""

    def fail(*_: object) -> NoReturn:
        raise StoreError

    history = talk(runtime)
    monkeypatch.setattr(runtime.service(), "follow_ups", fail)
    assert options_of(runtime, LOCAL, history) == {}


def test_starters_are_for_who_may_ask(runtime: Runtime) -> None:
    """They come from the collections that one may see; who may not ask gets none."""
    (bridge,) = ids(runtime, "bridge")
    found = starters_of(runtime, Identity("user:ada", {"ask": (bridge,)}))
    assert found
    assert not any("tunnel" in each for each in found)
    assert starters_of(runtime, NOBODY) == []
