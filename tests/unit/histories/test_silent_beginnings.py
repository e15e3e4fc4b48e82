"""Bad news reaches people although its incident opened silently, in quiet hours, or under a rule that is off."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from relay.model.messages import ClockTick
from relay.rules.settings import Flood, QuietHours, Rules, RuleSetting, Thresholds

from tests.support.in_memory_relay import Programme, day
from tests.support.sample_events import content

ORDINARY = Thresholds(high_value_annual_fee=0, high_value_credits=0, high_value_revenue=0)
OFF = dict.fromkeys(("dunning.attempt", "dunning.last_chance", "dunning.failed"), RuleSetting(on=False))
FIRST = {"billingAttempts": 1, "errorMessage": "Your card has insufficient funds."}
LOST = {"cancellationSource": "FAILURE"}


def play(relay: Programme, *said: tuple[Any, ...]) -> list[str]:
    for name, at, differs in said:
        relay.deliver(json.dumps(content(name, at, **differs)).encode(), day(at))
    return [f"{one.kind} {one.alert_message.alert.rule}" for one in relay.sent]


@pytest.mark.parametrize(
    "rules",
    [Rules(thresholds=ORDINARY, billing_attempts=9), Rules(thresholds=ORDINARY, rules=OFF)],
    ids=["silent", "switched off"],
)
def test_a_lost_fee_is_sent_although_its_failure_was_not(rules: Rules) -> None:
    """Once, as a notice; nothing is left open."""
    relay = Programme(rules=rules)
    story = (("attempt", 1, FIRST), ("cancelled", 2, LOST), ("cancelled", 2, LOST))
    assert play(relay, *story) == ["notice dunning.lost"]
    assert relay.open == set()


def test_a_fee_lost_in_quiet_hours_is_sent_in_the_morning() -> None:
    """The deferred failure is dropped; the loss is sent."""
    night = QuietHours(begin="12:00", end="18:00")
    relay = Programme(rules=Rules(thresholds=ORDINARY, billing_attempts=1, quiet_hours=night))
    assert play(relay, ("attempt", 1, FIRST), ("cancelled", 1.05, LOST)) == []
    relay.notifier.receive(ClockTick(at=day(1) + timedelta(hours=8)))
    assert play(relay) == ["notice dunning.lost"]


def test_fees_lost_in_a_flood_are_one_roll_up() -> None:
    """As their failures were."""
    relay = Programme(rules=Rules(thresholds=ORDINARY, rules=OFF, flood=Flood(alerts=1)))
    for customer in ("1", "2", "3"):
        differs = {"customerId": customer}
        play(relay, ("attempt", 1, {**differs, **FIRST}), ("cancelled", 2, {**differs, **LOST}))
    relay.notifier.receive(ClockTick(at=day(2) + timedelta(hours=1)))
    assert play(relay) == ["notice dunning.lost", "notice rollup"]


PENDING = ("pending", 1, {"effectiveCancellationDate": day(20).isoformat(), "cancellationSource": "CUSTOMER"})


@pytest.mark.parametrize(
    ("switches", "before", "sent"),
    [
        ({}, True, ["opened cancel.pending", "updated cancel.soon", "resolved cancel.ended"]),
        ({}, False, ["opened cancel.soon", "resolved cancel.ended"]),
        ({"cancel.pending": RuleSetting(on=False)}, True, ["opened cancel.soon", "resolved cancel.ended"]),
        ({"cancel.soon": RuleSetting(on=False)}, True, ["opened cancel.pending", "resolved cancel.ended"]),
    ],
    ids=["sent", "of value since", "the request is off", "the reminder is off"],
)
def test_the_reminder_a_week_before_a_high_value_member_leaves(
    switches: dict[str, RuleSetting], sent: list[str], *, before: bool
) -> None:
    """It updates the incident that was sent, or opens it. It is sent once, and then the incident is resolved."""
    relay = Programme(
        rules=Rules(rules=switches, thresholds=Thresholds(high_value_annual_fee=20, high_value_credits=0))
    )
    paid = ("paid", 0.5 if before else 2, {"amount": 25})
    play(relay, *sorted([PENDING, paid], key=lambda one: one[1]))
    for number in range(1, 20):
        relay.comes_due(day(number), day(number + 1))
        relay.comes_due(day(number), day(number + 1))
    assert play(relay, ("cancelled", 20, {"cancellationSource": "CUSTOMER"})) == sent
    assert relay.open == set()
