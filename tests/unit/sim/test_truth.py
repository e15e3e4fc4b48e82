"""The simulator's truth and Relay's record, written apart, agree: over months, in any order, in odd readings."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import inveterate.webhooks
import pytest
from relay.model.member import Member, merge
from relay.rules.crm_profile import CRM_FIELDS, crm_profile
from relay.rules.settings import Rules
from relay_cli.comparing import NOT_COMPARED
from sim import billing, joining, leaving, living, population
from sim.clock import iso
from sim.events import Event
from sim.sending import body_of
from sim.world import World

from tests.support.topic_functions import TOPIC_RULES
from tests.unit.sim.history import GOLD, days, joined, world

ODD = {
    "updated_events": "all", "tier_move": "both", "expiry_updates": "yes", "after_cancellation": "free_tier",
    "pending_after_failure": "event", "failure_cancel_day": "next", "trial_conversion": "payment_and_joined", "membership_orders": "told",
}  # fmt: skip
HABITS = {
    "orders": 2,
    "redemptions": 1,
    "cancellations": 0.4,
    "tier_changes": 0.4,
    "card_updates": 0.3,
    "profile_updates": 1,
    "payment_fails": 0.4,
}


def lived(switches: dict[str, str], faults: dict[str, float]) -> tuple[World, list[Event]]:
    place = world(5, switches=switches)
    place.faults.set(faults)
    living.wake(place, HABITS)
    population.invite(place, 60, 3)
    return place, [event for event in days(place, 75) if event.topic]


def mirrored(place: World, events: list[Event]) -> dict[str, Member]:
    """Let Relay's own rules and merge read the bodies as they are sent."""
    records: dict[str, Member] = {}
    for event in events:
        body = body_of(place.shop, place.switches, event, attempt=0, now=place.now)
        facts = TOPIC_RULES[event.topic or ""].facts(inveterate.webhooks.parse(body))
        known = records.get(event.member_id) or Member(shop=place.shop.domain, customer_id=event.member_id)
        records[event.member_id] = merge(known, facts.dated(place.now))
    return records


def written(value: Any) -> Any:
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return iso(value.astimezone(UTC))
    return value.isoformat() if isinstance(value, date) else value


@pytest.mark.parametrize(
    "switches", [{}, ODD, {"cancellation_policy": "immediate", "triggered_spelling": "triggeredAt"}]
)
@pytest.mark.parametrize("faults", [{}, {"missing_fields": 0.2, "unknown_fields": 0.2}])
def test_relay_reaches_the_truth(switches: dict[str, str], faults: dict[str, float]) -> None:
    """Every field of every member, from shuffled events, fields added or taken away, is what the truth says."""
    place, events = lived(switches, faults)
    random.Random(1).shuffle(events)
    records = mirrored(place, events)
    assert len(records) == 60
    for member_id, record in records.items():
        told = place.truth.of(place.members[member_id], place.tiers)["fields"]
        mirrored_as = crm_profile(record, Rules()).values
        reached = {
            name: written(mirrored_as[name] if name in mirrored_as else record.value(name)) for name in told
        }
        assert reached == told


def test_the_truth_states_what_a_crm_shows() -> None:
    """All of it but what Relay's own settings decide, and when Relay heard and sent; and not for nobody."""
    place, _ = lived({}, {})
    told = [place.truth.of(member, place.tiers)["fields"] for member in place.members.values()]
    stated = {name for one in told for name in one}
    assert CRM_FIELDS.keys() - stated == NOT_COMPARED | {"key", "high_value"}
    known = {name for one in told for name, value in one.items() if value is not None}
    # Of their own accord the simulated members do not come back.
    assert stated - known == {"rejoined_at", "rejoin_count"}


def test_who_comes_back_is_back() -> None:
    """Counted by the truth as by Relay, though it stands in no single event."""
    place = world()
    member, events = joined(place)
    events += leaving.request(place, member, "MERCHANT", policy="immediate")
    events += joining.join(place, member, place.tiers[GOLD])
    told = place.truth.of(member, place.tiers)["fields"]
    assert (told["rejoin_count"], told["rejoined_at"][:19]) == (1, told["joined_at"][:19])
    values = crm_profile(mirrored(place, [one for one in events if one.topic])[member.id], Rules()).values
    assert {name: written(values[name]) for name in told if name in values} == {
        name: value for name, value in told.items() if name in values
    }


def test_what_rests_on_something_unheard_is_unheard() -> None:
    """Who never heard of the failure cannot tell that a payment made it good; the payment itself was heard of."""
    place = world()
    member, _ = joined(place)
    events = [*billing.fail_payment(place, member, 1), *billing.pay_now(place, member)]
    place.truth.unheard.add(
        next(one.ordinal for one in events if one.topic == "customer_billing.attempt.failed")
    )
    told = place.truth.of(member, place.tiers)
    assert told["fields"]["recovered_at"] == told["fields"]["last_payment_at"]
    assert told["unheard"] == ["recovered_at"]


@pytest.mark.parametrize("switches", [{}, ODD])
def test_the_truth_is_the_state(switches: dict[str, str]) -> None:
    """When nothing is lost, what the events told is what the platform itself holds."""
    place, _ = lived(switches, {})
    for member in place.members.values():
        told = place.truth.of(member, place.tiers)["fields"]
        own = {"ACTIVE": "active", "PENDING_CANCELLATION": "pending_cancellation", "CANCELLED": "cancelled"}[
            str(member.status)
        ]
        if own == "active":
            own = "trialing" if member.on_trial else "past_due" if member.failed_attempts else own
        assert told["status"] == own
        assert Decimal(told.get("credit_balance") or 0) == member.balance
        assert told["tier_id"] == member.tier_id


def test_a_purchase_that_the_api_shows_is_known_and_an_older_one_changes_nothing() -> None:
    """A membership is a purchase to the platform, of which no order tells."""
    place = world()
    member, _ = joined(place)
    for bought, known in (("2026-03-02", "2026-03-02"), (None, "2026-03-02"), ("2026-03-01", "2026-03-02")):
        shown = bought and f"{bought}T00:00:00.000Z"
        place.truth.read({"customerId": member.id, "lastPurchaseAt": shown})
        told = place.truth.of(member, place.tiers)["fields"]
        assert told["last_order_at"] == f"{known}T00:00:00.000Z"
