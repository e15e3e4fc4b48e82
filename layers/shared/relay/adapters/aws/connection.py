"""Keeps connections to AWS between calls, and ends each exchange as a whole at a deadline.

A socket's timeout applies to one read: a server that sends a byte a second never exceeds it. Here every read and
write gets the time that is left until one deadline. Standard library only.
"""

from __future__ import annotations

import http.client
import io
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

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        sock = self._owner.sock
        sock.settimeout(self._owner.seconds_left())
        return sock.recv_into(buffer)


class _DeadlineSocket:
    """As much of a socket as `http.client` uses, with one deadline for everything until the next is set."""

    def __init__(self, sock: socket.socket, clock: Callable[[], float]) -> None:
        self.sock = sock
        self.clock = clock
        self.deadline = 0.0

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
        self.sock.close()


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
            reply = connection.getresponse()
            answered = True
            body = _read(reply)
        except (OSError, http.client.HTTPException) as error:
            if connection is not None:
                connection.close()
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
        for connections in self._idle.values():
            while connections:
                connections.pop().close()

    def _take(self, key: tuple[str, str]) -> tuple[http.client.HTTPConnection | None, bool]:
        with suppress(KeyError, IndexError):
            # The other side is least likely to have closed the latest one.
            return self._idle[key].pop(), True
        return None, False

    def _open(self, address: SplitResult, deadline: float) -> http.client.HTTPConnection:
        seconds = min(self.connect_seconds, deadline - self.clock())
        if seconds <= 0:
            raise TimeoutError("deadline")
        if address.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                address.netloc, timeout=seconds, context=tls_context()
            )
        else:
            connection = http.client.HTTPConnection(address.netloc, timeout=seconds)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sock = _DeadlineSocket(connection.sock, self.clock)
        # A connection that was lost is replaced here, where it is known, and not inside of http.client.
        connection.auto_open = 0
        return connection


def _read(reply: http.client.HTTPResponse) -> bytes:
    """Return the body; `IncompleteRead` where the connection ends before it does."""
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
