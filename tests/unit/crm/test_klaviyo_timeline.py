"""The exact events that notes become at Klaviyo."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from relay.model.effects import Note
from relay.model.messages import MemberChanged, dump, load
from relay.model.timeline_events import TIMELINE_EVENTS
from relay.ports.crm import CrmOutcome

from tests.unit.crm.scripted_klaviyo import EMAIL, MEMBER, ScriptedKlaviyo, change, contacts


def test_the_exact_event() -> None:
    """An event has its own id, the event's time, the contract's properties, its value, and the profile by address."""
    klaviyo = ScriptedKlaviyo()
    note = Note(
        rule="changed",
        name="Store Credit Changed",
        properties={"amount": Decimal("-5.50"), "amount_minor": -550, "currency": "USD", "tier_name": "Gold"},
    )
    received = load(MemberChanged, dump(change(note)))  # as it comes from the queue
    assert klaviyo.crm().record([received], contacts()) == {"e1.changed": CrmOutcome(state="mirrored")}
    assert klaviyo.sent("/api/events") == [
        {
            "type": "event",
            "attributes": {
                "unique_id": "e1.changed",
                "time": "2026-11-22T10:00:00Z",
                "backfill": False,
                "properties": {
                    "membership_key": MEMBER,
                    "tier_id": None,
                    "tier_name": "Gold",
                    "status": None,
                    "amount": -5.5,
                    "amount_minor": -550,
                    "currency": "USD",
                    "occurred_at": "2026-11-22T10:00:00.000Z",
                    "inveterate_event_id": "e1",
                    "delta": None,
                    "reason": None,
                    "credit_kind": None,
                },
                "metric": {"data": {"type": "metric", "attributes": {"name": "Store Credit Changed"}}},
                "profile": {"data": {"type": "profile", "attributes": {"email": EMAIL}}},
            },
        }
    ]


@pytest.mark.parametrize(
    ("currency", "sent"), [("usd", {"value_currency": "USD"}), ("points", {}), ("", {}), (None, {})]
)
def test_an_unknown_currency(currency: str | None, sent: dict[str, str]) -> None:
    """A value has no currency rather than one that Klaviyo would refuse the event for."""
    klaviyo = ScriptedKlaviyo()
    properties: dict[str, Any] = {"amount": Decimal(5)} | ({} if currency is None else {"currency": currency})
    klaviyo.crm().record(
        [change(Note(rule="r", name="Membership Payment Recovered", properties=properties))], contacts()
    )
    (event,) = klaviyo.sent("/api/events")
    attributes = event["attributes"]
    assert {name: attributes[name] for name in attributes if name == "value_currency"} == sent
    assert attributes["value"] == 5


@pytest.mark.parametrize("name", TIMELINE_EVENTS)
def test_a_value_is_money_received(name: str) -> None:
    """Klaviyo's revenue adds up values: only what a member has paid may be one, whatever amount an event names."""
    klaviyo = ScriptedKlaviyo()
    note = Note(rule="r", name=name, properties={"amount": Decimal(49), "currency": "USD"})
    klaviyo.crm().record([change(note)], contacts())
    (event,) = klaviyo.sent("/api/events")
    paid = {"Membership Joined", "Membership Payment Recovered", "Member Ordered"}
    assert ("value" in event["attributes"]) is (name in paid)
    assert ("value_currency" in event["attributes"]) is (name in paid)
    assert event["attributes"]["properties"]["amount"] == 49


def test_a_note_without_an_address() -> None:
    """A note about a member without a known profile is skipped: its event would create a profile."""
    klaviyo = ScriptedKlaviyo()
    outcome = CrmOutcome(state="skipped", reason="no_email")
    assert klaviyo.crm().record([change()], {}) == {"e1.joined": outcome}
    assert not klaviyo.asked


def test_notes_after_a_failed_call() -> None:
    """After a failed call no other is made; a note that Klaviyo does not take does not affect the others."""
    notes = [Note(rule=rule, name="Membership Joined") for rule in ("a", "b", "c")]
    klaviyo = ScriptedKlaviyo(
        ("/api/events", 400, {"errors": [{"code": "invalid"}]}), ("/api/events", 502, None)
    )
    outcomes = klaviyo.crm().record([change(*notes)], contacts())
    assert [(outcome.state, outcome.unanswered) for outcome in outcomes.values()] == [
        ("waiting", False),
        ("retry", True),
        ("retry", False),
    ]
    assert len(klaviyo.sent("/api/events")) == 2
