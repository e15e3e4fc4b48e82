"""Every topic's payload has exactly the documented sample's keys, and its types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sim import billing, crediting, joining, leaving, living, orders, population, programme, record
from sim.events import TOPICS, Event
from sim.model import money
from sim.sending import body_of

from tests.unit.sim.history import FREE, GOLD, LIFETIME, TRIAL, days, joined, world

SAMPLES = Path(__file__).parents[3] / "events"
NULLABLE = {"phoneNumber", "orderId", "orderTotal", "expirationDate", "contractId", "lastPurchaseAt"}
"""Null where it does not apply, which the documentation says, or which follows from its own words."""
OPTIONAL = {"previousTierName", "previousTierId"}


@pytest.fixture(scope="module")
def told() -> dict[str, Event]:
    """One event of each topic."""
    place = world(tier_move="joined")
    member, events = joined(place)
    events += orders.order(place, member)
    events += billing.renew_card(place, member)
    events += record.noise(place, member)
    events += days(place, 61)
    events += joining.move(place, member, place.tiers[FREE])
    for tier in (TRIAL, LIFETIME):
        events += joined(place, tier)[1]
    place.switches.set("tier_move", "changed")
    other, more = joined(place)
    events += [*more, *billing.fail_payment(place, other), *days(place, 3)]
    third, more = joined(place)
    events += [
        *more,
        *crediting.redeem(place, third, money(1)),
        *leaving.request(place, third, confirmed=True),
    ]
    fourth, more = joined(place)
    events += [*more, *joining.move(place, fourth, place.tiers[LIFETIME])]
    return {event.topic: event for event in events if event.topic}


@pytest.mark.parametrize("topic", TOPICS)
def test_shape(topic: str, told: dict[str, Event]) -> None:
    """The keys at every level are the sample's, and so are the types, null apart where that is documented."""
    sample = json.loads((SAMPLES / f"{topic}.json").read_text())
    place = world()
    sent = json.loads(body_of(place.shop, place.switches, told[topic], attempt=0, now=place.now))
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


def test_the_oddities(told: dict[str, Event]) -> None:
    """No id on credits.updated, two shapes of id elsewhere, a numeric customer on ordered, an expiry cut to the hour."""
    assert told["customer.credits.updated"].id is None
    assert "-" in (told["customer.ordered"].id or "")
    assert "-" not in (told["customer.cancelled"].id or "-")
    assert isinstance(told["customer.ordered"].payload["customer"]["id"], int)
    assert told["customer.credits.expired"].payload["amount"] > 0
    old = told["customer.updated"].payload["oldData"]
    assert "spendingProcess" in old
    assert "spendingProcess" not in told["customer.updated"].payload["newData"]
    place = world()
    _, events = joined(place, GOLD)
    assert events[-1].payload["expirationDate"].endswith(":00:00.000Z")


def test_the_same_seed_is_the_same_history() -> None:
    """Seed, start and commands make the history, event for event; another seed makes another."""

    def history(seed: int) -> list[Event]:
        place = world(seed, 30)
        living.wake(
            place,
            {
                "orders": 2,
                "redemptions": 1,
                "cancellations": 0.5,
                "profile_updates": 0.5,
                "payment_fails": 0.3,
            },
        )
        population.invite(place, 20, 3)
        return list(programme.advance(place, place.now.replace(month=4, day=5) - place.now))

    first = history(7)
    assert len(first) > 150
    assert first == history(7)
    assert first != history(8)


def test_no_two_events_of_a_member_share_a_moment() -> None:
    """What happens to one member is strictly ordered by the times that its events carry."""
    place = world(3)
    living.wake(place, {"orders": 4, "profile_updates": 4})
    population.invite(place, 20, 1)
    last: dict[str, str] = {}
    for event in days(place, 30):
        if event.topic:
            said = (
                event.payload.get("createdAt")
                or event.payload.get("expiredAt")
                or event.triggered_at.isoformat()
            )
            moment = said.replace("+00:00", "Z")[:23]
            assert last.get(event.member_id, "") < moment
            last[event.member_id] = moment
