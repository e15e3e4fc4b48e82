"""What really goes over the wire: a DELETE with its body, one pooled connection, and answers cut short."""

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

from tests.unit.sdk import ledger_server
from tests.unit.sdk.ledger_server import serving

OK = b"HTTP/1.1 201 Created\r\nContent-Length: 16\r\nContent-Type: application/json\r\n\r\n"
YES = OK + b'{"message":"ok"}'


@contextmanager
def saying(answer: bytes) -> Iterator[tuple[Client, list[bytes]]]:
    """Make a client of a server that takes one request, keeps its bytes, says `answer` and hangs up."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            heard.append(connection.recv(65536))
            while b"\r\n\r\n" not in heard[0]:
                heard[0] += connection.recv(65536)
            head, _, body = heard[0].partition(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            while lengths and len(body) < int(lengths[0].partition(b":")[2]):
                body += connection.recv(65536)
            heard[0] = head + b"\r\n\r\n" + body
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    with Client("k", base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", retries=NO_RETRIES) as client:
        yield client, heard
    thread.join()
    listener.close()


def test_a_delete_carries_its_body() -> None:
    """With its type and its length, which libraries and proxies like to drop."""
    with saying(YES) as (client, heard):
        client.webhook_subscriptions.delete(SubscriptionId("s-1"), "customer.updated")
    head, _, body = heard[0].partition(b"\r\n\r\n")
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
def test_an_answer_cut_short_or_garbled_is_a_typed_error(answer: bytes) -> None:
    """A read failed; of a write nobody knows."""
    with saying(answer) as (client, _), pytest.raises(InveterateError):
        client.members.get(CustomerId(42))
    with saying(answer) as (client, _), pytest.raises(AmbiguousWriteError):
        client.members.credits.add(CustomerId(42), 5)


def test_connections_are_pooled() -> None:
    """Twenty calls, one connection."""
    with serving() as served:
        served.behaving()
        with Client("k", base_url=served.address) as client:
            for _ in range(20):
                list(client.members.credits.list(CustomerId(42)))
            assert len(ledger_server.TRANSPORTS) == 1


def test_nobody_there_is_a_failed_connection() -> None:
    """Also of a write: nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with Client("k", base_url=address, retries=NO_RETRIES) as client, pytest.raises(ConnectionFailedError):
        client.members.credits.add(CustomerId(42), 5)
