"""The receiver's own SQS client: it retries once, and a failure is an error."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from relay.adapters.aws.signing import Credentials
from relay.adapters.aws.sqs_light import LightSqs
from relay.errors import TransientError

CREDENTIALS = Credentials("AKIDEXAMPLE", "secret", "session", "eu-west-1")


def test_no_secret_in_a_repr() -> None:
    """What a traceback may show of the client holds no credentials."""
    assert "secret" not in repr(LightSqs(CREDENTIALS))


@contextmanager
def server(*answers: int | None) -> Iterator[tuple[str, list[str]]]:
    """Answer with these statuses in turn; None closes the connection without an answer."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            answer = answers[min(len(seen), len(answers) - 1)]
            seen.append(self.headers["x-amz-target"])
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Log nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}", seen
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


@pytest.mark.parametrize(("answers", "requests"), [((200,), 1), ((500, 200), 2), ((None, 200), 2)])
def test_it_is_sent_with_one_retry(answers: tuple[int | None, ...], requests: int) -> None:
    """A refusal or a lost connection is tried once more, over a new connection."""
    with server(*answers) as (url, seen):
        client = LightSqs(CREDENTIALS, url)
        client.send("http://queue/1/name", "body", {"relay": "{}"})
        client._drop()
    assert seen == ["AmazonSQS.SendMessage"] * requests


@pytest.mark.parametrize("answers", [(500,), (403,), (None,)])
def test_two_failures_are_an_error(answers: tuple[int | None, ...]) -> None:
    """The caller gets the error, and nothing is acknowledged."""
    with server(*answers) as (url, seen), pytest.raises(TransientError):
        LightSqs(CREDENTIALS, url).send("http://queue/1/name", "body", {})
    assert len(seen) == 2


def test_a_kept_connection_that_has_died_is_replaced() -> None:
    """A frozen environment finds its connection closed: the retry opens another."""
    with server(200) as (url, seen):
        client = LightSqs(CREDENTIALS, url)
        client.send("http://queue/1/name", "body", {})
        assert client._connection is not None
        client._connection.sock.close()
        client.send("http://queue/1/name", "body", {})
        client._drop()
    assert len(seen) == 2
