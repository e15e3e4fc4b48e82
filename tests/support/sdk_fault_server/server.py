"""An HTTP server over real sockets that can fail at any point of a request: before, in the middle and after."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

REASONS: Final = {200: "OK", 201: "Created", 204: "No Content", 302: "Found", 503: "Service Unavailable"}


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as parsed JSON; None without one."""
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True)
class Reply:
    """A reply, and how it is sent.

    `wire` is one of `whole`; `whole_close` (then an orderly close); `reset` (a TCP reset instead of the reply), `close` (an orderly close instead),
    `hang` (no reply until the client leaves), `cut` (half of the bytes, then a reset), `drip_head` and
    `drip_body` (one byte each `pause` seconds).
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wire: str = "whole"
    pause: float = 0.02

    def encoded(self) -> tuple[bytes, bytes]:
        """Return head and body as bytes."""
        headers = {"Content-Length": str(len(self.body)), "Content-Type": "application/json", **self.headers}
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'X')}"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value]
        return "\r\n".join([*lines, "", ""]).encode(), self.body


def reply(data: object, status: int = 200, **top: object) -> Reply:
    """Return a reply in the documented envelope."""
    return Reply(status, json.dumps({"message": "ok", "data": data, **top}).encode())


def compressed(content: bytes, status: int = 200) -> Reply:
    """Return a reply in gzip."""
    return Reply(status, gzip.compress(content, 9), {"Content-Encoding": "gzip"})


Handler = Callable[[Request], Reply]


@dataclass
class FaultServer:
    """The server. `before` is called with each request when only its head has arrived: it may return a reply."""

    address: str
    handler: Handler
    before: Callable[[Request], Reply | None] = lambda _: None
    connections: int = 0
    resets: int = 0
    requests: list[Request] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, connection: socket.socket) -> None:
        """Reply to the requests of one connection."""
        with self.lock:
            self.connections += 1
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(0.05)
        with contextlib.suppress(OSError), connection:
            pending = b""
            while not self.stopping.is_set():
                head, pending = self._read_until(connection, pending, b"\r\n\r\n")
                if head is None:
                    return
                request = _parsed(head)
                early = self.before(request)
                if early is None:
                    length = int(request.headers.get("content-length", "0"))
                    body, pending = self._read_length(connection, pending, length)
                    request = Request(request.method, request.path, request.query, request.headers, body)
                    with self.lock:
                        self.requests.append(request)
                if not self._send(connection, early or self.handler(request)):
                    return

    def _send(self, connection: socket.socket, answer: Reply) -> bool:
        """Send a reply; return whether the connection stays open."""
        head, body = answer.encoded()
        match answer.wire:
            case "hang":
                self._receive(connection)
            case "reset":
                self._reset(connection)
            case "cut":
                connection.sendall((head + body)[: len(head) + len(body) // 2])
                time.sleep(0.02)  # a reset discards what the client has not read
                self._reset(connection)
            case "drip_head":
                self._drip(connection, head, answer.pause)
                connection.sendall(body)
            case "drip_body":
                connection.sendall(head)
                self._drip(connection, body, answer.pause)
            case "whole" | "whole_close":
                connection.sendall(head)
                connection.sendall(body)
        return answer.wire == "whole" or answer.wire.startswith("drip")

    def _drip(self, connection: socket.socket, data: bytes, pause: float) -> None:
        for number in range(len(data)):
            if self.stopping.wait(pause):
                raise ConnectionResetError
            connection.sendall(data[number : number + 1])

    def _reset(self, connection: socket.socket) -> None:
        with self.lock:
            self.resets += 1
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _read_until(
        self, connection: socket.socket, pending: bytes, end: bytes
    ) -> tuple[bytes | None, bytes]:
        while end not in pending:
            if (chunk := self._receive(connection)) is None:
                return None, b""
            pending += chunk
        head, _, rest = pending.partition(end)
        return head, rest

    def _read_length(self, connection: socket.socket, pending: bytes, length: int) -> tuple[bytes, bytes]:
        while len(pending) < length:
            if (chunk := self._receive(connection)) is None:
                raise ConnectionResetError
            pending += chunk
        return pending[:length], pending[length:]

    def _receive(self, connection: socket.socket) -> bytes | None:
        """Return the next bytes; None at the end."""
        while not self.stopping.is_set():
            try:
                return connection.recv(65536) or None
            except TimeoutError:
                continue
        return None


def _parsed(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    path, _, query = target.partition("?")
    pairs = (line.partition(":") for line in lines)
    return Request(method, path, query, {name.lower(): value.strip() for name, _, value in pairs}, b"")


@contextmanager
def fault_server(handler: Handler) -> Iterator[FaultServer]:
    """Serve on a free port of the loopback interface."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    listener.settimeout(0.05)
    server = FaultServer(f"http://127.0.0.1:{listener.getsockname()[1]}", handler)
    threads: list[threading.Thread] = []

    def accept() -> None:
        while not server.stopping.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=server.serve, args=(connection,))
            thread.start()
            threads.append(thread)

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield server
    finally:
        server.stopping.set()
        accepting.join()
        for thread in threads:
            thread.join()
        listener.close()
