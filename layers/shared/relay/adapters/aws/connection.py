"""Keeps connections to AWS between calls, and ends each exchange as a whole at a deadline.

A socket's timeout applies to one read: a server that sends a byte a second never exceeds it. Here every read and
write gets the time that is left until one deadline. Standard library only.
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from urllib.parse import SplitResult

_LARGEST_REPLY: Final = 32 * 1024 * 1024
"""Bytes. DynamoDB's largest reply is 16 MB, of a batch read."""

_PIECE: Final = 64 * 1024

_FIRST_FINAL: Final = 200
"""A status below it is that of an interim reply; the reply itself follows."""


class ExchangeError(Exception):
    """No whole reply came.

    `was_kept`: a kept connection was found dead before a byte of the reply. `sent`: the server may have the request.
    """

    def __init__(self, problem: str, *, was_kept: bool, sent: bool) -> None:
        super().__init__(problem)
        self.was_kept = was_kept
        self.sent = sent


@dataclass(frozen=True, slots=True)
class RawReply:
    """A reply as it came; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS settings for all connections: loading the certificates takes longer than a call."""
    return ssl.create_default_context()


class _DeadlineReader(io.RawIOBase):
    """The reading side of a socket. Each read waits for what is left of the deadline, and no longer."""

    def __init__(self, owner: _DeadlineSocket) -> None:
        super().__init__()
        self._owner = owner
        owner.readers += 1

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        sock = self._owner.sock
        sock.settimeout(self._owner.seconds_left())
        return sock.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._owner.readers -= 1
            self._owner.close_if_unused()


class _DeadlineSocket:
    """As much of a socket as `http.client` uses, with one deadline for everything until the next is set.

    `http.client` closes it as soon as it has read the headers of a last reply (`Connection: close`). As with any
    socket, it then stays open for those who still read from it.
    """

    def __init__(self, sock: socket.socket, clock: Callable[[], float]) -> None:
        self.sock = sock
        self.clock = clock
        self.deadline = 0.0
        self.readers = 0
        self._closed = False

    def seconds_left(self) -> float:
        left = self.deadline - self.clock()
        if left <= 0:
            raise TimeoutError("deadline")
        return left

    def sendall(self, data: Any) -> None:
        self.sock.settimeout(self.seconds_left())
        self.sock.sendall(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self), _PIECE)

    def close(self) -> None:
        self._closed = True
        self.close_if_unused()

    def close_if_unused(self) -> None:
        if self._closed and not self.readers:
            self.sock.close()

    def has_something_to_read(self) -> bool:
        return bool(select.select([self.sock], [], [], 0)[0])


@dataclass(slots=True)
class Connections:
    """Kept connections by scheme and host, shared by all threads; each is used by one exchange at a time."""

    connect_seconds: float = 2.0
    clock: Callable[[], float] = time.monotonic
    _idle: dict[tuple[str, str], deque[http.client.HTTPConnection]] = field(default_factory=dict)

    def exchange(
        self, address: SplitResult, path: str, headers: Mapping[str, str], content: bytes, deadline: float
    ) -> RawReply:
        """Post `content` and return the whole reply before `deadline` (of `clock`).

        Raises:
            ExchangeError: no whole reply came. Its text names a class of error and nothing of the request.

        """
        key = (address.scheme, address.netloc)
        connection, was_kept = self._take(key)
        sent = answered = False
        try:
            if connection is None:
                connection = self._open(address, deadline)
            sock: Any = connection.sock
            sock.deadline = deadline
            sent = True
            connection.request("POST", path, content, dict(headers))
            with connection.getresponse() as reply:
                answered = True
                body = _read(reply)
        # `http.client` and the resolver raise a ValueError for what they cannot read: a size of a chunk, a host.
        except (OSError, http.client.HTTPException, ValueError) as error:
            if connection is not None:
                connection.close()
            if was_kept:
                # What ended this one, a frozen environment above all, has ended the others as well.
                self._end_idle(key)
            lost = was_kept and not answered and not isinstance(error, TimeoutError)
            raise ExchangeError(type(error).__name__, was_kept=lost, sent=sent) from None
        except BaseException:
            # A part of this exchange may be left on the connection: the next call would read it as its own reply.
            if connection is not None:
                connection.close()
            raise
        raw = RawReply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, body)
        if reply.will_close:
            connection.close()
        else:
            self._idle.setdefault(key, deque()).append(connection)
        return raw

    def close(self) -> None:
        """Close every idle connection."""
        for key in list(self._idle):
            self._end_idle(key)

    def _end_idle(self, key: tuple[str, str]) -> None:
        while connection := self._latest(key):
            connection.close()

    def _take(self, key: tuple[str, str]) -> tuple[http.client.HTTPConnection | None, bool]:
        while connection := self._latest(key):
            sock: Any = connection.sock
            if not sock.has_something_to_read():
                return connection, True
            # The other side has ended it, or has sent what answers no request: read next, it would be taken for
            # the reply to this one.
            connection.close()
        return None, False

    def _latest(self, key: tuple[str, str]) -> http.client.HTTPConnection | None:
        """Take the idle connection that was used last: the least likely to have been closed by the other side."""
        with suppress(KeyError, IndexError):
            return self._idle[key].pop()
        return None

    def _open(self, address: SplitResult, deadline: float) -> http.client.HTTPConnection:
        is_tls = address.scheme == "https"
        host = address.hostname or ""
        sock = self._connect(host, address.port or (443 if is_tls else 80), deadline)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_tls:
            sock.settimeout(self._seconds_to_connect(deadline))
            sock = tls_context().wrap_socket(sock, server_hostname=host)
        connection = http.client.HTTPConnection(address.netloc)
        connection.sock = _DeadlineSocket(sock, self.clock)
        # A connection that was lost is replaced here, where it is known, and not inside of http.client.
        connection.auto_open = 0
        return connection

    def _connect(self, host: str, port: int, deadline: float) -> socket.socket:
        """Connect to the first address that answers. A host may have many, and all of them share the deadline."""
        self._seconds_to_connect(deadline)
        problem = OSError("no address")
        for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            seconds = self._seconds_to_connect(deadline)
            try:
                return socket.create_connection((str(address[0]), port), seconds)
            except OSError as error:
                problem = error
        raise problem

    def _seconds_to_connect(self, deadline: float) -> float:
        seconds = min(self.connect_seconds, deadline - self.clock())
        if seconds <= 0:
            raise TimeoutError("deadline")
        return seconds


def _read(reply: http.client.HTTPResponse) -> bytes:
    """Return the body; `IncompleteRead` where the connection ends before it does."""
    if reply.status < _FIRST_FINAL:
        # `http.client` reads on after `100 Continue` alone. The reply itself would answer the next request.
        raise http.client.HTTPException("interim reply")
    if reply.length is None and not reply.chunked:
        # The connection's end would be the reply's, and a lost connection, even in the headers, would pass for it.
        raise http.client.HTTPException("reply without a length")
    pieces: list[bytes] = []
    size = 0
    while piece := reply.read(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > _LARGEST_REPLY:
            raise http.client.HTTPException("reply too large")
    expected = reply.length
    if expected:
        raise http.client.IncompleteRead(b"", expected)
    return b"".join(pieces)
