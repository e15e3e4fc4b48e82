"""When to try again: decided by a generator, tested without network, clock or event loop."""

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
from inveterate._retries import converse
from inveterate._steps import Answer, Failure, Reply, Send, Sleep
from inveterate.api.credits import Credits
from inveterate.api.members import Members

from tests.unit.sdk.fakes import QUICK, Script, ok

READ = Members.get.of(CustomerId(42))
WRITE = Credits.add.of(CustomerId(42), 5)
GOOD = Reply(200, {}, b'{"data": {"customerId": "42"}}', took=0.1)
BAD = Reply(500, {}, b"", took=0.1)
CUT = Failure(httpx.ReadError("cut"), sent=True, took=0.1)
UNSENT = Failure(httpx.ConnectError("refused"), sent=False, took=0.1)


def limited(after: str | None, date: str = "") -> Reply:
    """Make a 429."""
    headers = {"date": date} if date else {}
    return Reply(429, headers if after is None else {**headers, "retry-after": after}, b"", took=0.1)


def play(call: Any, retries: Retries, *answers: Answer) -> tuple[Any, list[float], list[float | None]]:
    """Run a conversation against answers; return its outcome, its pauses, and what was left each time."""
    conversation, waiting = converse(call, retries), list(answers)
    pauses: list[float] = []
    left: list[float | None] = []
    answer: Any = None
    while True:
        try:
            step = conversation.send(answer)
        except StopIteration as stop:
            return stop.value, pauses, left
        except InveterateError as error:
            return error, pauses, left
        answer = None
        if isinstance(step, Sleep):
            pauses.append(step.seconds)
        elif isinstance(step, Send):
            left.append(step.within)
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]


FULL = Retries(draw=lambda: 1.0)


def test_a_read_is_repeated_until_it_succeeds() -> None:
    """5xx, 429 and a cut connection pass."""
    outcome, pauses, _ = play(READ, FULL, BAD, CUT, UNSENT, GOOD)
    assert outcome.customer_id == "42"
    assert pauses == [0.5, 1.0, 2.0]


def test_a_read_gives_up_after_the_last_attempt() -> None:
    """With the error of that attempt."""
    outcome, pauses, left = play(READ, FULL, BAD)
    assert type(outcome) is ServerError
    assert (len(pauses), len(left)) == (3, 4)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 409, 422])
def test_what_will_not_pass_is_not_repeated(status: int) -> None:
    """A refusal stays one."""
    outcome, pauses, _ = play(READ, FULL, Reply(status, {}, b""))
    assert isinstance(outcome, InveterateError)
    assert pauses == []


@pytest.mark.parametrize("answer", [BAD, CUT, Reply(503, {}, b""), Reply(200, {}, b"<html>")])
def test_a_write_is_never_repeated_when_it_may_have_been_done(answer: Answer) -> None:
    """There is no idempotency key, and a 500 may be half done."""
    outcome, pauses, left = play(WRITE, FULL, answer)
    assert type(outcome) is AmbiguousWriteError
    assert (pauses, len(left)) == ([], 1)


def test_a_write_is_repeated_when_it_was_never_sent() -> None:
    """A refused connection is no ambiguity."""
    outcome, pauses, _ = play(WRITE, FULL, UNSENT, UNSENT, GOOD)
    assert outcome.data == {"customerId": "42"}
    assert len(pauses) == 2
    outcome, _, _ = play(WRITE, FULL, UNSENT)
    assert type(outcome) is ConnectionFailedError


def test_a_write_is_not_repeated_after_a_429() -> None:
    """It may come from behind the gateway, after half of the work."""
    outcome, pauses, _ = play(WRITE, FULL, limited("1"))
    assert type(outcome) is RateLimitError
    assert (outcome.retry_after, pauses) == (1.0, [])


@pytest.mark.parametrize(
    ("after", "date", "pauses"),
    [
        ("3", "", [3.5]),
        ("0", "", [0.5]),
        ("30", "", [30.5]),
        ("31", "", []),
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
def test_retry_after_is_obeyed_when_it_is_sane(after: str | None, date: str, pauses: list[float]) -> None:
    """Seconds or a date, up to half a minute; longer is left to the caller; nonsense is ignored."""
    outcome, waited, _ = play(READ, FULL, limited(after, date), GOOD)
    assert waited == pauses
    if not pauses:
        assert type(outcome) is RateLimitError
        assert outcome.retry_after == float(after or 0)


def test_nothing_is_begun_after_the_deadline() -> None:
    """Slow answers use up the time as much as pauses do."""
    slow = Reply(503, {}, b"", took=25.0)
    outcome, pauses, left = play(READ, FULL, slow)
    assert type(outcome) is ServerError
    assert len(left) == 3
    assert left == [None, pytest.approx(60 - 25.5), pytest.approx(60 - 51.5)]
    assert sum(pauses) + 75 > 60


@given(
    draws=st.lists(st.floats(0, 1), min_size=12, max_size=12),
    attempts=st.integers(1, 12),
    first=st.floats(0, 5),
    longest=st.floats(0, 20),
    deadline=st.floats(0, 100),
)
def test_pauses_stay_within_what_was_promised(
    draws: list[float], attempts: int, first: float, longest: float, deadline: float
) -> None:
    """At most `longest`, doubling, no more attempts than allowed, and no pause past the deadline."""
    tossed = iter(draws)
    retries = Retries(attempts, first, longest, deadline, draw=lambda: next(tossed))
    _, pauses, left = play(READ, retries, BAD)
    assert len(left) == len(pauses) + 1 <= attempts
    assert all(pause <= min(longest, first * 2**number) for number, pause in enumerate(pauses))
    assert not pauses or sum(pauses) + 0.1 * len(pauses) <= deadline


def test_both_clients_keep_to_it() -> None:
    """The loops add nothing and leave nothing out."""
    script = Script(httpx.Response(503), httpx.ReadError("cut"), ok({"customerId": "42"}))
    with script.client(retries=QUICK) as client:
        assert client.members.get(CustomerId(42)).customer_id == "42"
    assert script.methods == ["GET"] * 3
