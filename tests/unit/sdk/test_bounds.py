"""Bounds of a call: its total time, the size of a reply, `Retry-After`, and what an error shows."""

from __future__ import annotations

import gzip
import time
import traceback
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from inveterate import (
    AmbiguousWriteError,
    CustomerId,
    InveterateError,
    Retries,
    ServerError,
    TimedOutError,
    UnreadableReplyError,
)
from inveterate._error_mapping import retry_after
from inveterate._retries import request_steps
from inveterate._steps import HttpReply, Send, Sleep
from inveterate.api.members import Members

from tests.support.sdk.scripted_platform import Script, ok
from tests.support.sdk_fault_server.calls import HASTY, RETRIES, call_async, call_sync, reset, serving
from tests.support.sdk_fault_server.platform import KEY, MEMBER, Platform
from tests.support.sdk_fault_server.server import FaultServer, Reply, compressed

CUSTOMER = CustomerId(MEMBER)
PRIVATE = "etavirp"[::-1]
both = pytest.mark.parametrize("call", [call_sync, call_async], ids=["sync", "async"])


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """A platform behind real sockets."""
    with serving() as running:
        yield running


def replying(server: FaultServer, answer: Reply) -> Platform:
    """Put a platform behind the server that has one reply to everything."""
    return reset(server, Platform(fault=lambda _platform, _request: answer))


@both
@pytest.mark.parametrize("wire", ["hang", "drip_head", "drip_body"])
def test_the_deadline_ends_a_call_that_never_ends_by_itself(
    server: FaultServer, wire: str, call: Any
) -> None:
    """Each byte comes within the timeout of a read; the whole call does not come within the deadline."""
    replying(server, Reply(200, b'{"message": "ok", "data": {}}' + b" " * 4000, wire=wire))
    began = time.monotonic()
    outcome = call(server, lambda client: client.members.get(CUSTOMER), retries=HASTY)
    assert type(outcome) is TimedOutError
    assert HASTY.deadline <= time.monotonic() - began < HASTY.deadline + 2
    outcome = call(server, lambda client: client.members.credits.add(CUSTOMER, 5), retries=HASTY)
    assert type(outcome) is AmbiguousWriteError


@both
def test_the_deadline_is_that_of_all_attempts(server: FaultServer, call: Any) -> None:
    """Ten attempts that time out end with the deadline, not with ten timeouts."""
    replying(server, Reply(wire="hang"))
    began = time.monotonic()
    policy = Retries(max_attempts=10, base_delay=0.0, deadline=0.5)
    outcome = call(server, lambda client: client.members.get(CUSTOMER), retries=policy, timeout=0.15)
    assert type(outcome) is TimedOutError
    assert 2 <= len(server.requests) <= 4
    assert time.monotonic() - began < 2.5


def test_the_default_deadline_is_30_seconds() -> None:
    """It is a setting."""
    assert Retries().deadline == 30.0
    assert Send(Members.get.of(CUSTOMER), 1, 30.0).within == Retries().deadline


@both
@pytest.mark.parametrize("how", ["gzip", "plain", "chunked"])
def test_a_large_reply_is_refused_before_it_fills_the_memory(
    server: FaultServer, how: str, call: Any
) -> None:
    """290 KB of gzip decode to 300 MB: the limit is that of the decoded reply."""
    content = b'{"message": "ok", "data": {"x": "' + b"x" * 60_000_000 + b'"}}'
    answer = compressed(content) if how == "gzip" else Reply(200, content)
    if how == "chunked":
        chunks = b"".join(b"10000\r\n" + b"x" * 65536 + b"\r\n" for _ in range(64)) + b"0\r\n\r\n"
        answer = Reply(200, chunks, {"Transfer-Encoding": "chunked", "Content-Length": ""})
    replying(server, answer)
    tracemalloc.start()
    outcome = call(server, lambda client: client.members.get(CUSTOMER))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert type(outcome) is UnreadableReplyError
    assert "1000000 bytes" in str(outcome)
    assert peak < 20_000_000
    outcome = call(server, lambda client: client.members.credits.add(CUSTOMER, 5))
    assert type(outcome) is AmbiguousWriteError


@both
def test_a_compressed_reply_is_read(server: FaultServer, call: Any) -> None:
    """Gzip is the one encoding that is requested."""
    record = Platform().members[MEMBER]
    replying(server, compressed(httpx.Response(200, json={"message": "ok", "data": record}).content))
    assert call(server, lambda client: client.members.get(CUSTOMER)).first_name == "Ann"
    assert server.requests[-1].headers["accept-encoding"] == "gzip"


def test_the_limit_is_a_setting_and_holds_for_a_transport_of_the_caller() -> None:
    """A reply of just the limit is read."""
    content = httpx.Response(200, json={"message": "ok", "data": {"customerId": "42"}}).content
    with Script(httpx.Response(200, content=content)).client(max_reply_bytes=len(content)) as client:
        assert client.members.get(CUSTOMER).customer_id == "42"
    with (
        Script(httpx.Response(200, content=content)).client(max_reply_bytes=len(content) - 1) as client,
        pytest.raises(UnreadableReplyError),
    ):
        client.members.get(CUSTOMER)


NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:05 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 5.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:05 GMT"}, 5.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_obeyed(status: int, headers: dict[str, str], seconds: float | None) -> None:
    """On a 429 and a 503, as seconds or as a date: of the reply's own clock, else of ours."""
    reply = HttpReply(status, headers, b"", received_at=NOW)
    assert retry_after(reply) == seconds
    steps = request_steps(Members.get.of(CUSTOMER), Retries(jitter=lambda: 0.0))
    assert isinstance(next(steps), Send)
    step = steps.send(reply)
    assert isinstance(step, Sleep)
    assert step.seconds == (seconds or 0.0)


def test_a_long_retry_after_is_left_to_the_caller() -> None:
    """Also of a 503."""
    reply = httpx.Response(503, headers={"retry-after": "3600"})
    with Script(reply).client(retries=RETRIES) as client, pytest.raises(ServerError) as caught:
        client.members.get(CUSTOMER)
    assert caught.value.retry_after == 3600.0


def shown_locals(error: BaseException | None) -> str:
    """Return all local variables of an error's tracebacks, as an error tracker records them."""
    shown = ""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "inveterate" in frame.f_code.co_filename:
                shown += repr(frame.f_locals)
        error = error.__cause__ or error.__context__
    return shown


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, json={"message": "x", "data": {"email": PRIVATE}}),
        httpx.Response(404, json={"message": "x", "data": {"email": PRIVATE}}),
        httpx.Response(200, json={"message": "x", "data": {"email": PRIVATE}}),
        httpx.Response(200, json={"message": "x", "data": {"customerId": "43", "email": PRIVATE}}),
        httpx.Response(200, content=f"<p>{PRIVATE}</p>".encode(), headers={"set-cookie": PRIVATE}),
        httpx.Response(200, content=gzip.compress(PRIVATE.encode())),
    ],
)
def test_no_local_variable_of_an_error_shows_the_body(answer: httpx.Response) -> None:
    """Error trackers record local variables; a reply's body is personal data."""
    with Script(answer).client() as client:
        for act in (
            lambda: client.members.get(CUSTOMER),
            lambda: client.members.credits.add(CUSTOMER, 5),
            lambda: list(client.members.list()),
            lambda: client.members.update(CUSTOMER, notes="n"),
        ):
            try:
                act()
            except InveterateError as error:
                assert PRIVATE not in shown_locals(error)  # noqa: PT017 - not every reply fails every call
                assert KEY not in shown_locals(error)  # noqa: PT017 - likewise


def test_repr_shows_no_body() -> None:
    """Of a reply, a page and a receipt."""
    assert PRIVATE not in repr(HttpReply(200, {"x": PRIVATE}, PRIVATE.encode()))
    with Script(ok({"members": [{"customerId": "1"}], "email": PRIVATE})).client() as client:
        (page,) = client.members.list().by_page()
        assert PRIVATE not in repr(page)
        assert page.raw["data"]["email"] == PRIVATE


def test_a_date_of_retry_after_uses_the_time_of_receipt() -> None:
    """A real reply without a `Date` has one."""
    moment = datetime.now(UTC) + timedelta(seconds=90)
    reply = httpx.Response(503, headers={"retry-after": f"{moment:%a, %d %b %Y %H:%M:%S GMT}"})
    with Script(reply).client() as client, pytest.raises(ServerError) as caught:
        client.members.get(CUSTOMER)
    assert caught.value.retry_after == pytest.approx(90, abs=5)
