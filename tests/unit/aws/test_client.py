"""One call to AWS: what is tried again and how long, whose fault a failure is, and what a lost answer may hide."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from relay.adapters.aws.client import AwsClient, NoAnswerError, RefusedCallError, aws_errors
from relay.adapters.aws.connection import Connections
from relay.errors import MisconfiguredError, TransientError

Answer = bytes | Callable[[socket.socket], None]
"""What a server does with one request: send these bytes, or do as the function says; then it reads the next."""

THROTTLED = b'{"__type":"a#ThrottlingException"}'


def reply(content: bytes = b"{}", status: int = 200, **headers: str) -> bytes:
    """Return a whole reply."""
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def hang_up(_: socket.socket) -> None:
    """Close the connection without a byte."""
    raise ConnectionAbortedError


def cut(content: bytes) -> Callable[[socket.socket], None]:
    """Send part of a reply, then close the connection."""

    def answer(sock: socket.socket) -> None:
        sock.sendall(content)
        raise ConnectionAbortedError

    return answer


def drip(content: bytes, pause: float) -> Callable[[socket.socket], None]:
    """Send a reply byte by byte."""

    def answer(sock: socket.socket) -> None:
        for byte in content:
            sock.sendall(bytes([byte]))
            time.sleep(pause)

    return answer


class Server:
    """A server of raw sockets that answers each request in turn, the last answer for good."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.answers = answers
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.opened = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.sockets: list[socket.socket] = []
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.opened += 1
            self.sockets.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self.threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, sock.makefile("rb") as stream:
            try:
                while line := stream.readline():
                    headers: dict[str, str] = {"": line.decode().strip()}
                    while (line := stream.readline().strip()) != b"":
                        name, _, value = line.decode().partition(":")
                        headers[name.lower()] = value.strip()
                    content = stream.read(int(headers.get("content-length", "0")))
                    with self.lock:
                        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
                        self.requests.append((headers, content))
                    if isinstance(answer, bytes):
                        sock.sendall(answer)
                    else:
                        answer(sock)
            except OSError:
                return

    def drop_connections(self) -> None:
        """Close every connection from the server's side, as after an idle time."""
        while self.sockets:
            sock = self.sockets.pop()
            sock.shutdown(socket.SHUT_RDWR)
        time.sleep(0.05)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self.threads:
            thread.join()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", raising=False)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Start a server with these answers; the environment names it as AWS's address."""
    servers: list[Server] = []

    def start(*answers: Answer) -> Server:
        server = Server(answers)
        servers.append(server)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        return server

    yield start
    for server in servers:
        server.close()


@contextmanager
def client(**settings: Any) -> Iterator[tuple[AwsClient, list[float]]]:
    """Make a client whose pauses are noted and not waited for."""
    pauses: list[float] = []
    one = AwsClient(**{"sleep": pauses.append, "jitter": lambda: 1.0, **settings})
    try:
        yield one, pauses
    finally:
        one.connections.close()


def put(one: AwsClient) -> dict[str, Any]:
    return one.call("dynamodb", "PutItem", {"TableName": "t"})


def test_a_call_goes_out_signed_and_keeps_its_connection(serve: Callable[..., Server]) -> None:
    """Two calls, one connection; target, session token and signature are there."""
    server = serve(reply(b'{"a":1}'))
    with client() as (one, pauses):
        assert [put(one), put(one)] == [{"a": 1}, {"a": 1}]
    headers, content = server.requests[0]
    assert headers["x-amz-target"] == "DynamoDB_20120810.PutItem"
    assert headers["x-amz-security-token"] == "token"
    assert "AWS4-HMAC-SHA256 Credential=AKID/" in headers["authorization"]
    assert json.loads(content) == {"TableName": "t"}
    assert (server.opened, pauses) == (1, [])


def test_credentials_are_those_of_the_moment(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewed role signs the next call."""
    server = serve(reply())
    with client() as (one, _):
        put(one)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID2")
        put(one)
    assert ["AKID2/" in headers["authorization"] for headers, _ in server.requests] == [False, True]


@pytest.mark.parametrize(
    ("first", "pauses"),
    [
        (hang_up, 1),
        (cut(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"), 1),
        (cut(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}"), 1),
        (cut(b"HTTP/1.1 20"), 1),
        (b"garbage\r\n\r\n", 1),
        (reply(b'{"a":1}', x_amz_crc32="7"), 1),
        (reply(b"<html>", 200), 1),
        (reply(b"", 500), 1),
        (reply(b"<html>bad gateway</html>", 502), 1),
        (reply(THROTTLED, 400), 1),
        (reply(b'{"__type":"b#ProvisionedThroughputExceededException"}', 400), 1),
        (reply(b"{}", 429), 1),
    ],
)
def test_a_passing_failure_is_tried_again(serve: Callable[..., Server], first: Answer, pauses: int) -> None:
    """Lost connections, half replies, wrong checksums, server errors and throttling: one pause, then it works."""
    server = serve(first, reply(b'{"a":1}'))
    with client() as (one, waited):
        assert put(one) == {"a": 1}
    assert len(server.requests) == 2
    assert waited == [0.1] * pauses


def test_pauses_grow_and_tries_end(serve: Callable[..., Server]) -> None:
    """Four tries in all, with up to 0.1, 0.2 and 0.4 s between them; then the code is the caller's."""
    server = serve(reply(THROTTLED, 400))
    with client() as (one, waited), pytest.raises(RefusedCallError, match="ThrottlingException"):
        put(one)
    assert (len(server.requests), waited) == (4, [0.1, 0.2, 0.4])


def test_a_refusal_is_not_tried_again(serve: Callable[..., Server]) -> None:
    """A condition that failed is an answer; what the refusal says besides its code is kept."""
    content = b'{"__type":"x#ConditionalCheckFailedException","message":"secret","Item":{"pk":{"S":"a"}}}'
    server = serve(reply(content, 400))
    with client() as (one, _), pytest.raises(RefusedCallError) as refused:
        put(one)
    assert (refused.value.code, refused.value.fields["Item"]) == (
        "ConditionalCheckFailedException",
        {"pk": {"S": "a"}},
    )
    assert not refused.value.after_lost_reply
    assert str(refused.value) == "ConditionalCheckFailedException"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "lost", [hang_up, reply(b"", 500), reply(b"{}", x_amz_crc32="1"), cut(b"HTTP/1.1 200 OK\r\n")]
)
def test_a_conflict_after_a_lost_reply_says_so(serve: Callable[..., Server], lost: Answer) -> None:
    """The first try may have written: what the second finds may be our own write."""
    serve(lost, reply(b'{"__type":"x#ConditionalCheckFailedException"}', 400))
    with client() as (one, _), pytest.raises(RefusedCallError) as refused:
        put(one)
    assert refused.value.after_lost_reply


def test_throttling_wrote_nothing(serve: Callable[..., Server]) -> None:
    """A conflict after a throttled try is another invocation's write."""
    serve(reply(THROTTLED, 400), reply(b'{"__type":"x#ConditionalCheckFailedException"}', 400))
    with client() as (one, _), pytest.raises(RefusedCallError) as refused:
        put(one)
    assert not refused.value.after_lost_reply


def test_a_dead_kept_connection_is_no_try(serve: Callable[..., Server]) -> None:
    """A connection that the other side closed while idle is replaced at once: no pause, and all tries are left."""
    server = serve(reply(), reply(b"", 500), reply(b"", 500), reply(b"", 500), reply(b'{"a":1}'))
    with client() as (one, waited):
        put(one)
        server.drop_connections()
        assert put(one) == {"a": 1}
    assert waited == [0.1, 0.2, 0.4]


def test_an_unasked_reply_is_not_the_next_one(serve: Callable[..., Server]) -> None:
    """What came while the connection was idle (a `408` above all) answers no request: another connection is used."""
    unasked = reply(b'{"first":1}') + b"HTTP/1.1 200 OK\r\n"

    def first(sock: socket.socket) -> None:
        sock.sendall(reply())
        time.sleep(0.02)
        sock.sendall(unasked)

    server = serve(first, reply(b'{"second":1}'))
    with client() as (one, waited):
        put(one)
        time.sleep(0.1)
        assert put(one) == {"second": 1}
    assert (server.opened, waited) == (2, [])


def test_an_interim_reply_is_no_reply(serve: Callable[..., Server]) -> None:
    """The reply behind a `103` is not read as the reply to the next request."""

    def first(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + reply(b'{"first":1}'))

    serve(first, reply(b'{"second":1}'))
    with client() as (one, waited):
        assert put(one) == {"second": 1}
    assert waited == [0.1]


@pytest.mark.parametrize(
    "content",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 7\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: 7\r\n\r\n",
    ],
)
def test_the_last_reply_of_a_connection_is_read_whole(serve: Callable[..., Server], content: bytes) -> None:
    """A reply that announces the connection's end comes in pieces as any other."""

    def last(sock: socket.socket) -> None:
        sock.sendall(content)
        time.sleep(0.05)
        sock.sendall(b'{"a":1}')
        raise ConnectionAbortedError

    server = serve(last)
    with client(max_tries=1) as (one, _):
        assert [put(one), put(one)] == [{"a": 1}, {"a": 1}]
    assert server.opened == 2


@pytest.mark.parametrize(
    "content",
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_a_success_without_its_content_is_no_success(serve: Callable[..., Server], content: bytes) -> None:
    """Cut off in the headers, without a stated end, empty, or in chunks of no size: nothing says that the call was done."""
    serve(cut(content))
    with client(max_tries=1) as (one, _), pytest.raises(NoAnswerError):
        one.call("sqs", "SendMessage", {})


@pytest.mark.parametrize("service", ["sqs", "sns"])
@pytest.mark.parametrize("page", [b"<html><body>Sign in</body></html>", b"<!doctype html><p>Sign in"])
def test_a_page_is_no_success(serve: Callable[..., Server], service: str, page: bytes) -> None:
    """What a proxy answers in AWS's place is no reply, be it well-formed XML."""
    serve(reply(page))
    with client(max_tries=1) as (one, _), pytest.raises(NoAnswerError, match="broken reply"):
        one.call(service, "Publish", {})


def test_dead_connections_cost_no_try_each(serve: Callable[..., Server]) -> None:
    """The first kept connection that is found dead ends the others: an environment's freeze ended them together."""
    all_of_them = threading.Barrier(6, timeout=10)

    def together(sock: socket.socket) -> None:
        all_of_them.wait()
        sock.sendall(reply())

    server = serve(*[together] * 6, hang_up, reply(b'{"a":1}'))
    with client(max_tries=1) as (one, _):
        threads = [threading.Thread(target=put, args=(one,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert put(one) == {"a": 1}
    assert server.opened == 7


def test_all_addresses_of_a_host_share_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of six addresses answers: the call ends when its time is over, and not after six waits."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://many.example:9")
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", 9)) for n in range(6)]
    waits: list[float] = []

    def connect(_: tuple[str, int], timeout: float) -> socket.socket:
        waits.append(timeout)
        raise TimeoutError

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_connection", connect)

    def clock() -> float:
        return sum(waits)

    one = AwsClient(max_tries=1, try_seconds=2.5, clock=clock, connections=Connections(1.0, clock))
    with pytest.raises(NoAnswerError, match="TimeoutError"):
        put(one)
    assert waits == [1.0, 1.0, 0.5]


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example", "h:99999"])
def test_an_address_that_is_none_is_no_answer(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """The resolver's own kinds of errors end a call like any other."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}")
    with client(max_tries=1) as (one, _), pytest.raises(NoAnswerError):
        put(one)


def test_one_deadline_holds_for_a_dripping_reply(serve: Callable[..., Server]) -> None:
    """A byte every 20 ms meets no socket's timeout; the call ends when its time is over all the same."""
    serve(drip(reply(b"{}" + b" " * 400), 0.02))
    with client(call_seconds=0.4, try_seconds=0.3) as (one, _):
        begin = time.monotonic()
        with pytest.raises(NoAnswerError, match="TimeoutError"):
            put(one)
        assert time.monotonic() - begin < 2


def test_a_header_that_drips_is_bounded_too(serve: Callable[..., Server]) -> None:
    """The deadline holds from the first byte of the status line on."""
    serve(drip(b"HTTP/1.1 200 OK\r\nx-slow: " + b"y" * 500, 0.02))
    with client(call_seconds=0.4, try_seconds=0.3) as (one, _), pytest.raises(NoAnswerError):
        put(one)


def test_no_call_outlives_the_invocation(serve: Callable[..., Server]) -> None:
    """With the invocation nearly over there is no pause that it would not survive."""
    server = serve(reply(THROTTLED, 400))
    with client() as (one, waited):
        one.ends_at = time.monotonic() + 0.15
        with pytest.raises(RefusedCallError):
            put(one)
    assert (len(server.requests), waited) == (2, [0.1])


def test_a_call_after_the_end_is_not_begun(serve: Callable[..., Server]) -> None:
    """No time left: nothing is sent."""
    server = serve(reply())
    with client() as (one, _):
        one.ends_at = time.monotonic() - 1
        with pytest.raises(NoAnswerError):
            put(one)
    assert server.requests == []


def test_a_wrong_clock_is_corrected_once(serve: Callable[..., Server]) -> None:
    """The refusal's own Date tells the time; the next calls are signed by it."""
    theirs = datetime.now(UTC) + timedelta(hours=3)
    refusal = reply(
        b'{"__type":"x#InvalidSignatureException"}', 400, date=format_datetime(theirs, usegmt=True)
    )
    server = serve(refusal, reply(), reply())
    with client() as (one, waited):
        put(one)
        put(one)
    stamps = [headers["x-amz-date"] for headers, _ in server.requests]
    assert stamps[1][:11] == stamps[2][:11] == theirs.strftime("%Y%m%dT%H")
    assert stamps[0] < stamps[1]
    assert waited == []


@pytest.mark.parametrize("date", [None, "rubbish", "now"])
def test_a_wrong_key_is_no_clock(serve: Callable[..., Server], date: str | None) -> None:
    """With the right time a refused signature is the key's fault, and is not tried again."""
    headers = (
        {"date": format_datetime(datetime.now(UTC), usegmt=True) if date == "now" else date} if date else {}
    )
    server = serve(reply(b'{"__type":"x#SignatureDoesNotMatch"}', 403, **headers))
    with client() as (one, _), pytest.raises(MisconfiguredError), aws_errors("table t"):
        put(one)
    assert len(server.requests) == 1


def test_threads_share_a_client(serve: Callable[..., Server]) -> None:
    """Each exchange has a connection of its own, and no more are opened than there are threads."""
    server = serve(reply(b'{"a":1}'))
    with client() as (one, _):
        found: list[dict[str, Any]] = []
        threads = [
            threading.Thread(target=lambda: found.extend(put(one) for _ in range(25))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [{"a": 1}] * 200
    assert server.opened <= 8


def test_an_interrupted_exchange_leaves_no_half_reply(serve: Callable[..., Server]) -> None:
    """After an exception in the middle of a reply the connection is not used again."""
    interrupted = threading.Event()

    def first(sock: socket.socket) -> None:
        interrupted.set()
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n")
        time.sleep(0.05)
        sock.sendall(b'{"first":1}')

    serve(first, reply(b'{"second":1}'))

    def clock() -> float:
        if interrupted.is_set():
            interrupted.clear()
            raise KeyboardInterrupt
        return time.monotonic()

    with client(connections=Connections(clock=clock)) as (one, _):
        with pytest.raises(KeyboardInterrupt):
            put(one)
        time.sleep(0.1)
        assert put(one) == {"second": 1}


def test_a_reply_without_end_is_no_reply(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than any AWS service sends is not kept in memory."""
    monkeypatch.setattr("relay.adapters.aws.connection._LARGEST_REPLY", 1000)
    serve(reply(b'{"a":"' + b"x" * 2000 + b'"}'))
    with client(max_tries=1) as (one, _), pytest.raises(NoAnswerError):
        put(one)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDeniedException", MisconfiguredError),
        ("ResourceNotFoundException", MisconfiguredError),
        ("UnrecognizedClientException", MisconfiguredError),
        ("InvalidKeyId", MisconfiguredError),
        ("InvalidClientTokenId", MisconfiguredError),
        ("ThrottlingException", TransientError),
        ("SomethingNew", TransientError),
    ],
)
def test_a_refusal_in_relays_errors(serve: Callable[..., Server], code: str, kind: type[Exception]) -> None:
    """A missing right or resource is a setting's fault; all else may pass. AWS's text is not repeated."""
    serve(reply(json.dumps({"__type": f"a#{code}", "message": "holds a value"}).encode(), 400))
    with client() as (one, _), pytest.raises(kind) as raised, aws_errors("table t"):
        put(one)
    assert type(raised.value) is kind
    assert str(raised.value) == f"table t: {code}"


def test_sqs_names_a_missing_queue_by_its_older_code(serve: Callable[..., Server]) -> None:
    """The query-compatible header wins, as in botocore."""
    serve(
        reply(
            b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}',
            400,
            x_amzn_query_error="AWS.SimpleQueueService.NonExistentQueue;Sender",
        )
    )
    with (
        client() as (one, _),
        pytest.raises(MisconfiguredError, match="NonExistentQueue"),
        aws_errors("queue q"),
    ):
        one.call("sqs", "SendMessage", {})


def test_no_answer_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens: the call may not be called refused."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with (
        client() as (one, _),
        pytest.raises(match="table t: ConnectionRefusedError"),
        aws_errors("table t"),
    ):
        put(one)


def test_secrets_are_in_no_repr() -> None:
    """A traceback that shows the client shows no credentials."""
    assert "secret" not in repr(AwsClient(connections=Connections()))


@pytest.mark.parametrize(
    "lost", [hang_up, reply(b"", 500), cut(b"HTTP/1.1 200 OK\r\n"), reply(b"{}", x_amz_crc32="1")]
)
def test_a_call_that_may_not_be_repeated(serve: Callable[..., Server], lost: Answer) -> None:
    """Once a request may have arrived it is not sent again; the caller learns that it may have been carried out."""
    server = serve(lost, reply())
    with client() as (one, waited), pytest.raises((NoAnswerError, RefusedCallError)) as failed:
        one.call("sns", "Publish", {"Message": "m"}, repeatable=False)
    assert failed.value.sent if isinstance(failed.value, NoAnswerError) else failed.type is RefusedCallError
    assert (len(server.requests), waited) == (1, [])


def test_a_refusal_may_always_be_tried_again(serve: Callable[..., Server]) -> None:
    """Throttling changed nothing."""
    server = serve(
        reply(b"<E><Error><Code>Throttling</Code></Error></E>", 400),
        reply(b"<R><PublishResult/><ResponseMetadata/></R>"),
    )
    with client() as (one, _):
        one.call("sns", "Publish", {"Message": "m"}, repeatable=False)
    assert len(server.requests) == 2


def test_a_request_that_was_not_sent_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection was refused: nothing can have arrived."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with client(max_tries=1) as (one, _), pytest.raises(NoAnswerError) as failed:
        put(one)
    assert not failed.value.sent
