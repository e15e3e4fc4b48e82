"""HubSpot's custom events, if the portal has them and a setting asks for them."""

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

from tests.contract.crm.hubspot_setup import HubspotTestSetup, hubspot
from tests.contract.crm.profiles import key_of, wanted

KEY = key_of(7001)
AT = datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.fixture
def setup() -> Iterator[HubspotTestSetup]:
    """Return the adapter at a portal with custom events, and one member in it."""
    with hubspot() as setup:
        setup.prepare()
        setup.crm.upsert([wanted()])
        yield setup


def change(
    event: str = "e1", name: str = "Store Credit Changed", *, backfill: bool = False, **properties: Decimal
) -> MemberChanged:
    """Return a change with one note."""
    note = Note(rule="credits", name=name, properties=properties)
    return MemberChanged(
        member=KEY,
        events=(EventEffects(event_id=event, topic="t", at=AT, effects=(note,)),),
        backfill=backfill,
    )


def contacts(setup: HubspotTestSetup) -> dict[str, ContactRef]:
    """Return the member's contact."""
    (contact,) = setup.fake.portal.contacts
    return {KEY: ContactRef(key=KEY, id=contact, email="member-7001@example.com")}


def test_a_note_is_an_event(setup: HubspotTestSetup) -> None:
    """An event has the member's contact, our name, its own time and its defined properties; a repetition is the same event."""
    for _ in range(2):
        sent = change(amount=Decimal("24.90"), delta=Decimal("24.90"), undefined=Decimal(1))
        outcomes = setup.crm.record([sent], contacts(setup))
        assert outcomes["e1.credits"].state == "mirrored"
    (event,) = setup.fake.portal.events.occurrences.values()
    assert event["eventName"] == "pe101_store_credit_changed"
    assert event["objectId"] in setup.fake.portal.contacts
    assert event["occurredAt"] == "2026-11-22T10:00:00.000Z"
    assert event["properties"] == {
        "amount": "24.9",
        "delta": "24.9",
        "membership_key": KEY,
        "occurred_at": "2026-11-22T10:00:00.000Z",
        "inveterate_event_id": "e1",
    }


def test_every_metric_is_defined(setup: HubspotTestSetup) -> None:
    """All names of the contract can be sent; any other is skipped, with the reason."""
    changes = [change(f"e{number}", name) for number, name in enumerate(TIMELINE_EVENTS)]
    outcomes = setup.crm.record([*changes, change("odd", "Something Else")], contacts(setup))
    assert [outcome.state for outcome in outcomes.values()].count("mirrored") == len(TIMELINE_EVENTS)
    assert outcomes["odd.credits"].state == "skipped"


def test_five_hundred_at_a_time(setup: HubspotTestSetup) -> None:
    """Notes of many messages go out in few calls."""
    setup.crm.record([change(f"e{number}") for number in range(1001)], contacts(setup))
    sent = [asked["inputs"] for asked in setup.fake.requests if asked["path"].endswith("/send/batch")]
    assert sent == [500, 500, 1]
    assert len(setup.fake.portal.events.occurrences) == 1001


def test_a_refused_event_does_not_affect_the_others(setup: HubspotTestSetup) -> None:
    """A refused batch is sent in halves."""
    lost = MemberChanged(member=key_of(1), events=change("lost").events)
    outcomes = setup.crm.record([change("a"), lost, change("b")], contacts(setup))
    assert [outcomes[f"{event}.credits"].state for event in ("a", "lost", "b")] == [
        "mirrored",
        "waiting",
        "mirrored",
    ]


def test_a_portal_without_events(setup: HubspotTestSetup) -> None:
    """The portal is asked once; notes are skipped and members are mirrored all the same."""
    setup.fake.portal.events.on = False
    for _ in range(2):
        outcome = setup.crm.record([change()], contacts(setup))["e1.credits"]
        assert (outcome.state, outcome.reason) == ("skipped", "this portal has no custom events")
    asked = [asked for asked in setup.fake.requests if "event-definitions" in asked["path"]]
    assert asked[-1]["status"] == 403
    assert [entry["status"] for entry in asked].count(403) == 1
    assert setup.crm.upsert([wanted(tier_name="Gold")])[KEY].state == "mirrored"


def test_an_outage_defers_notes(setup: HubspotTestSetup) -> None:
    """While HubSpot is down a note is deferred, and not lost."""
    setup.crm.record([change("first")], contacts(setup))
    setup.fake.faults.append(Fault(status=429, policy="SECONDLY", retry_after=3))
    outcome = setup.crm.record([change()], contacts(setup))["e1.credits"]
    assert (outcome.state, outcome.retry_after) == ("retry", 3)
    assert setup.crm.record([change()], contacts(setup))["e1.credits"].state == "mirrored"


def test_quiet_backfill(setup: HubspotTestSetup) -> None:
    """A back-fill sends no events: every HubSpot event can start a workflow."""
    outcome = setup.crm.record([change(backfill=True)], contacts(setup))["e1.credits"]
    assert (outcome.state, outcome.reason) == ("skipped", "backfill")
    assert not setup.fake.portal.events.occurrences
