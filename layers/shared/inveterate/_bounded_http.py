"""Bounds on a reply: its total time while it is read, and its size after decoding.

The timeouts of httpx apply to each read of a socket. A server that sends one byte a second never exceeds
them, so every read of the synchronous client is limited by the deadline of the whole attempt. (The asyncio
client has `asyncio.timeout`.) A few hundred kilobytes of gzip can decode to hundreds of megabytes, so
replies are decoded here, with a limit.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Final

import httpcore
import httpx

DEADLINE: ContextVar[float | None] = ContextVar("DEADLINE", default=None)
"""The end of the present attempt, on the monotonic clock; None outside of one."""

_GZIP: Final = 16 + zlib.MAX_WBITS


class ReplyTooLargeError(Exception):
    """The decoded reply is larger than the client's limit."""


class BoundedBody:
    """Collects the raw chunks of a reply, decoded, up to `limit` bytes."""

    def __init__(self, response: httpx.Response, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._chunks: list[bytes] = []
        encoding = response.headers.get("content-encoding", "").strip().lower()
        if encoding not in {"", "identity", "gzip"} and not response.is_stream_consumed:
            raise httpx.DecodingError(f"a content encoding that was not requested: {encoding[:20]}")
        self._decoder = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
        if response.is_stream_consumed:  # a transport of the caller that replies in one piece
            self._decoder = None
            self._keep(response.content)

    def add(self, chunk: bytes) -> None:
        """Decode and keep a chunk.

        Raises:
            ReplyTooLargeError: when the decoded reply exceeds the limit.
            httpx.DecodingError: when the chunk cannot be decoded.

        """
        if self._decoder is None:
            self._keep(chunk)
            return
        try:
            self._keep(self._decoder.decompress(chunk, self._limit - self._size + 1))
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from None
        if self._decoder.unconsumed_tail:
            raise self._too_large()

    def whole(self) -> bytes:
        """Return the whole decoded reply.

        Raises:
            httpx.DecodingError: when the encoded reply ended early.

        """
        if self._decoder is not None and self._chunks and not self._decoder.eof:
            raise httpx.DecodingError("the gzip stream ended early")
        return b"".join(self._chunks)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise self._too_large()
        self._chunks.append(data)

    def _too_large(self) -> ReplyTooLargeError:
        return ReplyTooLargeError(f"a reply of more than {self._limit} bytes")


def bound_reads(http: httpx.Client) -> None:
    """Limit every socket operation of a client by `DEADLINE`.

    httpx has no setting for the network backend of its pools, so it is replaced in place, in every pool
    (one for each proxy of the environment). A transport of the caller has no pool and is left alone.
    """
    for transport in (http._transport, *http._mounts.values()):  # noqa: SLF001 - see the docstring
        pool = getattr(transport, "_pool", None)
        if isinstance(pool, httpcore.ConnectionPool):
            pool._network_backend = _BoundedBackend(pool._network_backend)  # noqa: SLF001 - see the docstring


def _remaining(timeout: float | None) -> float | None:
    """Return the timeout of one operation: at most what is left until the deadline."""
    deadline = DEADLINE.get()
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline of the call has passed")
    return left if timeout is None else min(timeout, left)


class _BoundedBackend(httpcore.NetworkBackend):
    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._backend.connect_tcp(host, port, _remaining(timeout), local_address, socket_options)
        return _BoundedStream(stream)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        return self._backend.connect_unix_socket(path, _remaining(timeout), socket_options)

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _BoundedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _remaining(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _remaining(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _BoundedStream(self._stream.start_tls(ssl_context, server_hostname, _remaining(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
