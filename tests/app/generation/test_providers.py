"""Anthropic's and Ollama's own streams are read through LangChain's clients for them.

The streams are built from the event types that the providers' SDKs publish, not recorded: they
show that what those types say is read, not what a provider sends today.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from anthropic import types
from anthropic.types.raw_message_delta_event import Delta
from ollama import ChatResponse
from ollama import Message as Said
from pydantic import BaseModel

from app.generation.model import ChatModel, Message, Usage, open_model
from app.generation.reply import Reply
from app.settings import Settings
from tests.model_server import ModelServer, Script
from vectorstore.errors import ModelError

PROMPT = [Message("system", "Answer from the passages."), Message("user", "Is the sea salt?")]

Open = Callable[..., ChatModel]


@pytest.fixture
def model(model_server: ModelServer) -> Open:
    """Open a model whose provider is the scripted server."""

    def open_one(llm: str, **settings: Any) -> ChatModel:  # noqa: ANN401
        small = {"llm_first_token": 8.0, "llm_seconds": 8.0, "llm_retries": 0}
        where = {"llm": llm, "llm_base_url": model_server.origin}
        return open_model(Settings(**{**where, **small, **settings}))

    return open_one


def said(reply: Reply) -> str:
    """Return the text of a reply."""
    return "".join(piece for piece in reply if piece)


def events(*told: BaseModel) -> list[bytes]:
    """Return Anthropic's events as they are sent."""
    return [
        f"event: {one.type}\ndata: {one.model_dump_json(exclude_none=True)}\n\n".encode()  # type: ignore[attr-defined]
        for one in told
    ]


def anthropic_stream(pieces: Sequence[str], stop: Any = "end_turn") -> list[bytes]:  # noqa: ANN401
    """Return a reply of Anthropic's: it thinks, says some pieces, and stops."""
    begin = types.Message.model_construct(
        id="msg_1", type="message", role="assistant", model="claude", content=[],
        usage=types.Usage(input_tokens=25, output_tokens=1),
    )  # fmt: skip
    thinking = types.ThinkingBlock(type="thinking", thinking="", signature="")
    counted = types.MessageDeltaUsage(input_tokens=25, output_tokens=9)
    return events(
        types.RawMessageStartEvent.model_construct(type="message_start", message=begin),
        types.RawContentBlockStartEvent(
            type="content_block_start", index=0, content_block=thinking
        ),
        types.RawContentBlockDeltaEvent(
            type="content_block_delta", index=0,
            delta=types.ThinkingDelta(type="thinking_delta", thinking="Salt is NaCl.")
        ),
        types.RawContentBlockStopEvent(type="content_block_stop", index=0),
        types.RawContentBlockStartEvent(
            type="content_block_start", index=1, content_block=types.TextBlock(type="text", text="")
        ),
        *(
            types.RawContentBlockDeltaEvent(
                type="content_block_delta", index=1,
                delta=types.TextDelta(type="text_delta", text=piece)
            )
            for piece in pieces
        ),
        types.RawContentBlockStopEvent(type="content_block_stop", index=1),
        types.RawMessageDeltaEvent(
            type="message_delta", delta=Delta(stop_reason=stop), usage=counted
        ),
        types.RawMessageStopEvent(type="message_stop"),
    )  # fmt: skip


def ollama_stream(pieces: Sequence[str], stop: str = "stop") -> list[bytes]:
    """Return a reply of Ollama's: it thinks, says some pieces, and stops."""
    lines = [
        ChatResponse(model="m", done=False, message=Said(role="assistant", thinking="Salt?")),
        *(
            ChatResponse(model="m", done=False, message=Said(role="assistant", content=piece))
            for piece in pieces
        ),
        ChatResponse(
            model="m", done=True, done_reason=stop, prompt_eval_count=25, eval_count=9,
            message=Said(role="assistant", content=""),
        ),
    ]  # fmt: skip
    return [line.model_dump_json(exclude_none=True).encode() + b"\n" for line in lines]


STREAMS = {"anthropic:claude": anthropic_stream, "ollama:m": ollama_stream}
ENDING = {"anthropic:claude": 3, "ollama:m": 1}  # events after the last piece


def script(llm: str, raw: list[bytes], **more: Any) -> Script:  # noqa: ANN401
    """Return a script that sends a provider's stream."""
    kind = "application/x-ndjson" if llm.startswith("ollama") else "text/event-stream"
    return Script(raw=raw, content_type=kind, **more)


@pytest.mark.parametrize("llm", STREAMS)
def test_text_is_read_and_counted(llm: str, model: Open, model_server: ModelServer) -> None:
    """Text arrives in its pieces, thinking does not, and tokens are those of the provider."""
    model_server.play(script(llm, STREAMS[llm](["The sea ", "is salt."])))
    reply = model(llm, llm_prices=(2.0, 10.0)).stream(PROMPT)
    assert [piece for piece in reply if piece] == ["The sea ", "is salt."]
    assert reply.usage == Usage(1, 25, 9, 0.00014, True)
    assert not reply.cut


@pytest.mark.parametrize(
    ("llm", "stop"), [("anthropic:claude", "max_tokens"), ("ollama:m", "length")]
)
def test_a_reply_that_was_cut_says_so(
    llm: str, stop: str, model: Open, model_server: ModelServer
) -> None:
    """Each provider's word for a reply that ended for its length is known."""
    model_server.play(script(llm, STREAMS[llm](["The sea"], stop)))
    reply = model(llm).stream(PROMPT)
    assert said(reply) == "The sea"
    assert reply.cut


def kind_of(model: ChatModel) -> str:
    """Return the kind of the error of a call."""
    with pytest.raises(ModelError) as caught:
        said(model.stream(PROMPT))
    return caught.value.kind


def test_anthropic_refuses(model: Open, model_server: ModelServer) -> None:
    """A refusal is told as the filter's, although words came before it."""
    raw = anthropic_stream(["I "], "refusal")
    model_server.play(script("anthropic:claude", raw))
    assert kind_of(model("anthropic:claude")) == "filtered"


@pytest.mark.parametrize("llm", STREAMS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "key"), (404, "unknown"), (429, "rate_limited"), (500, "server"), (529, "server")],
)
def test_statuses_are_told(
    status: int, kind: str, llm: str, model: Open, model_server: ModelServer
) -> None:
    """What a provider refuses has the same kind, whoever it is."""
    model_server.play(Script(status=status))
    assert kind_of(model(llm)) == kind


@pytest.mark.parametrize(
    ("llm", "line"),
    [
        (
            "anthropic:claude",
            b'event: error\ndata: {"type":"error","error":'
            b'{"type":"overloaded_error","message":"Overloaded"}}\n\n',
        ),
        ("ollama:m", b'{"error":"the runner has died"}\n'),
    ],
)
def test_an_error_within_the_stream_is_told(
    llm: str, line: bytes, model: Open, model_server: ModelServer
) -> None:
    """A provider may begin to answer and then fail."""
    model_server.play(script(llm, [*STREAMS[llm](["The "])[: -ENDING[llm]], line]))
    assert kind_of(model(llm)) == "server"


@pytest.mark.parametrize("llm", STREAMS)
@pytest.mark.parametrize("end", ["cut", "done"])
def test_a_stream_that_breaks_off_is_told(
    end: Any,  # noqa: ANN401
    llm: str,
    model: Open,
    model_server: ModelServer,
) -> None:
    """A stream that ends without saying why is no whole answer."""
    model_server.play(script(llm, STREAMS[llm](["The sea "])[: -ENDING[llm]], end=end))
    assert kind_of(model(llm)) == "broken"


@pytest.mark.parametrize("llm", STREAMS)
@pytest.mark.parametrize("pieces", [[], ["The "]], ids=["at once", "in the middle"])
def test_closing_stops_the_call(
    pieces: list[str], llm: str, model: Open, model_server: ModelServer
) -> None:
    """These clients' connections are closed at once, too."""
    raw = STREAMS[llm](pieces)[: -ENDING[llm]] if pieces else STREAMS[llm]([])[:1]
    model_server.play(script(llm, raw, end="hang"))
    reply = iter(model(llm).stream(PROMPT))
    assert next(piece for piece in reply if model_server.requests and (piece or not pieces)) == (
        pieces[0] if pieces else None
    )
    del reply
    assert model_server.wait_for_disconnect()


@pytest.mark.parametrize(
    ("llm", "variable"),
    [
        ("anthropic:claude", "ANTHROPIC_API_KEY"),
        ("anthropic:claude", "ANTHROPIC_AUTH_TOKEN"),
        ("ollama:m", "OLLAMA_API_KEY"),
    ],
)
def test_keys_go_where_they_belong(
    llm: str,
    variable: str,
    model: Open,
    model_server: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The key that is set is sent; the provider's own variable is not sent elsewhere."""
    monkeypatch.setenv(variable, "for-the-provider-alone")
    model_server.play(script(llm, STREAMS[llm](["Yes."])))
    said(model(llm).stream(PROMPT))
    said(model(llm, llm_api_key="ours").stream(PROMPT))
    without, with_key = (asked.headers for asked in model_server.requests)
    assert "for-the-provider-alone" not in f"{without} {with_key}"
    assert any(value.endswith("ours") for value in with_key.values())


def test_ollama_reads_the_whole_prompt(model: Open, model_server: ModelServer) -> None:
    """Ollama is told how long the prompt may be: it drops the beginning of a longer one."""
    model_server.play(script("ollama:m", ollama_stream(["Yes."])))
    said(model("ollama:m", llm_context=3000, llm_max_tokens=100).stream(PROMPT))
    options = model_server.requests[0].body["options"]
    assert (options["num_ctx"], options["num_predict"], options["temperature"]) == (3100, 100, 0)


def test_a_temperature_can_be_left_out(model: Open, model_server: ModelServer) -> None:
    """Models that refuse a temperature are sent none."""
    model_server.play(script("anthropic:claude", anthropic_stream(["Yes."])))
    said(model("anthropic:claude", llm_temperature="default").stream(PROMPT))
    assert "temperature" not in model_server.requests[0].body
    assert model_server.requests[0].body["max_tokens"] == 700
