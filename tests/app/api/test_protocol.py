"""A real server on a real port, and clients that mean it harm."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import cast

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from app.api import protocol
from app.api.guard import Guard
from app.api.protocol import CarefulProtocol, Connections, allow_files
from app.api.server import bind, config
from app.settings import Settings

PATIENCE = 20.0
MB = 1_000_000
IDLE = 2_000
ASK = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


@dataclass
class Served:
    """A server with an application that notes what it reads and sends."""

    port: int = 0
    read: int = 0
    sent: int = 0
    left: threading.Event = field(default_factory=threading.Event)

    def connect(self, buffer: int | None = None) -> socket.socket:
        """Return a connection; `buffer` bytes wait on our side at most."""
        client = socket.socket()
        if buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", self.port))
        return client

    def app(self) -> Starlette:
        """Return the application."""

        async def hello(_: Request) -> Response:
            return PlainTextResponse("hello")

        async def count(request: Request) -> Response:
            try:
                async for part in request.stream():
                    self.read += len(part)
            except ClientDisconnect:
                self.left.set()
                return PlainTextResponse("gone", status_code=400)
            return PlainTextResponse(str(self.read))

        async def refuse(_: Request) -> Response:
            return PlainTextResponse("no", status_code=401)

        async def endless(_: Request) -> Response:
            async def parts() -> object:
                try:
                    while True:
                        yield b"x" * 10_000
                        self.sent += 10_000
                        await asyncio.sleep(0)  # so that it can be told to stop
                finally:
                    self.left.set()

            return StreamingResponse(parts())  # type: ignore[arg-type]

        return Starlette(
            routes=[
                Route("/", hello),
                Route("/count", count, methods=["POST"]),
                Route("/refuse", refuse, methods=["POST"]),
                Route("/endless", endless),
            ]
        )


@pytest.fixture
def served() -> Iterator[Served]:
    """The application behind the guard, served as `citewell serve` does it."""
    found = Served()
    listener = bind("127.0.0.1", 0)
    found.port = listener.getsockname()[1]
    guarded = Guard(found.app(), Settings())
    server = uvicorn.Server(config(guarded, "off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    yield found
    server.should_exit = server.force_exit = True
    thread.join(PATIENCE)
    listener.close()
    assert not thread.is_alive()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less patience, so that the tests need less too."""
    monkeypatch.setattr(protocol, "HEAD_TIME", 0.6)
    monkeypatch.setattr(protocol, "BODY_TIME", 0.6)
    monkeypatch.setattr(protocol, "READ_TIME", 0.6)
    monkeypatch.setattr(protocol, "LINGER_TIME", 0.6)


def ask(served: Served, count: int = 20) -> float:
    """Ask several times, each over a connection of its own; return the longest seconds."""
    longest = 0.0
    for _ in range(count):
        began = time.perf_counter()
        client = served.connect()
        client.sendall(ASK)
        assert client.recv(1000).endswith(b"hello")
        client.close()
        longest = max(longest, time.perf_counter() - began)
    return longest


def hear(client: socket.socket) -> bytes:
    """Return all that the server says until it closes."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65_536):
            said += part
    client.close()
    return said


def resident() -> float:
    """Return the MB that this process, and so the server, holds."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / MB


# -- who does not finish -----------------------------------------------------------------


@pytest.mark.parametrize(
    "begin", [b"", b"\r\n", b"GET / HTT", b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: "]
)
@pytest.mark.usefixtures("hurried")
def test_headers_have_to_come_in_time(served: Served, begin: bytes) -> None:
    """Who does not finish the headers is closed, however little or much has come."""
    began = time.monotonic()
    client = served.connect()
    client.sendall(begin)
    said = hear(client)
    assert 0.5 < time.monotonic() - began < 5
    assert said.startswith(b"HTTP/1.1 408 ") == begin.startswith(b"GET")


@pytest.mark.usefixtures("hurried")
def test_a_byte_now_and_then_buys_no_time(served: Served) -> None:
    """Headers that drip are closed as those that stop are, also in a second request."""
    for first in (b"", ASK):
        client = served.connect()
        client.sendall(first)
        began = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for byte in b"GET / HTTP/1.1\r\nx-slow: " + b"a" * 100:
                client.sendall(bytes([byte]))
                time.sleep(0.05)
        client.close()
        assert time.monotonic() - began < 3


@pytest.mark.usefixtures("hurried")
def test_a_body_may_be_slow_but_not_silent(served: Served) -> None:
    """A body that comes in drips is read; one that stops is closed with 408, and the app told."""
    head = b"POST /count HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 10\r\n\r\n"
    client = served.connect()
    client.sendall(head)
    for _ in range(10):
        time.sleep(0.15)
        client.sendall(b"x")
    assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
    client.sendall(head + b"xxx")
    assert hear(client).startswith(b"HTTP/1.1 408 ")
    assert served.left.wait(PATIENCE)


def test_endless_headers_are_cut_off(served: Served) -> None:
    """Headers beyond their limit are refused with 431 at once."""
    client = served.connect()
    client.sendall(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n")
    began = time.monotonic()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for number in range(100):
            client.sendall(b"x-%d: " % number + b"a" * 4_000 + b"\r\n")
            time.sleep(0.001)
    assert hear(client).startswith(b"HTTP/1.1 431 ")
    assert time.monotonic() - began < 3


def test_thousands_who_say_nothing_keep_nobody_out(served: Served) -> None:
    """Beside 2,000 open sockets that send nothing another client is answered quickly."""
    allow_files()
    with contextlib.ExitStack() as stack:
        for _ in range(IDLE):
            stack.enter_context(served.connect())
        assert ask(served) < 0.5


@pytest.mark.usefixtures("hurried")
def test_a_connection_is_kept_for_the_next_request(served: Served) -> None:
    """Requests follow each other on one connection, also later than headers may take."""
    with httpx.Client() as client:
        for _ in range(3):
            assert client.get(f"http://127.0.0.1:{served.port}").text == "hello"
            time.sleep(0.8)
    pipelined = served.connect()
    pipelined.sendall(ASK * 3)
    said = b""
    while said.count(b"hello") < 3:
        said += pipelined.recv(1000)
    pipelined.close()


@pytest.mark.usefixtures("hurried")
def test_blank_lines_behind_a_request_harm_no_answer(served: Served) -> None:
    """A client may send CRLF behind its request and listen for as long as the answer takes."""
    client = served.connect()
    client.sendall(ASK.replace(b"GET /", b"GET /endless"))
    client.sendall(b"\r\n")
    began = time.monotonic()
    while time.monotonic() - began < 1.5:
        assert client.recv(100_000)
    client.close()
    assert served.left.wait(PATIENCE)


# -- who does not read -------------------------------------------------------------------


def test_who_reads_slowly_harms_nobody(served: Served) -> None:
    """A client that reads a byte now and then costs no memory, and others no time."""
    client = served.connect(buffer=2_000)
    client.sendall(ASK.replace(b"GET /", b"GET /endless"))
    before = resident()
    for _ in range(10):
        client.recv(1)
        assert ask(served, 3) < 0.5
    first = served.sent
    assert 0 < first < 10 * MB
    time.sleep(0.5)
    assert served.sent - first < MB
    assert resident() - before < 20
    client.close()
    assert served.left.wait(PATIENCE)


@pytest.mark.usefixtures("hurried")
def test_who_does_not_read_at_all_is_left(served: Served) -> None:
    """An answer that nobody takes ends after a while."""
    client = served.connect(buffer=2_000)
    client.sendall(ASK.replace(b"GET /", b"GET /endless"))
    assert served.left.wait(PATIENCE)
    client.close()


# -- who sends too much ------------------------------------------------------------------

SEND_LENGTH = b"content-length: 100000000\r\n\r\n"
SEND_CHUNKS = b"transfer-encoding: chunked\r\n\r\n"


def pour(client: socket.socket, part: bytes, total: int) -> int:
    """Send until the server refuses; return how much was sent."""
    sent = 0
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
        while sent < total:
            client.sendall(part)
            sent += len(part)
    return sent


@pytest.mark.parametrize(
    ("how", "part"),
    [(SEND_LENGTH, b"x" * 65_536), (SEND_CHUNKS, b"10000\r\n" + b"x" * 65_536 + b"\r\n")],
    ids=["content-length", "chunked"],
)
def test_a_huge_body_is_refused_at_once(served: Served, how: bytes, part: bytes) -> None:
    """100 MB get 413 and a closed connection; most of them are never taken from the client."""
    before = resident()
    client = served.connect()
    client.sendall(b"POST /count HTTP/1.1\r\nhost: 127.0.0.1\r\n" + how)
    began = time.monotonic()
    sent = pour(client, part, 100 * MB)
    said = hear(client)
    assert time.monotonic() - began < 3
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in said
    assert json.loads(said.partition(b"\r\n\r\n")[2])["status"] == 413
    assert served.read <= Settings().max_body
    assert sent < 30 * MB
    assert resident() - before < 30
    assert ask(served, 3) < 0.5


def test_who_waits_to_send_a_huge_body_is_told_first(served: Served) -> None:
    """With `Expect: 100-continue` nothing of it is sent."""
    client = served.connect()
    client.sendall(
        b"POST /count HTTP/1.1\r\nhost: 127.0.0.1\r\nexpect: 100-continue\r\n" + SEND_LENGTH
    )
    assert hear(client).startswith(b"HTTP/1.1 413 ")


def test_what_is_refused_for_another_reason_is_not_read_either(served: Served) -> None:
    """A body behind a 401 that came before it is thrown away up to a limit, then cut off."""
    client = served.connect()
    client.sendall(b"POST /refuse HTTP/1.1\r\nhost: 127.0.0.1\r\n" + SEND_CHUNKS)
    assert client.recv(1000).startswith(b"HTTP/1.1 401 ")
    assert pour(client, b"10000\r\n" + b"x" * 65_536 + b"\r\n", 100 * MB) < 30 * MB
    client.close()


def test_a_small_refused_body_costs_no_connection(served: Served) -> None:
    """After a refusal whose body came to its end, the connection serves the next request."""
    client = served.connect()
    client.sendall(b"POST /refuse HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 4\r\n\r\n")
    assert client.recv(1000).startswith(b"HTTP/1.1 401 ")
    client.sendall(b"body" + ASK)
    assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
    client.close()


@pytest.mark.usefixtures("hurried")
def test_a_refused_body_that_stops_is_cut_off(served: Served) -> None:
    """A client that neither sends the rest nor leaves is left."""
    client = served.connect()
    client.sendall(b"POST /refuse HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9\r\n\r\nbod")
    began = time.monotonic()
    assert hear(client).startswith(b"HTTP/1.1 401 ")
    assert time.monotonic() - began < 3


def test_noise_is_refused(served: Served) -> None:
    """What is no HTTP gets 400 and a closed connection, and the server goes on."""
    for noise in (b"\x16\x03\x01\x02\x00\x01\x00", b"\0" * 100, b"GET\r\n\r\n", b"{}\r\n\r\n"):
        client = served.connect()
        client.sendall(noise)
        assert hear(client).startswith(b"HTTP/1.1 400 ")
    assert ask(served, 3) < 0.5


# -- how many ----------------------------------------------------------------------------


class Transport:
    """Notes whether it was aborted."""

    aborted = False

    def abort(self) -> None:
        """Note it."""
        self.aborted = True


class Peer:
    """A connection as Connections sees it."""

    def __init__(self) -> None:
        self.transport = Transport()


def peer() -> CarefulProtocol:
    """Return a connection as Connections sees it."""
    return cast(CarefulProtocol, Peer())


@pytest.mark.parametrize(
    ("host", "same"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:db8::1", "2001:db8::2"),
    ],
)
def test_an_address_has_a_share(host: str, same: str) -> None:
    """Beyond its share an address is refused, others are not, and who leaves makes room."""
    open_now = Connections(most=100, each=2)
    first = peer()
    assert open_now.admit(first, host)
    assert open_now.admit(peer(), same)
    assert not open_now.admit(peer(), host)
    assert open_now.admit(peer(), "192.0.2.9")
    assert open_now.admit(peer(), "2001:db8:0:1::1")
    open_now.forget(first)
    open_now.forget(first)
    assert open_now.admit(peer(), host)
    assert not open_now.admit(peer(), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", None])
def test_this_machine_and_trusted_proxies_have_no_share(host: str | None) -> None:
    """Behind a proxy all users come from one address."""
    open_now = Connections(most=100, each=2, trusted=[ip_network("10.0.0.0/8")])
    assert all(open_now.admit(peer(), host) for _ in range(100))
    assert len(open_now) == 100


def test_who_waits_longest_makes_room() -> None:
    """When all are taken an idle one goes, never one whose request has come."""
    open_now = Connections(most=3)
    busy, older, newer = peer(), peer(), peer()
    for each in (busy, older, newer):
        assert open_now.admit(each, None)
        open_now.rest(each)
    open_now.wake(busy)
    assert open_now.admit(peer(), None)
    went: Callable[[CarefulProtocol], bool] = lambda each: each.transport.aborted  # type: ignore[attr-defined]  # noqa: E731
    assert [went(each) for each in (busy, older, newer)] == [False, True, False]
    assert open_now.admit(peer(), None)
    assert went(newer)
    assert not open_now.admit(peer(), None)
    assert len(open_now) == 3


def test_files_are_allowed_up_to_the_hard_limit() -> None:
    """The soft limit is raised as far as the system lets us, within reason, and never lowered."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    least = min(soft, 1_024)
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, hard))
    try:
        allowed = allow_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (allowed, hard)
        assert allowed == min(hard, protocol.FILES)
        assert allow_files() == allowed
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
