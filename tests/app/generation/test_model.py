"""A chat model is called within deadlines, stopped at once, and tells what went wrong in words."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables.config import set_config_context

from app.generation.model import ChatModel, Message, Usage, open_model
from app.generation.reply import Reply, running_loop
from app.settings import Settings
from tests.model_server import ModelServer, Script
from tests.real_model import KEY, RealModel
from vectorstore.errors import ModelError, SettingsError

PROMPT = [Message("system", "Answer from the passages."), Message("user", "Is the sea salt?")]
PATIENCE = 10.0  # seconds

Open = Callable[..., ChatModel]


@pytest.fixture
def model(model_server: ModelServer) -> Open:
    """Open the scripted model with small deadlines, and other settings where told."""

    def open_one(**settings: Any) -> ChatModel:  # noqa: ANN401
        small = {"llm_first_token": 0.8, "llm_seconds": 3.0, "llm_retries": 0}
        where = {"llm": "openai:scripted", "llm_base_url": model_server.url}
        return open_model(Settings(**{**where, **small, **settings}))

    return open_one


def said(reply: Reply) -> str:
    """Return the text of a reply."""
    return "".join(piece for piece in reply if piece)


def failed(model: ChatModel, **options: Any) -> ModelError:  # noqa: ANN401
    """Return the error of a call."""
    with pytest.raises(ModelError) as caught:
        said(model.stream(PROMPT, **options))
    return caught.value


# -- what is said ----------------------------------------------------------------------------


def test_text_is_streamed_and_counted(model: Open, model_server: ModelServer) -> None:
    """Pieces arrive as they are sent; tokens are the provider's, the cost follows the prices."""
    model_server.play(Script(["The sea ", "is salt. [1]"], usage=(2000, 500)))
    reply = model(llm_prices=(1.0, 4.0)).stream(PROMPT)
    assert list(reply) == ["The sea ", "is salt. [1]"]
    assert reply.usage == Usage(1, 2000, 500, 0.004, True)
    assert not reply.cut


def test_the_model_is_told_what_was_given(model: Open, model_server: ModelServer) -> None:
    """Messages, temperature and limit travel; the key of the provider itself does not."""
    model_server.play("Yes.")
    said(model().stream(PROMPT, max_tokens=99))
    asked = model_server.requests[0]
    assert asked.path == "/v1/chat/completions"
    assert [(one["role"], one["content"]) for one in asked.messages] == [
        (one.role, one.text) for one in PROMPT
    ]
    assert (asked.body["temperature"], asked.body["max_completion_tokens"]) == (0, 99)


def test_a_provider_that_does_not_count(model: Open, model_server: ModelServer) -> None:
    """Without the provider's counts there are none, and no cost."""
    model_server.play(Script(["Yes."], usage=None))
    reply = model(llm_prices=(1.0, 1.0)).stream(PROMPT)
    said(reply)
    assert reply.usage == Usage(1, 0, 0, None, False)


def test_silence_is_told_while_it_lasts(model: Open, model_server: ModelServer) -> None:
    """Who reads gets None about twice a second while the model says nothing."""
    model_server.play(Script(["Yes."], first=1.2))
    assert list(model(llm_first_token=5, llm_seconds=5).stream(PROMPT)) == [None, None, "Yes."]


def test_reasoning_is_no_text(model: Open, model_server: ModelServer) -> None:
    """Reasoning is left out, in a field of its own or between <think> tags, however cut."""
    model_server.play(
        Script(["Yes."], thinking=["Salt is ", "NaCl."]),
        Script(["<th", "ink>Salt is", " NaCl.</thi", "nk>", "Yes."]),
        Script(["<b", "right>"]),
        Script(["<"]),
    )
    opened = model()
    assert [said(opened.stream(PROMPT)) for _ in range(4)] == ["Yes.", "Yes.", "<bright>", "<"]


def test_a_reply_that_was_cut_says_so(model: Open, model_server: ModelServer) -> None:
    """A reply that ended for its length is no error, but marked."""
    model_server.play(Script(["The sea is"], finish="length"))
    reply = model().stream(PROMPT)
    assert said(reply) == "The sea is"
    assert reply.cut


def test_a_gigantic_reply_is_cut(model: Open, model_server: ModelServer) -> None:
    """A server that does not keep to the limit is left at once, after what it may have said."""
    model_server.play(Script([f"word {number} " * 9 for number in range(50_000)]))
    reply = model(llm_max_tokens=20).stream(PROMPT)
    assert len(said(reply)) == 320
    assert reply.cut
    assert model_server.wait_for_disconnect()


def test_a_reply_may_have_its_own_deadline(model: Open, model_server: ModelServer) -> None:
    """A call waits no longer than it is told, although an answer may take longer."""
    model_server.play(Script(["Yes."], first=5))
    opened, begun = model(llm_first_token=2), time.monotonic()
    opened._model(20)
    error = failed(opened, max_tokens=20, seconds=0.2)
    assert "no whole reply within 0.2 s" in error.reason
    assert time.monotonic() - begun < 1


def test_callbacks_hear_of_the_call(model: Open, model_server: ModelServer) -> None:
    """LangChain's callbacks around it are told of tokens and errors, so calls can be traced."""
    heard: list[str] = []

    class Tracer(BaseCallbackHandler):
        run_inline = True

        def on_llm_new_token(self, token: str, **_: Any) -> None:  # noqa: ANN401
            heard.append(token)

        def on_llm_error(self, error: BaseException, **_: Any) -> None:  # noqa: ANN401
            heard.append(type(error).__name__)

    model_server.play("Yes.", Script(status=500))
    opened = model()
    with set_config_context({"callbacks": [Tracer()]}) as around:
        around.run(said, around.run(opened.stream, PROMPT))
        assert "Yes." in heard
        around.run(failed, opened)
    assert "Error" in heard[-1]


# -- what goes wrong -------------------------------------------------------------------------

WRONG = {
    "no_first_token": Script(["Yes."], first=5),
    "silent": Script(["The sea [", "1"], end="hang"),
    "rate_limited": Script(status=429),
    "key": Script(status=401),
    "unknown": Script(status=404),
    "too_long": Script(status=400, error="maximum context length exceeded"),
    "refused": Script(status=400),
    "server": Script(status=500),
    "broken": Script(["The sea is salt. ["], end="cut"),
    "malformed": Script(raw=[b"data: {not json}\n\n"]),
    "empty": Script([]),
    "filtered": Script(["The "], finish="content_filter"),
    "repetition": Script(["The sea is salt. "] * 500),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_goes_wrong_has_a_kind(kind: str, model: Open, model_server: ModelServer) -> None:
    """Each failure has its kind, a reason that can stand in a notice, and an advice."""
    model_server.play(WRONG[kind])
    error = failed(model())
    assert error.kind == kind
    assert error.reason.startswith("chat model: ")
    assert str(error).startswith("The chat model openai:scripted did not answer: ")
    assert error.reason.removeprefix("chat model: ") in str(error)
    assert str(error).count(".") >= 2


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (Script(status=403), "key"),
        (Script(status=503), "server"),
        (Script(status=529), "server"),
        (Script(status=413), "too_long"),
        (Script(status=400, error="code: content_filter"), "filtered"),
        (Script(["Yes"], end="quiet"), "broken"),
        (Script(end="cut"), "unreachable"),
        (Script([" \n"]), "empty"),
        (Script(["<think>Is it?"]), "empty"),
        (Script(raw=[b'data: {"error": {"message": "overloaded"}}\n\n']), "server"),
        (Script(raw=[b"data: \xff\xfe\n\n"]), "malformed"),
        (Script(raw=[b'data: [1, "2"]\n\n']), "malformed"),
        (Script(raw=[b"<html>a page</html>"], content_type="text/html"), "empty"),
        (Script(["Yes."], thinking=["hm "] * 100, pause=0.05), "no_first_token"),
    ],
)
def test_each_way_of_failing_is_of_a_kind(
    script: Script, kind: str, model: Open, model_server: ModelServer
) -> None:
    """Other statuses, and streams that are cut, garbled or without a word."""
    model_server.play(script)
    assert failed(model()).kind == kind


def test_nobody_listens_there(model: Open, model_server: ModelServer) -> None:
    """An address where nothing runs is told as such."""
    where = model_server.url.replace(model_server.url.split(":")[2], "9/v1")
    error = failed(model(llm_base_url=where))
    assert (error.kind, error.reason) == ("unreachable", "chat model: it cannot be reached")


def test_no_secret_and_no_prompt_is_told(
    model: Open, model_server: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A provider's error may quote key and prompt; neither is in an error, its causes or a log."""
    caplog.set_level(logging.INFO)
    key = "sk-secret-4711"
    quoting = Script(status=400, error=f"bad {key} in {PROMPT[1].text}")
    model_server.play(quoting, Script(raw=[f"data: {key} {PROMPT[1].text}\n\n".encode()]))
    opened = model(llm_api_key=key)
    for _ in range(2):
        error: BaseException | None = failed(opened)
        while error is not None:
            assert key not in f"{error!r} {error}"
            assert PROMPT[1].text not in f"{error!r} {error}"
            error = error.__cause__ or error.__context__
    assert model_server.requests[0].headers["authorization"] == f"Bearer {key}"
    types = "OpenAIInvalidRequestError from BadRequestError from HTTPStatusError"
    assert f"the chat model failed: refused ({types})" in caplog.text
    assert key not in caplog.text
    assert PROMPT[1].text not in caplog.text


# -- deadlines -------------------------------------------------------------------------------


def test_a_deadline_is_kept_to_a_tenth(model: Open, model_server: ModelServer) -> None:
    """A model that hangs is given up within 100 ms of the deadline; the best of three counts."""
    model_server.play(Script(["Yes."], before=5))
    late = []
    for _ in range(3):
        opened, begun = model(llm_first_token=0.3), time.monotonic()
        assert "no first token within 0.3 s" in failed(opened).reason
        late.append(time.monotonic() - begun - 0.3)
    assert 0 <= min(late) < 0.1


def test_a_deadline_holds_though_the_loop_hangs(model: Open, model_server: ModelServer) -> None:
    """Whoever reads keeps the time themselves."""
    model_server.play("Yes.")
    opened, released = model(llm_first_token=0.3), threading.Event()
    running_loop().call_soon_threadsafe(released.wait, PATIENCE)
    try:
        begun = time.monotonic()
        assert failed(opened).kind == "no_place"
        assert time.monotonic() - begun < 1
    finally:
        released.set()
    assert said(opened.stream(PROMPT)) == "Yes."


def test_the_whole_has_a_deadline(model: Open, model_server: ModelServer) -> None:
    """A model that goes on and on is given up, although it is never silent."""
    model_server.play(Script([f"{number} " for number in range(1000)], pause=0.02))
    opened, begun = model(llm_seconds=1), time.monotonic()
    error = failed(opened)
    assert error.kind == "too_slow"
    assert "no whole reply within 1 s" in error.reason
    assert time.monotonic() - begun < 1.6
    assert model_server.wait_for_disconnect()


def test_calls_wait_for_a_place(model: Open, model_server: ModelServer) -> None:
    """No more calls are open at once than allowed, and all are answered."""
    model_server.play(Script(["Yes."], first=0.05))
    opened, texts = model(llm_concurrency=2, llm_first_token=2), []
    threads = [
        threading.Thread(target=lambda: texts.append(said(opened.stream(PROMPT)))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["Yes."] * 6
    assert model_server.at_once == 2


def test_waiting_for_a_place_counts(model: Open, model_server: ModelServer) -> None:
    """A call that gets no place before the deadline fails, and says that this is why."""
    model_server.play(Script(["The "], end="hang"))
    opened = model(llm_concurrency=1, llm_first_token=0.8, llm_seconds=5)
    held = iter(opened.stream(PROMPT))
    assert next(held) == "The "
    error = failed(opened)
    assert error.kind == "no_place"
    assert "no free place within 0.8 s (CITEWELL_LLM_CONCURRENCY is 1)" in error.reason
    assert len(model_server.requests) == 1


# -- tried again -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [Script(status=429, headers={"retry-after": "0.1"}), Script(status=503), Script(end="cut")],
    ids=["rate limited", "server", "broken off"],
)
def test_a_passing_failure_is_tried_again(
    first: Script, model: Open, model_server: ModelServer
) -> None:
    """What failed before its first word is tried again, and both calls are counted."""
    model_server.play(first, "Yes.")
    reply = model(llm_retries=1, llm_first_token=2).stream(PROMPT)
    assert said(reply) == "Yes."
    assert reply.usage.calls == len(model_server.requests) == 2


@pytest.mark.parametrize(
    ("script", "calls"),
    [
        (Script(status=503), 3),
        (Script(status=429, headers={"retry-after": "60"}), 1),
        (Script(status=401), 1),
        (Script(["The "], end="cut"), 1),
        (Script([]), 1),
    ],
    ids=["as often as set", "not past the deadline", "lasting", "after a word", "empty"],
)
def test_trying_again_has_its_limits(
    script: Script, calls: int, model: Open, model_server: ModelServer
) -> None:
    """It is tried as often as set, within the deadline, and where that may help."""
    model_server.play(script)
    failed(model(llm_retries=2, llm_first_token=1.9))
    assert len(model_server.requests) == calls


def test_the_provider_says_when_to_ask_again(model: Open, model_server: ModelServer) -> None:
    """The seconds of Retry-After are in the error."""
    model_server.play(Script(status=429, headers={"retry-after": "60"}))
    assert failed(model()).retry_after == 60


# -- stopped ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [Script(before=20), Script(first=20), Script(["The "], end="hang")],
    ids=["before the headers", "before the first word", "after it"],
)
def test_closing_stops_the_call(script: Script, model: Open, model_server: ModelServer) -> None:
    """Whenever a reply is closed, the model's server sees its client leave at once."""
    model_server.play(script)
    reply = model(llm_first_token=20, llm_seconds=20).stream(PROMPT)
    wait_until(lambda: bool(model_server.requests))
    begun = time.monotonic()
    reply.close()
    assert model_server.wait_for_disconnect()
    assert time.monotonic() - begun < 1
    reply.close()  # once more does no harm


def test_leaving_the_loop_stops_the_call(model: Open, model_server: ModelServer) -> None:
    """Who stops reading need not close."""
    model_server.play(Script(["The "], end="hang"))
    for _ in model().stream(PROMPT):
        break
    assert model_server.wait_for_disconnect()


def test_a_deadline_stops_the_call(model: Open, model_server: ModelServer) -> None:
    """A model that is given up is not left running."""
    model_server.play(Script(["The "], end="hang"))
    failed(model())
    assert model_server.wait_for_disconnect()


def test_a_reply_that_nobody_reads_ends(model: Open, model_server: ModelServer) -> None:
    """A call that is neither read nor closed ends with its deadline."""
    model_server.play(Script(["The "], end="hang"))
    reply = model(llm_seconds=0.8).stream(PROMPT)
    assert model_server.wait_for_disconnect()
    assert reply.usage.calls == 1


def test_a_call_that_was_stopped_frees_its_place(model: Open, model_server: ModelServer) -> None:
    """The next call gets the place."""
    model_server.play(Script(["The "], end="hang"), "Yes.")
    opened = model(llm_concurrency=1)
    first = opened.stream(PROMPT)
    wait_until(lambda: bool(model_server.requests))
    first.close()
    assert said(opened.stream(PROMPT)) == "Yes."


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# -- opening ---------------------------------------------------------------------------------


def test_a_key_for_the_provider_goes_nowhere_else(
    model: Open, model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider's own variable is not sent to another address."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-openai-alone")
    model_server.play("Yes.")
    said(model().stream(PROMPT))
    assert model_server.requests[0].headers["authorization"] == "Bearer none"
    assert "sk-for-openai-alone" not in str(model_server.requests[0])


@pytest.mark.parametrize(
    ("llm", "told"),
    [
        (None, "Set CITEWELL_LLM"),
        ("openai:gpt-5-mini", "set OPENAI_API_KEY"),
        ("anthropic:claude", "set ANTHROPIC_API_KEY"),
        (
            "groq:llama",
            r"langchain-groq is not installed\. Run: pip install langchain l",
        ),
        ("nobody:model", "knows no such provider"),
    ],
)
def test_what_is_missing_is_told(llm: str | None, told: str) -> None:
    """The error names the setting, the variable of the key, or the package to install."""
    with pytest.raises(SettingsError, match=told):
        open_model(Settings(llm=llm))


@pytest.mark.parametrize("missing", ["langchain.chat_models", "langchain_openai"])
def test_an_extra_that_is_missing_is_told(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packages of an extra, the error names the extra."""
    from langchain.chat_models import base

    base._get_chat_model_creator.cache_clear()
    monkeypatch.setitem(sys.modules, missing, None)
    package = missing.partition(".")[0].replace("_", "-")
    told = rf"{package} is not installed\. Run: pip install .*\.\[openai\]"
    with pytest.raises(SettingsError, match=told):
        open_model(Settings(llm="openai:m", llm_api_key="k"))  # type: ignore[arg-type]


def test_a_key_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a provider's class says of its arguments is not passed on."""
    import langchain.chat_models

    def refuse(*_: object, **options: object) -> None:
        msg = f"bad options {options}"
        raise ValueError(msg)

    monkeypatch.setattr(langchain.chat_models, "init_chat_model", refuse)
    with pytest.raises(SettingsError, match="cannot be set up") as caught:
        open_model(Settings(llm="openai:m", llm_api_key="sk-secret"))  # type: ignore[arg-type]
    assert "sk-secret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_no_gateway_is_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """LangChain would send calls to its maker's gateway if a variable says so: that is refused."""
    monkeypatch.setenv("LANGSMITH_GATEWAY", "true")
    with pytest.raises(SettingsError, match="LANGSMITH_GATEWAY"):
        open_model(Settings(llm="openai:m", llm_api_key="k"))  # type: ignore[arg-type]


# -- a real model ----------------------------------------------------------------------------


def test_a_real_model_answers(real_model: RealModel) -> None:
    """A real server's stream is read, counted, and ends by itself."""
    model = open_model(Settings(**real_model.settings))
    asked = Message("user", "What is the capital of France?")
    reply = model.stream([Message("system", "You answer in one short sentence."), asked])
    assert "Paris" in said(reply)
    assert reply.usage.counted
    assert reply.usage.output_tokens > 1
    assert not reply.cut


def test_a_real_model_keeps_to_the_limit(real_model: RealModel) -> None:
    """A limit of tokens reaches it, and a reply that ends there is marked."""
    model = open_model(Settings(**real_model.settings))
    reply = model.stream([Message("user", "Count from 1 to 100.")], max_tokens=16)
    said(reply)
    assert reply.usage.output_tokens == 16
    assert reply.cut


def test_a_real_model_stops(real_model: RealModel) -> None:
    """A reply that is closed frees the slot in which it was written."""
    slots, headers = real_model.url.replace("/v1", "/slots"), {"authorization": f"Bearer {KEY}"}

    def is_writing() -> bool:
        found = httpx.get(slots, headers=headers).json()
        return any(slot["is_processing"] for slot in found)

    model = open_model(Settings(**{**real_model.settings, "llm_max_tokens": 1000}))
    pieces = iter(model.stream([Message("user", "Tell a very long story about a horse.")]))
    assert next(piece for piece in pieces if piece)
    assert is_writing()
    del pieces
    begun = time.monotonic()
    wait_until(lambda: not is_writing())
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize(
    ("wrong", "prompt", "kind"),
    [({"llm_api_key": "wrong"}, "Hello", "key"), ({}, "salt " * 3000, "too_long")],
)
def test_a_real_model_refuses(
    wrong: dict[str, Any], prompt: str, kind: str, real_model: RealModel
) -> None:
    """A wrong key and a prompt that is too long are told from a real server's replies."""
    model = open_model(Settings(**{**real_model.settings, **wrong}))
    with pytest.raises(ModelError) as caught:
        said(model.stream([Message("user", prompt)], max_tokens=16, seconds=30))
    assert caught.value.kind == kind
