"""Connections that hostile and slow clients cannot use up.

uvicorn waits for ever for the rest of a request, and reads the rest of a body that was refused
long ago. Here a request has to arrive in time, what is refused is not read, who does not read
the answer is left, and one address has a share of the connections.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import Iterable
from enum import Enum
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_TIME = 10.0  # seconds in which a request's headers must have come
BODY_TIME = 30.0  # seconds without a byte of the body
READ_TIME = 60.0  # seconds in which a client must have read some of what waits for it
LINGER_TIME = 2.0  # seconds that a refused client has to read why
HEAD_SIZE = 64 * 1024  # bytes of a request's headers
LINGER_SIZE = 1024 * 1024  # bytes of a refused body that are thrown away before it is cut off
KEEP_ALIVE = 30  # seconds that a connection may wait for its next request

EACH = 256  # connections from one address that is not this machine's
FILES = 65_536  # open files, if the system lets us
SPARE = 512  # of them are for the store and the libraries

Network = IPv4Network | IPv6Network


class Connections:
    """The open connections: how many, from where, and which of them do nothing.

    When all are taken, the one that has waited for its request longest makes room: whoever
    opens thousands and sends nothing keeps nobody out.

    Args:
        most: Connections at the same time.
        each: Connections from one address (one network of 64 bits, in IPv6).
        trusted: Networks that may have as many as there are; this machine always may.
    """

    def __init__(self, most: int, each: int = EACH, trusted: Iterable[Network] = ()) -> None:
        self.most = most
        self.each = each
        self._trusted = tuple(trusted)
        self._open: dict[CarefulProtocol, str | None] = {}
        self._counts: Counter[str] = Counter()
        self._idle: dict[CarefulProtocol, None] = {}  # oldest first

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def admit(self, connection: CarefulProtocol, host: str | None) -> bool:
        """Count a connection in, or refuse it."""
        peer = self._peer(host)
        if peer is not None and self._counts[peer] >= self.each:
            return False
        if len(self._open) >= self.most and not self._make_room():
            return False
        self._open[connection] = peer
        if peer is not None:
            self._counts[peer] += 1
        return True

    def forget(self, connection: CarefulProtocol) -> None:
        """Count a connection out, if it was counted in."""
        self._idle.pop(connection, None)
        if connection not in self._open:
            return
        peer = self._open.pop(connection)
        if peer is not None:
            self._counts[peer] -= 1
            if not self._counts[peer]:
                del self._counts[peer]

    def rest(self, connection: CarefulProtocol) -> None:
        """Note that a connection waits for its next request from now on."""
        self._idle.pop(connection, None)
        self._idle[connection] = None

    def wake(self, connection: CarefulProtocol) -> None:
        """Note that a connection's request has come."""
        self._idle.pop(connection, None)

    def _make_room(self) -> bool:
        oldest = next(iter(self._idle), None)
        if oldest is None:
            return False
        oldest.transport.abort()
        self.forget(oldest)
        return True

    def _peer(self, host: str | None) -> str | None:
        """Return what an address is counted under; None where it is not."""
        if host is None:
            return None  # a socket in the data folder
        address = ip_address(host.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_loopback or any(address in network for network in self._trusted):
            return None
        return str(ip_network((address, 64), strict=False)) if address.version == 6 else host


class _Phase(Enum):
    IDLE = 1  # nothing of a request has come
    HEAD = 2
    BODY = 3
    REFUSED = 4  # the answer was sent before the body had come


class CarefulProtocol(HttpToolsProtocol):
    """uvicorn's protocol with an end to its patience."""

    def __init__(self, *args: Any, open_connections: Connections, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._connections = open_connections
        self._phase = _Phase.IDLE
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self._unread = 0  # bytes of the head, or of a refused body, so far

    # -- the connection ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or turn it away."""
        super().connection_made(transport)
        if not self._connections.admit(self, self.client[0] if self.client else None):
            self._turn_away(503, b"Too many connections.")
            return
        self._rest()
        self._set_timer(HEAD_TIME)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_timer()
        self._stop_stall()
        self._connections.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless it is too much of what nobody wants."""
        if self.transport.is_closing():
            return
        self._heard = self.loop.time()
        if self._phase is _Phase.REFUSED:
            self._unread += len(data)
            if self._unread > LINGER_SIZE:
                self.transport.abort()
                return
        elif self._phase is not _Phase.BODY:
            if self._timer is None:
                self._set_timer(HEAD_TIME)
            self._unread += len(data)
        super().data_received(data)
        if self._phase is _Phase.HEAD and self._unread > HEAD_SIZE:
            self._turn_away(431, b"The headers are too large.")

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: any client may ask for a WebSocket as often as it likes."""

    # -- a request -----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin to read a request's head."""
        super().on_message_begin()
        if self._phase is not _Phase.REFUSED:
            self._phase = _Phase.HEAD

    def on_headers_complete(self) -> None:
        """Have the request answered while its body comes."""
        self._stop_timer()
        self._phase = _Phase.BODY
        self._unread = 0
        self._connections.wake(self)
        self._set_timer(BODY_TIME)
        super().on_headers_complete()
        self.cycle.transport = _Gentle(self)  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        """Wait for what the answer is, and for the next request."""
        super().on_message_complete()
        self._stop_timer()
        self._rest()

    def on_response_complete(self) -> None:
        """Go on with the next request, or see that the rest of a refused one ends."""
        super().on_response_complete()
        if self._phase is _Phase.BODY and self.cycle.response_complete:
            self._unset_keepalive_if_required()
            self._refuse()
        elif self._phase is _Phase.IDLE:
            self._rest()

    def close_gently(self) -> None:
        """Close after an answer; a client that is still sending has a moment to read it."""
        if self._phase is not _Phase.BODY or self.transport.is_closing():
            self.transport.close()
            return
        self._refuse()
        self.transport.write_eof()

    def _refuse(self) -> None:
        self._phase = _Phase.REFUSED
        self._unread = 0
        self._set_timer(LINGER_TIME)

    def _rest(self) -> None:
        if self._phase is _Phase.REFUSED and self.cycle is not None and not self.cycle.keep_alive:
            self.transport.close()
            return
        self._phase = _Phase.IDLE
        self._unread = 0
        if self.cycle is None or self.cycle.response_complete:
            self._connections.rest(self)

    # -- patience ------------------------------------------------------------------------

    def _set_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._expire)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if self._phase is _Phase.BODY:
            left = BODY_TIME - (self.loop.time() - self._heard)
            if self.flow.read_paused or left > 0:  # it is we who do not read
                self._set_timer(max(left, 1.0))
                return
            if self.cycle.response_started:
                self.transport.abort()
            else:
                self._turn_away(408, b"The body did not come.")
        elif self._phase is _Phase.REFUSED:
            self.transport.abort()
        elif is_answering and self._phase is _Phase.HEAD:
            self.transport.abort()
        elif self._phase is _Phase.HEAD:
            self._turn_away(408, b"The headers did not come.")
        elif not is_answering:
            self.transport.close()

    def _turn_away(self, status: int, why: bytes) -> None:
        """Close with an answer of our own; none is under way."""
        reason = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}
        self._stop_timer()
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: text/plain\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%s"
            % (status, reason.get(status, b"Service Unavailable"), len(why), why)
        )
        self.transport.close()

    def pause_writing(self) -> None:
        """Give a client that does not read some time."""
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(READ_TIME, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing to a client that reads."""
        self._stop_stall()
        super().resume_writing()

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


class _Gentle:
    """The transport as an answer sees it, which closes it at its end."""

    def __init__(self, protocol: CarefulProtocol) -> None:
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing
        self.close = protocol.close_gently


def careful(trusted: Iterable[Network] = ()) -> Any:  # noqa: ANN401 (uvicorn calls it like a class)
    """Return the protocol of one server, as uvicorn's `http` takes it."""
    most = max(SPARE, allow_files() - SPARE)
    return partial(CarefulProtocol, open_connections=Connections(most, EACH, trusted))


def allow_files() -> int:
    """Let this process open as many files as it may, at most FILES; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return most if soft == resource.RLIM_INFINITY else min(soft, FILES)
