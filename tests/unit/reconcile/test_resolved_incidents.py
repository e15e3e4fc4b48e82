"""A reading that finds an incident over resolves it: its event may never come."""

from __future__ import annotations

from datetime import timedelta

import pytest
from inveterate import Member as ApiMember
from relay.model.member import merge
from relay.ports.inveterate import MemberReading
from relay.reconcile.api_facts import facts_of
from relay.reconcile.findings import resolved_incidents
from relay.rules.settings import Rules

from tests.support.in_memory_relay import day
from tests.support.sample_events import CUSTOMER, after, brief, event

FAILED = event("attempt", 2)
PENDING = event("pending", 2, effectiveCancellationDate="2026-04-01T07:00:00Z")


@pytest.mark.parametrize(
    ("known", "status", "closed"),
    [
        (PENDING, "ACTIVE", ["resolve cancel:M:2026-04-01 by cancel.resumed"]),
        (PENDING, "CANCELLED", ["resolve cancel:M:2026-04-01 by cancel.ended"]),
        (PENDING, "PENDING_CANCELLATION", []),
        (FAILED, "CANCELLED", ["resolve WARNING immediate dun:M by dunning.lost"]),
        (FAILED, "ACTIVE", []),
        (FAILED, "WHATEVER", []),
    ],
)
def test_what_a_reading_ends(known: object, status: str, closed: list[str]) -> None:
    """What the record knew of, and what the API now says of the membership."""
    before = after(known)  # type: ignore[arg-type]  # an event
    read = ApiMember.model_validate({"customerId": CUSTOMER, "status": status})
    reading = facts_of(MemberReading(member=read, date=day(3), seconds=0), day(3), before)
    assert [brief(effect) for effect in resolved_incidents(before, merge(before, reading), Rules())] == closed


def test_a_reading_that_is_older_ends_nothing() -> None:
    """What happened after the reading's date stands."""
    read = ApiMember.model_validate({"customerId": CUSTOMER, "status": "ACTIVE"})
    before = after(PENDING)
    date = day(2) - timedelta(hours=1)
    reading = facts_of(MemberReading(member=read, date=date, seconds=0), date, before)
    assert list(resolved_incidents(before, merge(before, reading), Rules())) == []
