"""Computed fields: high value, interval, deadlines, the next expiry, recoveries and rejoinings."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from relay.model.calendar import moment
from relay.model.fields import ValueKind, from_stored, to_stored
from relay.rules.credits import remaining_lots
from relay.rules.crm_profile import crm_profile
from relay.rules.segments import direction
from relay.rules.settings import Rules, Thresholds, TierSetting
from relay.scheduler.reminders import Window, renewal_due

from tests.support.in_memory_relay import day
from tests.support.sample_events import after, event

DEFAULTS = Rules()

SET = Rules(
    currency="USD",
    thresholds=Thresholds(
        high_value_annual_fee=Decimal(100), high_value_credits=Decimal(100), high_value_revenue=Decimal(500)
    ),
)
"""A merchant's own numbers: without any, no member is of high value until the programme's measures are known."""


def field(name: str, *events: Any, rules: Rules = DEFAULTS) -> Any:
    """Return the value of a field in a CRM after these events."""
    return crm_profile(after(*events), rules).values[name]


@pytest.mark.parametrize(
    ("events", "rules", "high"),
    [
        ([], SET, False),
        ([event("paid", 1, amount=99, newBillingDate="2027-03-01T00:00:00Z")], SET, False),
        ([event("paid", 1, amount=100, newBillingDate="2027-03-01T00:00:00Z")], SET, True),
        ([event("paid", 1, amount=9, newBillingDate="2026-04-01T00:00:00Z")], SET, True),
        ([event("paid", 1, amount=8, newBillingDate="2026-04-01T00:00:00Z")], SET, False),
        ([event("attempt", 1, amount=100)], SET, True),
        ([event("paid", 1, amount=9000, currency="JPY")], Rules(currencies={"JPY": Thresholds(high_value_annual_fee=Decimal(10_000))}), False),
        ([event("credits", 1, previousBalance=0, newBalance=100)], SET, True),
        ([event("updated", 1, revenue=500)], SET, True),
        ([event("updated", 1, revenue=500)], Rules(thresholds=Thresholds(high_value_revenue=Decimal(0))), False),
        ([event("joined", 1)], Rules(tiers={"3a636361": TierSetting(rank=2), "x": TierSetting(rank=1)}), True),
        ([event("joined", 1)], Rules(tiers={"3a636361": TierSetting(rank=1), "x": TierSetting(rank=2)}), False),
        ([event("joined", 1)], Rules(tiers={"3a636361": TierSetting(rank=2)}), False),
        ([event("joined", 1)], SET.model_copy(update={"tiers": {"3a636361": TierSetting(annual_fee=Decimal(240))}}), True),
    ],
)  # fmt: skip
def test_high_value(events: list[Any], rules: Rules, *, high: bool) -> None:
    """By the annual fee, the credits, the revenue or the top tier; 0 switches a threshold off."""
    assert field("high_value", *events, rules=rules) is high


@pytest.mark.parametrize(
    ("written", "utc", "berlin", "auckland"),
    [
        ("2027-04-01T23:30:00.000Z", "2027-04-01", "2027-04-02", "2027-04-02"),
        ("2027-04-01T11:30:00Z", "2027-04-01", "2027-04-01", "2027-04-02"),
        # At midnight or with an offset it is the day as written, wherever the shop is.
        ("2027-04-01T00:00:00.000Z", "2027-04-01", "2027-04-01", "2027-04-01"),
        ("2027-04-01", "2027-04-01", "2027-04-01", "2027-04-01"),
        ("2027-04-01T23:30:00-07:00", "2027-04-01", "2027-04-01", "2027-04-01"),
    ],
)
def test_the_day_of_the_next_payment_by_the_shops_clock(
    written: str, utc: str, berlin: str, auckland: str
) -> None:
    """A moment stays one in the record, through the table and back; the shop's zone tells which day it is."""
    paid = after(event("paid", 1, newBillingDate=written))
    stored = to_stored(paid.value("next_payment_on"))
    assert from_stored(ValueKind.DAY, stored) == paid.value("next_payment_on")
    for zone, shown in (("UTC", utc), ("Europe/Berlin", berlin), ("Pacific/Auckland", auckland)):
        values = crm_profile(paid, DEFAULTS, ZoneInfo(zone)).values
        assert values["next_payment_on"] == date.fromisoformat(shown), zone
        renewal = moment(date.fromisoformat(shown), time(), ZoneInfo(zone)) - timedelta(days=3)
        window = Window(begin=renewal - timedelta(hours=1), end=renewal, zone=ZoneInfo(zone))
        due = renewal_due(after(event("joined", 0), member=paid), DEFAULTS, window)
        assert due == date.fromisoformat(shown), zone


@pytest.mark.parametrize(
    ("due", "interval"),
    [("2026-04-01", "month"), ("2026-06-01", "quarter"), ("2027-03-01", "year"), ("2026-04-30", None)],
)
def test_the_interval_follows_from_a_payment(due: str, interval: str | None) -> None:
    """From the payment and the date that it named, unless the tier's is set."""
    paid = event("paid", 1, newBillingDate=f"{due}T00:00:00.000Z")
    assert field("billing_interval", paid) == interval
    assert field("next_payment_on", paid) == date.fromisoformat(due)
    tiers = Rules(tiers={"3a636361": TierSetting(billing_interval="year")})
    assert field("billing_interval", event("joined", 1), paid, rules=tiers) == "year"


def test_the_last_attempt_is_expected_a_day_after_each() -> None:
    """One attempt a day for the attempts left; a payment clears it."""
    first = event("attempt", 10, billingAttempts=1)
    assert field("final_attempt_at", first) == day(12)
    assert field("attempts_left", first) == 2
    five = Rules(tiers={"3a636361": TierSetting(billing_attempts=5)})
    assert field("final_attempt_at", event("joined", 1), first, rules=five) == day(14)
    assert field("attempts_left", first, event("lost", 11, billingAttempts=2)) == 0
    assert field("final_attempt_at", first, event("paid", 11)) is None


def test_recovery_and_rejoining() -> None:
    """The time of the last recovery, of the last rejoining, and the number of rejoinings."""
    history = [
        event("joined", 1),
        event("attempt", 2),
        event("paid", 3),
        event("cancelled", 4),
        event("joined", 5),
    ]
    assert field("recovered_at", *history) == day(3)
    assert (field("rejoined_at", *history), field("rejoin_count", *history)) == (day(5), 1)
    assert field("rejoin_count", *history[:4]) is None


def lot(at: float, amount: int, expires: float, balance: int) -> Any:
    """Return a grant after which the balance is this."""
    return event(
        "credits",
        at,
        previousBalance=balance - amount,
        newBalance=balance,
        expirationDate=day(expires).isoformat(),
    )


def test_next_expiry() -> None:
    """The soonest lot, less what was spent since; the CRM compares the date with its own clock."""
    given = [lot(1, 10, 30, 10), lot(2, 5, 40, 15)]
    assert (field("credits_expiring_amount", *given), field("credits_expiring_at", *given)) == (10, day(30))
    spent = event("credits", 3, previousBalance=15, newBalance=9, reason="REDEEMED")
    assert field("credits_expiring_amount", *given, spent) == 4
    more = event("credits", 4, previousBalance=9, newBalance=3, reason="REDEEMED")
    assert (
        field("credits_expiring_amount", *given, spent, more),
        field("credits_expiring_at", *given, spent, more),
    ) == (3, day(40))
    assert field("credits_expiring_amount", *given, event("ordered", 45)) is None
    assert [left.amount for left in remaining_lots(after(*given, spent), day(35)).values()] == [5]


def test_lots_of_one_moment_count_together() -> None:
    """Lots that expire at one moment are one amount."""
    assert field("credits_expiring_amount", lot(1, 10, 30, 10), lot(2, 5, 30, 15)) == 15


def test_one_record_has_one_profile() -> None:
    """No field depends on a clock but the newest fact: computed later, the digest is the same."""
    member = after(lot(1, 10, 30, 10))
    assert (
        crm_profile(member, DEFAULTS).digest
        == crm_profile(member, DEFAULTS).sent_at(datetime(2030, 1, 1, tzinfo=UTC)).digest
    )


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (TierSetting(rank=1), TierSetting(rank=2), "up"),
        (TierSetting(rank=2), TierSetting(rank=1), "down"),
        (TierSetting(rank=1), TierSetting(rank=1), None),
        (TierSetting(annual_fee=Decimal(10)), TierSetting(annual_fee=Decimal(20)), "up"),
        (TierSetting(rank=1), TierSetting(annual_fee=Decimal(20)), None),
        (TierSetting(), TierSetting(), None),
    ],
)
def test_direction(one: TierSetting, two: TierSetting, expected: str | None) -> None:
    """By rank, else by fee; None where neither is set for both."""
    assert direction("a", "b", Rules(tiers={"a": one, "b": two})) == expected


def test_an_unknown_tier_has_no_direction() -> None:
    """A move from or to a tier without settings has none."""
    assert direction(None, "b", Rules(tiers={"b": TierSetting(rank=1)})) is None
