"""A CRM's rate is kept in every window, by all environments together, with few writes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relay.adapters.dynamodb.rate_limit import RateLimitedTransport
from relay.crm.rate_limit import PATIENCE, RateLimiter, measure
from relay.errors import TransientError
from relay.ports.crm import RateLimit

from tests.support.crm_fakes import START, FakeClock, FakeTurnstiles
from tests.support.virtual_crm import most_in_a_window

HUBSPOT = RateLimit(calls=90, seconds=10)


@dataclass
class Site:
    """Environments that share turnstiles, each with a clock of its own; the one furthest behind calls next."""

    rates: tuple[RateLimit, ...]
    environments: int = 2
    turnstiles: FakeTurnstiles = field(default_factory=FakeTurnstiles)
    calls: list[datetime] = field(default_factory=list)

    def run(self, count: int, pause: random.Random) -> None:
        """Make so many calls, with pauses as work has them."""
        clocks = [FakeClock() for _ in range(self.environments)]
        paces = [RateLimiter(self.rates, self.turnstiles, clock, clock.forward) for clock in clocks]
        while len(self.calls) < count:
            number = min(range(self.environments), key=lambda number: clocks[number].now)
            try:
                paces[number].wait("/contacts")
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
    """Whatever the rate, the number of environments and their pauses: no window sees more calls than allowed."""
    site = Site((RateLimit(calls=calls, seconds=seconds),), environments)
    site.run(min(calls * 4, 300), random.Random(seed))
    assert most_in_a_window(site.calls, seconds) <= calls


def test_most_of_the_rate_is_used() -> None:
    """A queue that is full gets at least three quarters of what is allowed."""
    site = Site((HUBSPOT,))
    site.run(720, random.Random(1))
    assert most_in_a_window(site.calls, 10) >= 60
    busy = Site((HUBSPOT,), environments=1)
    clock = FakeClock()
    pace = RateLimiter(busy.rates, busy.turnstiles, clock, clock.forward)
    for _ in range(700):
        pace.wait("/contacts")
    assert 700 / (clock.now - START).total_seconds() >= 0.75 * 9


def test_few_writes() -> None:
    """One write buys about a second of calls."""
    clock, turnstiles = FakeClock(), FakeTurnstiles()
    pace = RateLimiter((HUBSPOT,), turnstiles, clock, clock.forward)
    for _ in range(700):
        pace.wait("/contacts")
    assert turnstiles.leases <= 700 / measure(HUBSPOT).handful + 1
    assert measure(HUBSPOT).handful >= 7


def test_a_missed_turn_is_not_made_up_for() -> None:
    """Who slept through its turn takes a new one: used late, it would fall into somebody else's window."""
    clock, turnstiles = FakeClock(), FakeTurnstiles()
    pace = RateLimiter((HUBSPOT,), turnstiles, clock, clock.forward)
    pace.wait("/contacts")
    clock.forward(600)
    pace.wait("/contacts")
    assert turnstiles.leases == 2


def test_who_oversleeps_takes_a_new_turn() -> None:
    """A wait that took far longer than asked for ends past its turn, and is begun again."""
    clock, turnstiles = FakeClock(), FakeTurnstiles()

    def oversleep(seconds: float) -> None:
        clock.forward(seconds + (60 if turnstiles.leases == 2 else 0))

    pace = RateLimiter((RateLimit(calls=2, seconds=1),), turnstiles, clock, oversleep)
    pace.wait("/contacts")
    pace.wait("/contacts")
    assert turnstiles.leases == 3


def test_paths_have_rates_of_their_own() -> None:
    """A rate holds for the paths that it names, beside those that hold for all."""
    clock, turnstiles = FakeClock(), FakeTurnstiles()
    pace = RateLimiter(
        (HUBSPOT, RateLimit(calls=2, seconds=1, path="/send")), turnstiles, clock, clock.forward
    )
    pace.wait("/contacts")
    assert turnstiles.free_at.keys() == {0}
    pace.wait("/events/send/batch")
    assert turnstiles.free_at.keys() == {0, 1}


def test_too_far_away_is_answered_like_a_limit() -> None:
    """Where all turns are taken the adapter hears 429 with `Retry-After`, and the CRM hears nothing."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={})

    turnstiles = FakeTurnstiles({0: START + timedelta(minutes=1)})
    clock = FakeClock()
    transport = RateLimitedTransport(
        RateLimiter((HUBSPOT,), turnstiles, clock, clock.forward), httpx.MockTransport(answer)
    )
    with httpx.Client(transport=transport, base_url="http://crm") as client:
        reply = client.get("/contacts")
        assert (reply.status_code, reply.headers["Retry-After"]) == (429, f"{PATIENCE.total_seconds():g}")
        assert not asked
        clock.forward(120)
        assert client.get("/contacts").status_code == 200


@pytest.mark.parametrize(
    "rate", [RateLimit(calls=1, seconds=1), RateLimit(calls=2, seconds=1), RateLimit(calls=750, seconds=60)]
)
def test_measures(rate: RateLimit) -> None:
    """All turns that can fall into a window are no more than the calls that it allows."""
    turns = measure(rate)
    window = timedelta(seconds=rate.seconds)
    assert (window + turns.late) / turns.step + 1 <= rate.calls + 1e-6 or rate.calls == 1
