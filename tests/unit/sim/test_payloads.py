"""Every topic's payload has exactly the documented sample's keys, and its types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sim import (
    behaviour_engine,
    billing,
    cancellations,
    credit_ledger,
    memberships,
    orders,
    population,
    programme,
    snapshot,
)
from sim.events import TOPICS, Event
from sim.model import money
from sim.webhooks import webhook_body

from tests.unit.sim.sim_worlds import FREE, GOLD, LIFETIME, TRIAL, days, joined, make_world

SAMPLES = Path(__file__).parents[3] / "events"
NULLABLE = {"phoneNumber", "orderId", "orderTotal", "expirationDate", "contractId", "lastPurchaseAt"}
"""Fields that may be null, by the documentation."""
OPTIONAL = {"previousTierName", "previousTierId"}


@pytest.fixture(scope="module")
def events_by_topic() -> dict[str, Event]:
    """One event of each topic."""
    world = make_world(tier_move="joined")
    member, events = joined(world)
    events += orders.order(world, member)
    events += billing.renew_card(world, member)
    events += snapshot.unchanged_update(world, member)
    events += days(world, 61)
    events += memberships.move(world, member, world.tiers[FREE])
    for tier in (TRIAL, LIFETIME):
        events += joined(world, tier)[1]
    world.switches.set("tier_move", "changed")
    other, more = joined(world)
    events += [*more, *billing.fail_payment(world, other), *days(world, 3)]
    third, more = joined(world)
    events += [
        *more,
        *credit_ledger.redeem(world, third, money(1)),
        *cancellations.request(world, third, confirmed=True),
    ]
    fourth, more = joined(world)
    events += [*more, *memberships.move(world, fourth, world.tiers[LIFETIME])]
    return {event.topic: event for event in events if event.topic}


@pytest.mark.parametrize("topic", TOPICS)
def test_shape(topic: str, events_by_topic: dict[str, Event]) -> None:
    """Keys and types at every level are those of the sample; null is allowed where documented."""
    sample = json.loads((SAMPLES / f"{topic}.json").read_text())
    world = make_world()
    sent = json.loads(
        webhook_body(world.shop, world.switches, events_by_topic[topic], attempt=0, now=world.now)
    )
    assert differences(sample, sent) == []


def differences(sample: Any, sent: Any, path: str = "") -> list[str]:
    if isinstance(sample, dict) and isinstance(sent, dict):
        found = [f"{path}.{key}" for key in (sample.keys() ^ sent.keys()) - OPTIONAL]
        return found + [
            each
            for key in sample.keys() & sent.keys()
            for each in differences(sample[key], sent[key], f"{path}.{key}")
        ]
    if isinstance(sample, list) and isinstance(sent, list):
        return [each for item in sent for each in differences(sample[0], item, f"{path}[]")]
    alike = (
        kind(sample) == kind(sent) or sample is None or (sent is None and path.rsplit(".", 1)[-1] in NULLABLE)
    )
    return [] if alike else [f"{path}: {sent!r}"]


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def test_the_oddities(events_by_topic: dict[str, Event]) -> None:
    """No id on credits.updated, two formats of ids, a numeric customer id on ordered, an expiry truncated to the hour."""
    assert events_by_topic["customer.credits.updated"].id is None
    assert "-" in (events_by_topic["customer.ordered"].id or "")
    assert "-" not in (events_by_topic["customer.cancelled"].id or "-")
    assert isinstance(events_by_topic["customer.ordered"].payload["customer"]["id"], int)
    assert events_by_topic["customer.credits.expired"].payload["amount"] > 0
    old = events_by_topic["customer.updated"].payload["oldData"]
    assert "spendingProcess" in old
    assert "spendingProcess" not in events_by_topic["customer.updated"].payload["newData"]
    world = make_world()
    _, events = joined(world, GOLD)
    assert events[-1].payload["expirationDate"].endswith(":00:00.000Z")


def test_the_same_seed_is_the_same_history() -> None:
    """Seed, start and commands make the history, event for event; another seed makes another."""

    def history(seed: int) -> list[Event]:
        world = make_world(seed, 30)
        behaviour_engine.set_behaviour(
            world,
            {
                "orders": 2,
                "redemptions": 1,
                "cancellations": 0.5,
                "profile_updates": 0.5,
                "payment_fails": 0.3,
            },
        )
        population.schedule_joins(world, 20, 3)
        return list(programme.advance(world, world.now.replace(month=4, day=5) - world.now))

    first = history(7)
    assert len(first) > 150
    assert first == history(7)
    assert first != history(8)


def test_no_two_events_of_a_member_share_a_time() -> None:
    """The times in the events of one member are strictly increasing."""
    world = make_world(3)
    behaviour_engine.set_behaviour(world, {"orders": 4, "profile_updates": 4})
    population.schedule_joins(world, 20, 1)
    last: dict[str, str] = {}
    for event in days(world, 30):
        if event.topic:
            text = (
                event.payload.get("createdAt")
                or event.payload.get("expiredAt")
                or event.triggered_at.isoformat()
            )
            moment = text.replace("+00:00", "Z")[:23]
            assert last.get(event.member_id, "") < moment
            last[event.member_id] = moment
