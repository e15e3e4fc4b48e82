"""A record remembers the ids of its latest 19 events. One that comes again after more than those is still no new fact."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import pytest
from relay.ingest.reducer import REMEMBERED

from tests.support.in_memory_relay import Programme, day
from tests.support.sample_events import CUSTOMER, content

Told: TypeAlias = tuple[str, float, dict[str, Any]]

FAILED: Told = ("attempt", 3, {"billingAttempts": 3, "amount": 9})
FINAL: Told = ("lost", 3.001, {"billingAttempts": 3, "amount": 9, "isFinal": True})
"""One failure that both topics tell, 86 seconds apart."""


def delivered(relay: Programme, told: Told, at: float) -> None:
    name, happened, differs = told
    relay.deliver(json.dumps(content(name, happened, **differs)).encode(), day(at))


@pytest.mark.parametrize("others", [0, REMEMBERED, REMEMBERED + 5])
@pytest.mark.parametrize("first", [FAILED, FINAL])
def test_a_failure_that_comes_again_is_noted_and_counted_once(first: Told, others: int) -> None:
    """Whichever topic told it first, and however many events came in between."""
    relay = Programme()
    delivered(relay, ("joined", 1, {}), 1)
    second = FINAL if first is FAILED else FAILED
    delivered(relay, first, 3.1)
    delivered(relay, second, 3.1)
    for number in range(others):
        delivered(relay, ("ordered", 4 + number / 100, {}), 5)
    told = len(relay.sent)
    for again in (FAILED, FINAL):
        delivered(relay, again, 6)

    # Effects of one id are one: who has had them drops them.
    assert len({by for by, note in relay.notes if note.name == "Membership Payment Failed"}) == 1
    assert len({by for by, kpi in relay.kpis if kpi.name == "failed_attempt"}) == 1
    assert len(relay.sent) == told
    assert relay.shows(CUSTOMER)["failed_attempts"] == 3


@pytest.mark.parametrize("others", [0, REMEMBERED])
def test_two_payments_that_are_alike_are_two(others: int) -> None:
    """Of one millisecond, each with an amount that no number holds: their ids alone tell them apart."""
    relay = Programme()
    delivered(relay, ("joined", 1, {}), 1)
    for number in range(others):
        delivered(relay, ("ordered", 2 + number / 100, {}), 3)
    for amount in ("1e400", "2e400"):
        body = json.dumps(content("paid", 3, amount="@")).replace('"@"', amount)
        relay.deliver(body.encode(), day(3.1))
    assert len({by for by, kpi in relay.kpis if kpi.name == "payment"}) == 2
