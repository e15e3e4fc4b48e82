"""A CRM's rate limit is kept in every window, by all environments together, with few writes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relay.adapters.dynamodb.rate_limit import RateLimitedTransport
from relay.crm.rate_limit import MAX_WAIT, RateLimiter, slot_plan
from relay.errors import TransientError
from relay.ports.crm import RateLimit

from tests.support.crm_fakes import START, FakeClock, FakeRateLimits
from tests.support.virtual_crm import most_in_a_window

HUBSPOT = RateLimit(calls=90, seconds=10)


@dataclass
class Environments:
    """Environments that share a store, each with its own clock; the one furthest behind calls next."""

    limits: tuple[RateLimit, ...]
    count: int = 2
    store: FakeRateLimits = field(default_factory=FakeRateLimits)
    calls: list[datetime] = field(default_factory=list)

    def run(self, calls: int, pause: random.Random) -> None:
        """Make this many calls, with pauses between them."""
        clocks = [FakeClock() for _ in range(self.count)]
        limiters = [RateLimiter(self.limits, self.store, clock, clock.forward) for clock in clocks]
        while len(self.calls) < calls:
            number = min(range(self.count), key=lambda number: clocks[number].now)
            try:
                limiters[number].wait("/contacts")
            except TransientError as error:
                clocks[number].forward(error.retry_after or 1)
                continue
            self.calls.append(clocks[number].now)
            clocks[number].forward(pause.choice([0, 0.01, 0.2, 3.0, 30.0]) if pause.random() < 0.3 else 0.01)


@given(
    calls=st.integers(1, 200),
    seconds=st.sampled_from([1.0, 10.0, 60.0]),
    environments=st.integers(1, 4),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=60, deadline=None)
def test_no_window_has_more(calls: int, seconds: float, environments: int, seed: int) -> None:
    """No window has more calls than allowed, whatever the limit, the number of environments and their pauses."""
    shared = Environments((RateLimit(calls=calls, seconds=seconds),), environments)
    shared.run(min(calls * 4, 300), random.Random(seed))
    assert most_in_a_window(shared.calls, seconds) <= calls


def test_most_of_the_limit_is_used() -> None:
    """A full queue gets at least three quarters of the allowed calls."""
    shared = Environments((HUBSPOT,))
    shared.run(720, random.Random(1))
    assert most_in_a_window(shared.calls, 10) >= 60
    busy = Environments((HUBSPOT,), count=1)
    clock = FakeClock()
    limiter = RateLimiter(busy.limits, busy.store, clock, clock.forward)
    for _ in range(700):
        limiter.wait("/contacts")
    assert 700 / (clock.now - START).total_seconds() >= 0.75 * 9


def test_few_writes() -> None:
    """One write pays for about a second of calls."""
    clock, store = FakeClock(), FakeRateLimits()
    limiter = RateLimiter((HUBSPOT,), store, clock, clock.forward)
    for _ in range(700):
        limiter.wait("/contacts")
    assert store.reservations <= 700 / slot_plan(HUBSPOT).block + 1
    assert slot_plan(HUBSPOT).block >= 7


def test_a_missed_slot_is_lost() -> None:
    """After a missed slot a new one is reserved: used late, it would fall into a later window."""
    clock, store = FakeClock(), FakeRateLimits()
    limiter = RateLimiter((HUBSPOT,), store, clock, clock.forward)
    limiter.wait("/contacts")
    clock.forward(600)
    limiter.wait("/contacts")
    assert store.reservations == 2


def test_too_long_a_sleep_reserves_a_new_slot() -> None:
    """A sleep that took far longer than asked for ends after its slot, so that a new slot is reserved."""
    clock, store = FakeClock(), FakeRateLimits()

    def oversleep(seconds: float) -> None:
        clock.forward(seconds + (60 if store.reservations == 2 else 0))

    limiter = RateLimiter((RateLimit(calls=2, seconds=1),), store, clock, oversleep)
    limiter.wait("/contacts")
    limiter.wait("/contacts")
    assert store.reservations == 3


def test_paths_have_limits_of_their_own() -> None:
    """A limit with a path holds for that path, beside the limits for all paths."""
    clock, store = FakeClock(), FakeRateLimits()
    limiter = RateLimiter((HUBSPOT, RateLimit(calls=2, seconds=1, path="/send")), store, clock, clock.forward)
    limiter.wait("/contacts")
    assert store.free_at.keys() == {0}
    limiter.wait("/events/send/batch")
    assert store.free_at.keys() == {0, 1}


def test_a_slot_too_far_away_is_answered_with_429() -> None:
    """If all slots are taken the adapter receives 429 with `Retry-After`, and the CRM receives nothing."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={})

    store = FakeRateLimits({0: START + timedelta(minutes=1)})
    clock = FakeClock()
    transport = RateLimitedTransport(
        RateLimiter((HUBSPOT,), store, clock, clock.forward), httpx.MockTransport(answer)
    )
    with httpx.Client(transport=transport, base_url="http://crm") as client:
        reply = client.get("/contacts")
        assert (reply.status_code, reply.headers["Retry-After"]) == (429, f"{MAX_WAIT.total_seconds():g}")
        assert not asked
        clock.forward(120)
        assert client.get("/contacts").status_code == 200


@pytest.mark.parametrize(
    "limit", [RateLimit(calls=1, seconds=1), RateLimit(calls=2, seconds=1), RateLimit(calls=750, seconds=60)]
)
def test_slot_plan(limit: RateLimit) -> None:
    """The slots that can fall into a window are no more than the calls that it allows."""
    plan = slot_plan(limit)
    window = timedelta(seconds=limit.seconds)
    assert (window + plan.valid_for) / plan.interval + 1 <= limit.calls + 1e-6 or limit.calls == 1
