"""A chat model that says what a test tells it to: OpenAI's streaming API on 127.0.0.1.

    with ModelServer() as server:
        server.play("The sea is salt. [1]")               # a text, streamed word by word
        server.play(Script(["One ", "two"], end="hang"))  # how a stream goes wrong
        server.play(lambda messages: messages[-1]["content"])  # whatever it is told, it obeys
        CITEWELL_LLM=openai:scripted CITEWELL_LLM_BASE_URL=server.url

Scripts are played in turn, one a request; the last one is played to every later request. With
`raw` bytes the same server speaks any other provider's stream, under any path.
"""

from __future__ import annotations

import json
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

MOMENT = 0.02  # seconds between two looks for a client that has left
FOR_EVER = 30.0  # seconds that a hanging reply hangs at most, so that no test does


@dataclass(frozen=True, slots=True)
class Script:
    """One reply.

    Args:
        pieces: The text, as it is streamed; empty for a reply without any.
        before: Seconds of silence before the response's status line.
        first: Seconds of silence after the headers, before the first piece.
        pause: Seconds of silence between pieces.
        status: Another than 200 sends `error` instead of a stream.
        headers: Further headers, such as {"retry-after": "1"}.
        finish: The finish_reason: stop, length, content_filter; None leaves it out.
        usage: The prompt's and the reply's tokens; None does not count them.
        end: "done" ends as it should; "cut" drops the connection after the pieces; "hang" says
            nothing more; "quiet" ends the response without [DONE] and finish_reason.
        thinking: Reasoning that is streamed before the pieces, where DeepSeek's API has it.
        raw: What is sent as it is in place of all that, chunk by chunk.
        content_type: The type of the raw chunks.
    """

    pieces: Sequence[str] = ()
    before: float = 0.0
    first: float = 0.0
    pause: float = 0.0
    status: int = 200
    error: str = "scripted failure"
    headers: Mapping[str, str] = field(default_factory=dict)
    finish: str | None = "stop"
    usage: tuple[int, int] | None = (11, 7)
    end: Literal["done", "cut", "hang", "quiet"] = "done"
    thinking: Sequence[str] = ()
    raw: Sequence[bytes] | None = None
    content_type: str = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that the server received."""

    path: str
    headers: dict[str, str]  # lower-case names
    body: dict[str, Any]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages, {"role", "content"} each."""
        found: list[dict[str, Any]] = self.body.get("messages", [])
        return found

    @property
    def text(self) -> str:
        """Everything that the model was told, in one text."""
        return "\n".join(str(message["content"]) for message in self.messages)


Line = str | Script | Callable[[list[dict[str, Any]]], "str | Script"]


class GoneError(Exception):
    """The client has left."""


class ModelServer:
    """Plays scripts; `requests` holds what was asked, `disconnects` counts clients that left."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self.disconnects = 0
        self.at_once = 0  # the most requests that were open together
        self._open = 0
        self._lines: list[Line] = []
        self._lock = threading.Lock()
        self._left = threading.Condition(self._lock)
        self._http = _Http(self)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def origin(self) -> str:
        """The address without a path, as Anthropic's and Ollama's clients take it."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def url(self) -> str:
        """The base URL as OpenAI's clients take it."""
        return f"{self.origin}/v1"

    def play(self, *lines: Line) -> None:
        """Play these from the next request on; what was left of an earlier script is dropped."""
        with self._lock:
            self._lines = list(lines)

    def wait_for_disconnect(self, seconds: float = 2.0) -> bool:
        """Whether a client that was being answered leaves, or has left, within some seconds."""
        with self._left:
            return self._left.wait_for(lambda: self.disconnects > 0, seconds)

    def next_script(self, asked: Asked) -> Script:
        """Note a request and return what to reply to it; called by the handlers."""
        with self._lock:
            self.requests.append(asked)
            line: Line = self._lines[0] if self._lines else "Nothing was scripted."
            if len(self._lines) > 1:
                del self._lines[0]
        if not isinstance(line, str | Script):
            line = line(asked.messages)
        return Script(re.findall(r"\S+\s*|\s+", line)) if isinstance(line, str) else line

    def begin(self) -> None:
        """Count a request in."""
        with self._lock:
            self._open += 1
            self.at_once = max(self.at_once, self._open)

    def end(self, has_left: bool) -> None:
        """Count a request out."""
        with self._left:
            self._open -= 1
            self.disconnects += has_left
            self._left.notify_all()

    def __enter__(self) -> ModelServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.stopping.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, owner: ModelServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner
        self.stopping = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Clients that leave are part of the play."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Play the next script."""
        owner = self.server.owner
        owner.begin()
        has_left = False
        try:
            length = int(self.headers.get("content-length", "0"))
            body = json.loads(self.rfile.read(length) or b"{}")
            headers = {name.lower(): value for name, value in self.headers.items()}
            script = owner.next_script(Asked(self.path, headers, body))
            self._wait(script.before)
            if script.status != 200:
                self._refuse(script)
            else:
                self._stream(script, str(body.get("model", "scripted")))
        except (GoneError, BrokenPipeError, ConnectionResetError):
            has_left = True
            self.close_connection = True
        finally:
            owner.end(has_left)

    def _refuse(self, script: Script) -> None:
        body = json.dumps({"error": {"message": script.error, "type": "scripted"}}).encode()
        self.send_response(script.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        for name, value in script.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, script: Script, model: str) -> None:
        self.send_response(200)
        self.send_header("content-type", script.content_type)
        self.send_header("transfer-encoding", "chunked")
        self.send_header("connection", "close")  # else clients that are forgotten leave sockets
        for name, value in script.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self._wait(script.first)
        chunks: Iterable[bytes] = _openai(script, model) if script.raw is None else script.raw
        for index, chunk in enumerate(chunks):
            if index:
                self._wait(script.pause)
            self._send(chunk)
        self._finish(script, model)

    def _finish(self, script: Script, model: str) -> None:
        if script.end == "hang":
            self._wait(FOR_EVER)
        if script.end in {"cut", "hang"}:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        if script.end == "done" and script.raw is None:
            for chunk in _openai_end(script, model):
                self._send(chunk)
        self._send(b"")

    def _send(self, chunk: bytes) -> None:
        """Send one chunk of the response; an empty one ends it."""
        self._look()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.flush()

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._look()
            if self.server.stopping.wait(min(left, MOMENT)):
                raise GoneError

    def _look(self) -> None:
        """Raise a GoneError if the client has closed the connection."""
        looking = select.poll()  # select.select takes no file descriptor above 1023
        looking.register(self.connection, select.POLLIN)
        if looking.poll(0) and not self.connection.recv(1, socket.MSG_PEEK):
            raise GoneError


def _event(model: str, choices: list[dict[str, Any]], **more: Any) -> bytes:  # noqa: ANN401
    body = {
        "id": "scripted", "object": "chat.completion.chunk", "created": 0, "model": model,
        "choices": choices, **more,
    }  # fmt: skip
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


def _delta(model: str, delta: dict[str, str], finish: str | None = None) -> bytes:
    return _event(model, [{"index": 0, "delta": delta, "finish_reason": finish}])


def _openai(script: Script, model: str) -> Iterator[bytes]:
    yield _delta(model, {"role": "assistant", "content": ""})
    for piece in script.thinking:
        yield _delta(model, {"reasoning_content": piece})
    for piece in script.pieces:
        yield _delta(model, {"content": piece})


def _openai_end(script: Script, model: str) -> list[bytes]:
    chunks = [_delta(model, {}, script.finish)] if script.finish else []
    if script.usage is not None:
        asked, said = script.usage
        counted = {
            "prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said
        }  # fmt: skip
        chunks.append(_event(model, [], usage=counted))
    return [*chunks, b"data: [DONE]\n\n"]
