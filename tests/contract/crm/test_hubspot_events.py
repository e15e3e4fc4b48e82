"""HubSpot's custom events: where the portal has them and a setting asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from fakes.fault_queue import Fault
from relay.model.effects import Note
from relay.model.messages import EventEffects, MemberChanged
from relay.model.timeline_events import TIMELINE_EVENTS
from relay.ports.crm import ContactRef

from tests.contract.crm.hubspot_bench import HubspotBench, hubspot
from tests.contract.crm.profiles import key_of, wanted

KEY = key_of(7001)
AT = datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.fixture
def bench() -> Iterator[HubspotBench]:
    """Return the adapter at a portal with custom events, and one member in it."""
    with hubspot() as bench:
        bench.prepare()
        bench.crm.upsert([wanted()])
        yield bench


def change(
    event: str = "e1", name: str = "Store Credit Changed", *, quiet: bool = False, **told: Decimal
) -> MemberChanged:
    """Return a change with one note."""
    note = Note(rule="credits", name=name, properties=told)
    return MemberChanged(
        member=KEY, events=(EventEffects(event_id=event, topic="t", at=AT, effects=(note,)),), backfill=quiet
    )


def home(bench: HubspotBench) -> dict[str, ContactRef]:
    """Return where the member is."""
    (contact,) = bench.standin.portal.contacts
    return {KEY: ContactRef(key=KEY, id=contact, email="member-7001@example.com")}


def test_a_note_is_an_event(bench: HubspotBench) -> None:
    """It happens to the member's contact, under our name, at its own time, with what it may carry; repeated, once."""
    for _ in range(2):
        told = change(amount=Decimal("24.90"), delta=Decimal("24.90"), unheard_of=Decimal(1))
        outcomes = bench.crm.record([told], home(bench))
        assert outcomes["e1.credits"].state == "mirrored"
    (event,) = bench.standin.portal.events.occurrences.values()
    assert event["eventName"] == "pe101_store_credit_changed"
    assert event["objectId"] in bench.standin.portal.contacts
    assert event["occurredAt"] == "2026-11-22T10:00:00.000Z"
    assert event["properties"] == {
        "amount": "24.9",
        "delta": "24.9",
        "membership_key": KEY,
        "occurred_at": "2026-11-22T10:00:00.000Z",
        "inveterate_event_id": "e1",
    }


def test_every_metric_is_defined(bench: HubspotBench) -> None:
    """All names of the contract can be sent; one that is not of them is skipped, and says so."""
    changes = [change(f"e{number}", name) for number, name in enumerate(TIMELINE_EVENTS)]
    outcomes = bench.crm.record([*changes, change("odd", "Something Else")], home(bench))
    assert [outcome.state for outcome in outcomes.values()].count("mirrored") == len(TIMELINE_EVENTS)
    assert outcomes["odd.credits"].state == "skipped"


def test_five_hundred_at_a_time(bench: HubspotBench) -> None:
    """Notes of many messages are few calls."""
    bench.crm.record([change(f"e{number}") for number in range(1001)], home(bench))
    sent = [asked["inputs"] for asked in bench.standin.requests if asked["path"].endswith("/send/batch")]
    assert sent == [500, 500, 1]
    assert len(bench.standin.portal.events.occurrences) == 1001


def test_one_that_is_refused_keeps_no_other_out(bench: HubspotBench) -> None:
    """A batch that is refused is sent in halves."""
    lost = MemberChanged(member=key_of(1), events=change("lost").events)
    outcomes = bench.crm.record([change("a"), lost, change("b")], home(bench))
    assert [outcomes[f"{event}.credits"].state for event in ("a", "lost", "b")] == [
        "mirrored",
        "refused",
        "mirrored",
    ]


def test_a_portal_without_events(bench: HubspotBench) -> None:
    """It is found out once; notes are skipped and members are mirrored all the same."""
    bench.standin.portal.events.on = False
    for _ in range(2):
        outcome = bench.crm.record([change()], home(bench))["e1.credits"]
        assert (outcome.state, outcome.reason) == ("skipped", "this portal has no custom events")
    asked = [asked for asked in bench.standin.requests if "event-definitions" in asked["path"]]
    assert asked[-1]["status"] == 403
    assert [entry["status"] for entry in asked].count(403) == 1
    assert bench.crm.upsert([wanted(tier_name="Gold")])[KEY].state == "mirrored"


def test_events_are_for_later(bench: HubspotBench) -> None:
    """While HubSpot is down a note is put off, and not lost."""
    bench.crm.record([change("first")], home(bench))
    bench.standin.faults.append(Fault(status=429, policy="SECONDLY", retry_after=3))
    outcome = bench.crm.record([change()], home(bench))["e1.credits"]
    assert (outcome.state, outcome.retry_after) == ("retry", 3)
    assert bench.crm.record([change()], home(bench))["e1.credits"].state == "mirrored"


def test_quiet_backfill(bench: HubspotBench) -> None:
    """A back-fill tells of no events: HubSpot has none that starts nothing."""
    outcome = bench.crm.record([change(quiet=True)], home(bench))["e1.credits"]
    assert (outcome.state, outcome.reason) == ("skipped", "quiet")
    assert not bench.standin.portal.events.occurrences
