"""Requests and replies over real sockets: a DELETE with its body, pooled connections, truncated replies."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from inveterate import (
    NO_RETRIES,
    AmbiguousWriteError,
    Client,
    ConnectionFailedError,
    CustomerId,
    InveterateError,
    SubscriptionId,
)

from tests.support.sdk import ledger_server
from tests.support.sdk.ledger_server import serving

OK = b"HTTP/1.1 201 Created\r\nContent-Length: 26\r\nContent-Type: application/json\r\n\r\n"
YES = OK + b'{"message":"ok","data":{}}'


@contextmanager
def replying(answer: bytes) -> Iterator[tuple[Client, list[bytes]]]:
    """Yield a client of a server that records each request, sends `answer` and closes the connection.

    After a reply that says nothing the client asks once more, for the key's sake: that request is answered as well.
    """
    requests: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                received = connection.recv(65536)
                if not received:  # the connection that ends the server
                    return
                while b"\r\n\r\n" not in received:
                    received += connection.recv(65536)
                head, _, body = received.partition(b"\r\n\r\n")
                lengths = [
                    line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
                ]
                while lengths and len(body) < int(lengths[0].partition(b":")[2]):
                    body += connection.recv(65536)
                requests.append(head + b"\r\n\r\n" + body)
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    address: tuple[str, int] = listener.getsockname()
    try:
        with Client("k", base_url=f"http://127.0.0.1:{address[1]}", retries=NO_RETRIES) as client:
            yield client, requests
    finally:
        socket.create_connection(address).close()
        thread.join()
        listener.close()


def test_a_delete_carries_its_body() -> None:
    """With its type and its length, which libraries and proxies like to drop."""
    with replying(YES) as (client, requests):
        client.webhook_subscriptions.delete(SubscriptionId("s-1"), "customer.updated")
    head, _, body = requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"DELETE /v2.0/admin/webhook-subscriptions HTTP/1.1"
    assert b"Content-Type: application/json" in lines
    assert b"X-Inveterate-Api-Key: k" in lines
    assert body == b'{"topic":"customer.updated","id":"s-1"}'
    assert f"Content-Length: {len(body)}".encode() in lines


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 201",
        OK,
        OK + b'{"mess',
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nX-Request-Id: \xff\xfe\r\nContent-Length: 4\r\n\r\nnope",
    ],
)
def test_a_truncated_or_garbled_reply_is_a_typed_error(answer: bytes) -> None:
    """A read has failed; the outcome of a write is unknown."""
    with replying(answer) as (client, _), pytest.raises(InveterateError):
        client.members.get(CustomerId(42))
    with replying(answer) as (client, _), pytest.raises(AmbiguousWriteError):
        client.members.credits.add(CustomerId(42), 5)


def test_connections_are_pooled() -> None:
    """Twenty calls, one connection."""
    with serving() as served:
        served.reset()
        with Client("k", base_url=served.address) as client:
            for _ in range(20):
                list(client.members.credits.list(CustomerId(42)))
            assert len(ledger_server.TRANSPORTS) == 1


def test_a_refused_connection_is_a_failed_connection() -> None:
    """Also for a write, since nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with Client("k", base_url=address, retries=NO_RETRIES) as client, pytest.raises(ConnectionFailedError):
        client.members.credits.add(CustomerId(42), 5)
