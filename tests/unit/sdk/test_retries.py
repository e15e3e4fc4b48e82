"""Retries: decided by a generator, tested without network, clock or event loop."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inveterate import (
    AmbiguousWriteError,
    ConnectionFailedError,
    CustomerId,
    InveterateError,
    RateLimitError,
    Retries,
    ServerError,
)
from inveterate._retries import request_steps
from inveterate._steps import HttpReply, Send, SendFailure, SendOutcome, Sleep
from inveterate.api.credits import Credits
from inveterate.api.members import Members

from tests.support.sdk.scripted_platform import QUICK, Script, ok

READ = Members.get.of(CustomerId(42))
WRITE = Credits.add.of(CustomerId(42), 5)
GOOD = HttpReply(200, {}, b'{"data": {"customerId": "42"}}', took=0.1)
BAD = HttpReply(500, {}, b"", took=0.1)
CUT = SendFailure(httpx.ReadError("cut"), sent=True, took=0.1)
UNSENT = SendFailure(httpx.ConnectError("refused"), sent=False, took=0.1)


def limited(after: str | None, date: str = "") -> HttpReply:
    """Return a 429."""
    headers = {"date": date} if date else {}
    return HttpReply(429, headers if after is None else {**headers, "retry-after": after}, b"", took=0.1)


def play(call: Any, retries: Retries, *answers: SendOutcome) -> tuple[Any, list[float], list[float]]:
    """Run a call against outcomes; return its result, its delays, and the time left for each attempt."""
    steps, waiting = request_steps(call, retries), list(answers)
    delays: list[float] = []
    left: list[float] = []
    answer: Any = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as stop:
            return stop.value, delays, left
        except InveterateError as error:
            return error, delays, left
        answer = None
        if isinstance(step, Sleep):
            delays.append(step.seconds)
        elif isinstance(step, Send):
            left.append(step.within)
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]


FULL = Retries(jitter=lambda: 1.0)


def test_a_read_is_repeated_until_it_succeeds() -> None:
    """5xx, 429 and a cut connection are transient."""
    outcome, delays, _ = play(READ, FULL, BAD, CUT, UNSENT, GOOD)
    assert outcome.customer_id == "42"
    assert delays == [0.5, 1.0, 2.0]


def test_a_read_gives_up_after_the_last_attempt() -> None:
    """It raises the error of that attempt."""
    outcome, delays, left = play(READ, FULL, BAD)
    assert type(outcome) is ServerError
    assert (len(delays), len(left)) == (3, 4)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 409, 422])
def test_a_refusal_is_not_repeated(status: int) -> None:
    """The platform would refuse again."""
    outcome, delays, _ = play(READ, FULL, HttpReply(status, {}, b""))
    assert isinstance(outcome, InveterateError)
    assert delays == []


@pytest.mark.parametrize("answer", [BAD, CUT, HttpReply(503, {}, b""), HttpReply(200, {}, b"<html>")])
def test_a_write_is_never_repeated_when_it_may_be_done(answer: SendOutcome) -> None:
    """There is no idempotency key, and a 500 may be half done."""
    outcome, delays, left = play(WRITE, FULL, answer)
    assert type(outcome) is AmbiguousWriteError
    assert (delays, len(left)) == ([], 1)


def test_a_write_is_repeated_when_it_was_never_sent() -> None:
    """A refused connection is no ambiguity."""
    outcome, delays, _ = play(WRITE, FULL, UNSENT, UNSENT, GOOD)
    assert outcome.data == {"customerId": "42"}
    assert len(delays) == 2
    outcome, _, _ = play(WRITE, FULL, UNSENT)
    assert type(outcome) is ConnectionFailedError


def test_a_write_is_not_repeated_after_a_429() -> None:
    """It may come from behind the gateway, after half of the work."""
    outcome, delays, _ = play(WRITE, FULL, limited("1"))
    assert type(outcome) is RateLimitError
    assert (outcome.retry_after, delays) == (1.0, [])


@pytest.mark.parametrize(
    ("after", "date", "delays"),
    [
        ("3", "", [3.5]),
        ("0", "", [0.5]),
        ("20", "", [20.5]),
        ("21", "", []),
        ("86400", "", []),
        ("-5", "", [0.5]),
        ("soon", "", [0.5]),
        ("1e9", "", [0.5]),
        ("99999999999999999999", "", [0.5]),
        (None, "", [0.5]),
        ("Wed, 21 Oct 2026 07:28:05 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", [5.5]),
        ("Wed, 21 Oct 2026 07:27:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", [0.5]),
        ("Wed, 21 Oct 2026 07:28:05 GMT", "", [0.5]),
        ("Wed, 21 Oct 2026 07:28:05 GMT", "garbage", [0.5]),
        ("Wed, 99 Oct 2026 07:28:05 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", [0.5]),
    ],
)
def test_a_reasonable_retry_after_is_obeyed(after: str | None, date: str, delays: list[float]) -> None:
    """Seconds or a date, at most 20 s; a longer one is left to the caller; nonsense is ignored."""
    outcome, waited, _ = play(READ, FULL, limited(after, date), GOOD)
    assert waited == delays
    if not delays:
        assert type(outcome) is RateLimitError
        assert outcome.retry_after == float(after or 0)


def test_no_attempt_begins_after_the_deadline() -> None:
    """Slow replies count towards the deadline, as delays do."""
    slow = HttpReply(503, {}, b"", took=12.0)
    outcome, delays, left = play(READ, FULL, slow)
    assert type(outcome) is ServerError
    assert left == [30.0, pytest.approx(30 - 12.5), pytest.approx(30 - 25.5)]
    assert delays == [0.5, 1.0]


@given(
    draws=st.lists(st.floats(0, 1), min_size=12, max_size=12),
    max_attempts=st.integers(1, 12),
    base_delay=st.floats(0, 5),
    max_delay=st.floats(0, 20),
    deadline=st.floats(0.01, 100),
)
def test_delays_stay_within_the_policy(
    draws: list[float], max_attempts: int, base_delay: float, max_delay: float, deadline: float
) -> None:
    """At most `max_delay`, doubling, at most `max_attempts`, and no delay past the deadline."""
    tossed = iter(draws)
    retries = Retries(max_attempts, base_delay, max_delay, deadline, jitter=lambda: next(tossed))
    _, delays, left = play(READ, retries, BAD)
    assert len(left) == len(delays) + 1 <= max_attempts
    assert all(delay <= min(max_delay, base_delay * 2**number) for number, delay in enumerate(delays))
    assert not delays or sum(delays) + 0.1 * len(delays) <= deadline


def test_the_client_executes_the_retries() -> None:
    """The loops execute every step."""
    script = Script(httpx.Response(503), httpx.ReadError("cut"), ok({"customerId": "42"}))
    with script.client(retries=QUICK) as client:
        assert client.members.get(CustomerId(42)).customer_id == "42"
    assert script.methods == ["GET"] * 3
