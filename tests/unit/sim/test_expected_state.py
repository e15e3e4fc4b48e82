"""The expected state of the simulator and the record of Relay agree: over months, in any order, with unusual switches."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import inveterate.webhooks
import pytest
from local_stack.crm_diff import NOT_COMPARED
from relay.model.consistency import OTHER_TIER, inconsistencies
from relay.model.member import Member, merge
from relay.rules.crm_profile import CRM_FIELDS, crm_profile
from relay.rules.settings import Rules
from sim import behaviour_engine, billing, cancellations, memberships, population
from sim.clock import iso
from sim.events import Event
from sim.webhooks import webhook_body
from sim.world import World

from tests.support.topic_functions import TOPIC_RULES
from tests.unit.sim.sim_worlds import GOLD, TRIAL, days, joined, make_world

pytestmark = pytest.mark.slow

ODD = {
    "updated_events": "all", "tier_move": "both", "expiry_updates": "yes", "after_cancellation": "free_tier",
    "pending_after_failure": "event", "failure_cancel_day": "next", "trial_conversion": "payment_and_joined", "membership_orders": "event",
}  # fmt: skip
RATES = {
    "orders": 2,
    "redemptions": 1,
    "cancellations": 0.4,
    "tier_changes": 0.4,
    "card_updates": 0.3,
    "profile_updates": 1,
    "payment_fails": 0.4,
}


def play_history(switches: dict[str, str], faults: dict[str, float]) -> tuple[World, list[Event]]:
    world = make_world(5, switches=switches)
    world.faults.set(faults)
    behaviour_engine.set_behaviour(world, RATES)
    population.schedule_joins(world, 60, 3)
    return world, [event for event in days(world, 75) if event.topic]


def mirrored(world: World, events: list[Event]) -> dict[str, Member]:
    """Return the records that the rules and the merge of Relay make of the webhook bodies."""
    records: dict[str, Member] = {}
    for event in events:
        body = webhook_body(world.shop, world.switches, event, attempt=0, now=world.now)
        facts = TOPIC_RULES[event.topic or ""].facts(inveterate.webhooks.parse(body))
        known = records.get(event.member_id) or Member(shop=world.shop.domain, customer_id=event.member_id)
        records[event.member_id] = merge(known, facts.dated(world.now))
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
def test_relay_reaches_the_expected_state(switches: dict[str, str], faults: dict[str, float]) -> None:
    """Every field of every member, from shuffled events, fields added or taken away, equals the expected state."""
    world, events = play_history(switches, faults)
    random.Random(1).shuffle(events)
    records = mirrored(world, events)
    assert len(records) == 60
    looked_up = 0
    for member_id, record in records.items():
        if OTHER_TIER in inconsistencies(record):
            looked_up += 1  # an ending of another tier than the events tell: the API has the answer
            continue
        expected = world.expected_state.for_member(world.members[member_id], world.tiers)["fields"]
        mirrored_as = crm_profile(record, Rules()).values
        reached = {
            name: written(mirrored_as[name] if name in mirrored_as else record.value(name))
            for name in expected
        }
        assert reached == expected
    assert looked_up <= (6 if faults else 0)


def test_the_expected_state_covers_the_crm_profile() -> None:
    """Every CRM field is expected but those that depend on settings of Relay or on the time of sync, and each has a value."""
    world, _ = play_history({}, {})
    billed, _ = joined(world)
    joined(world, TRIAL)
    assert list(billing.fail_payment(world, billed, 1))  # a fee that is open: attempts are left
    expected = [
        world.expected_state.for_member(member, world.tiers)["fields"] for member in world.members.values()
    ]
    covered = {name for one in expected for name in one}
    assert CRM_FIELDS.keys() - covered == NOT_COMPARED | {"key", "high_value", "manage_url"}
    known = {name for one in expected for name, value in one.items() if value is not None}
    # Simulated members do not rejoin by themselves.
    assert covered - known == {"rejoined_at", "rejoin_count"}


def test_a_member_that_rejoins_is_counted() -> None:
    """Relay and the expected state count a rejoining alike, though no single event contains it."""
    world = make_world()
    member, events = joined(world)
    events += cancellations.request(world, member, "MERCHANT", policy="immediate")
    events += memberships.join(world, member, world.tiers[GOLD])
    expected = world.expected_state.for_member(member, world.tiers)["fields"]
    assert (expected["rejoin_count"], expected["rejoined_at"][:19]) == (1, expected["joined_at"][:19])
    values = crm_profile(mirrored(world, [one for one in events if one.topic])[member.id], Rules()).values
    assert {name: written(values[name]) for name in expected if name in values} == {
        name: value for name, value in expected.items() if name in values
    }


def test_a_field_derived_from_an_undelivered_event_is_undelivered() -> None:
    """Without the event of the failure, a mirror cannot know that a payment recovered it; it knows the payment."""
    world = make_world()
    member, _ = joined(world)
    events = [*billing.fail_payment(world, member, 1), *billing.pay_now(world, member)]
    world.expected_state.undelivered.add(
        next(one.ordinal for one in events if one.topic == "customer_billing.attempt.failed")
    )
    expected = world.expected_state.for_member(member, world.tiers)
    assert expected["fields"]["recovered_at"] == expected["fields"]["last_payment_at"]
    assert expected["unheard"] == ["recovered_at"]


@pytest.mark.parametrize("switches", [{}, ODD])
def test_the_expected_state_is_the_state_of_the_platform(switches: dict[str, str]) -> None:
    """If no event is lost, the facts of the events equal the state of the platform."""
    world, _ = play_history(switches, {})
    for member in world.members.values():
        expected = world.expected_state.for_member(member, world.tiers)["fields"]
        own = {"ACTIVE": "active", "PENDING_CANCELLATION": "pending_cancellation", "CANCELLED": "cancelled"}[
            str(member.status)
        ]
        if own == "active":
            own = "trialing" if member.on_trial else "past_due" if member.failed_attempts else own
        assert expected["status"] == own
        assert Decimal(expected.get("credit_balance") or 0) == member.balance
        assert expected["tier_id"] == member.tier_id
