"""What comes due for a member as time goes by, and nothing twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay.model.effects import Alert, Note
from relay.model.facts import Facts, Lot
from relay.model.fields import Value
from relay.model.member import Member, merge
from relay.model.messages import EventEffects
from relay.rules.credits import remaining_lots
from relay.rules.settings import Rules, RuleSetting, Thresholds, TierSetting
from relay.scheduler.reminders import EXPIRING, Window, expiring_within, reminders

from tests.support.port_fakes import NOW, SHOP

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TODAY = Window(begin=NOW - DAY, end=NOW, zone=UTC)
KEY = f"{SHOP}:1"


def member(lots: dict[str, Lot] | None = None, /, **values: Any) -> Member:
    """Return an active member with these values besides."""
    known: dict[str, Value] = {
        "joined_at": NOW - 300 * DAY,
        "seen_status": "ACTIVE",
        "tier_id": "gold",
        "tier_name": "Gold",
        **values,
    }
    one = merge(Member(shop=SHOP, customer_id="1"), Facts(event_id="e", at=NOW - 2 * DAY, values=known))
    for number, (lot_id, lot) in enumerate((lots or {}).items()):
        one = merge(one, Facts(event_id=lot_id, at=NOW - 3 * DAY + number * HOUR, lot=lot))
    return one


def lot(amount: int, ahead: timedelta) -> Lot:
    return Lot(Decimal(amount), NOW + ahead)


def due(one: Member, rules: Rules | None = None, window: Window = TODAY) -> dict[str, str]:
    """Return what came due: its id, and the name of its note or the title of its alert."""
    return {
        event_effects.event_id: effect.name if isinstance(effect, Note) else effect.title
        for event_effects in reminders(one, rules or Rules(), window)
        for effect in event_effects.effects
        if isinstance(effect, Note | Alert)
    }


@pytest.mark.parametrize("ahead", [30, 7, 1])
@pytest.mark.parametrize(("off", "is_due"), [(-DAY, False), (HOUR - DAY, True), (-HOUR, True), (HOUR, False)])
def test_credits_that_expire_get_a_note_at_each_horizon(ahead: int, off: timedelta, *, is_due: bool) -> None:
    """30, 7 and 1 days ahead, on the day on which the horizon is crossed."""
    one = member({"lot": lot(20, ahead * DAY + off)}, credit_balance=Decimal(20))
    assert due(one) == ({f"exp:lot:{ahead}": "Store Credit Expiring"} if is_due else {})


def test_the_note_says_what_is_left_and_when_it_ends() -> None:
    """With what every note carries; dated by when the horizon was crossed, not by the tick."""
    one = member({"lot": lot(20, 7 * DAY - HOUR)}, credit_balance=Decimal(12), fee_currency="USD")
    [event_effects] = reminders(one, Rules(), TODAY)
    assert event_effects == EventEffects(
        event_id="exp:lot:7",
        topic="relay.clock",
        at=NOW - HOUR,
        effects=(
            Note(
                rule="credits.expiring",
                name="Store Credit Expiring",
                properties={
                    "tier_id": "gold",
                    "tier_name": "Gold",
                    "status": "active",
                    "amount": Decimal(12),
                    "amount_minor": 1_200,
                    "currency": "USD",
                    "days": 7,
                    "expires_at": "2025-07-08T11:00:00.000Z",
                },
            ),
        ),
    )


@pytest.mark.parametrize(
    ("balance", "amount", "settings", "is_due"),
    [
        (4, 20, Thresholds(expiring_at_least=Decimal(5)), False),
        (5, 20, Thresholds(expiring_at_least=Decimal(5)), True),
        (1, 20, Thresholds(), True),
        (0, 20, Thresholds(expiring_at_least=Decimal(0)), False),
        (None, 5, Thresholds(expiring_at_least=Decimal(5)), True),
        (None, 4, Thresholds(expiring_at_least=Decimal(5)), False),
    ],
)
def test_small_change_is_not_noted(
    balance: int | None, amount: int, settings: Thresholds, *, is_due: bool
) -> None:
    """What is left counts, not what was given; and nothing is nothing, whatever the threshold."""
    known = {} if balance is None else {"credit_balance": Decimal(balance)}
    one = member({"lot": lot(amount, 7 * DAY - HOUR)}, **known)
    assert bool(due(one, Rules(thresholds=settings))) is is_due


def test_a_currency_has_its_own_threshold() -> None:
    """Twenty yen are nothing."""
    one = member({"lot": lot(20, 7 * DAY - HOUR)}, fee_currency="JPY")
    assert due(one)
    assert not due(one, Rules(currencies={"JPY": Thresholds(expiring_at_least=Decimal(500))}))


def test_the_soonest_lot_is_spent_first() -> None:
    """Ten of twenty were spent: they were of the lot that ends first, so that one needs no warning."""
    one = member({"b": lot(10, 40 * DAY), "a": lot(10, 7 * DAY - HOUR)}, credit_balance=Decimal(10))
    assert remaining_lots(one, NOW) == {"b": one.lots["b"]}
    assert due(one) == {}
    assert expiring_within(one, NOW, 50 * DAY) == Decimal(10)
    assert expiring_within(one, NOW, 7 * DAY) == Decimal(0)


def test_a_lot_that_has_ended_is_no_part_of_the_balance() -> None:
    """What is left of the others is not reduced by it."""
    one = member({"old": lot(50, -DAY), "new": lot(10, 40 * DAY)}, credit_balance=Decimal(10))
    assert remaining_lots(one, NOW) == {"new": one.lots["new"]}


def test_a_trial_that_ends_is_noted_three_days_ahead() -> None:
    """While it is a trial: a member that has paid gets no note."""
    ends = NOW + 3 * DAY - HOUR
    assert due(member(trial_ends_at=ends)) == {f"trial:{KEY}:1751626800000": "Trial Ending"}
    assert due(member(trial_ends_at=ends, last_payment_at=ends)) == {}
    assert due(member(trial_ends_at=ends + 2 * HOUR)) == {}
    assert due(member(trial_ends_at=ends, cancelled_at=NOW - DAY)) == {}


VALUABLE = Rules(currency="USD", thresholds=Thresholds(high_value_annual_fee=Decimal(100)))
RENEWAL = {"next_payment_on": date(2025, 7, 4), "last_payment_at": NOW - 27 * DAY}


def test_a_renewal_is_noted_three_days_ahead_or_fifteen_for_a_year() -> None:
    """By the tier's interval; three where it has none."""
    expected = {f"renew:{KEY}:2025-07-04": "Renewal Upcoming"}
    yearly = Rules(tiers={"gold": TierSetting(billing_interval="year")})
    assert due(member(**RENEWAL)) == expected
    assert due(member(**RENEWAL), yearly) == {}
    assert due(member(**{**RENEWAL, "next_payment_on": date(2025, 7, 16)}), yearly) == {
        f"renew:{KEY}:2025-07-16": "Renewal Upcoming"
    }
    assert due(member(**RENEWAL), Rules(tiers={"gold": TierSetting(billing_interval="month")})) == expected


def test_a_yearly_fee_shows_from_its_payment() -> None:
    """Where no setting says it, the payment and the day it named do, as for the CRM's `billing_interval`."""
    paid = {"next_payment_on": date(2025, 7, 16), "fee_amount": Decimal(120), "fee_days": 365}
    assert due(member(**paid)) == {f"renew:{KEY}:2025-07-16": "Renewal Upcoming"}


def test_a_renewal_falls_on_a_day_of_the_shops() -> None:
    """In Tokyo the 4th begins nine hours before it does in London."""
    tokyo = Window(begin=NOW - DAY, end=NOW, zone=ZoneInfo("Asia/Tokyo"))
    [event_effects] = reminders(member(**RENEWAL), Rules(), tokyo)
    assert event_effects.at == datetime(2025, 6, 30, 15, tzinfo=UTC)


def test_who_leaves_does_not_renew() -> None:
    """Nor does one that has left, or cannot pay."""
    for state in (
        {"pending_cancel_at": NOW + 3 * DAY},
        {"cancelled_at": NOW - DAY},
        {"failed_attempts": 1, "last_failure_at": NOW - DAY},
    ):
        assert not any(
            "renew" in event_id for event_id in due(member(**{**RENEWAL, "last_payment_at": None}, **state))
        )


def test_renewal_notices_can_be_left_to_the_platform() -> None:
    """Inveterate sends them itself where that is switched on there."""
    assert due(member(**RENEWAL), Rules(renewal_notices=False)) == {}


LEAVING = {"pending_cancel_at": NOW + 7 * DAY - HOUR, "fee_amount": Decimal(120), "fee_currency": "USD"}


def test_a_week_before_a_high_value_member_leaves_people_are_alerted() -> None:
    """At once, under the incident that the request has opened, once for that date."""
    [event_effects] = reminders(member(**LEAVING), VALUABLE, TODAY)
    [alert] = event_effects.effects
    assert isinstance(alert, Alert)
    assert (alert.rule, alert.incident_key) == ("cancel.soon", f"cancel:{KEY}:2025-07-08")
    assert (alert.immediate, alert.action, dict(alert.details)["Fee"]) == (True, "update", "120.00 USD")
    assert (event_effects.event_id, event_effects.at) == (f"cancel:{KEY}:2025-07-08:7d", NOW - HOUR)
    assert due(member(**LEAVING, cancelled_at=NOW - DAY)) == {}
    assert due(member(**{**LEAVING, "pending_cancel_at": NOW + 7 * DAY + HOUR})) == {}


def test_a_merchant_sets_the_level_and_the_switch() -> None:
    """As for every other rule."""
    louder = VALUABLE.model_copy(update={"rules": {"cancel.soon": RuleSetting(level="error")}})
    [event_effects] = reminders(member(**LEAVING), louder, TODAY)
    assert [effect.level.name for effect in event_effects.effects if isinstance(effect, Alert)] == ["ERROR"]
    assert due(member(**LEAVING), Rules(rules={"cancel.soon": RuleSetting(on=False)})) == {}
    quiet = Rules(rules={"renewal.upcoming": RuleSetting(on=False)})
    assert due(member(**RENEWAL), quiet) == {}


def test_no_alert_for_other_members_that_leave() -> None:
    """Who is of no high value is for the digest."""
    cheap = {**LEAVING, "fee_amount": Decimal(1)}
    assert due(member(**cheap)) == {}


FAILING: dict[str, Any] = {
    "failed_attempts": 3,
    "last_failure_at": NOW - 30 * DAY - HOUR,
    "payment_lost_at": NOW - 30 * DAY,
}


def test_a_dunning_without_a_further_failure_is_closed() -> None:
    """After 30 days, by event time: a failure that comes later opens it again. No switch keeps it open."""
    off = Rules(rules={"dunning.quiet": RuleSetting(on=False)})
    [event_effects] = reminders(member(**FAILING), off, TODAY)
    [alert] = event_effects.effects
    assert isinstance(alert, Alert)
    assert (alert.incident_key, alert.action, alert.rule) == (f"dun:{KEY}", "resolve", "dunning.quiet")
    assert event_effects.at == NOW - HOUR
    assert due(member(**{**FAILING, "last_failure_at": NOW - 29 * DAY})) == {}
    assert due(member(**FAILING, cancelled_at=NOW - 29 * DAY)) == {}, "the end has closed it"
    assert due(member(**dict.fromkeys(FAILING), last_payment_at=NOW)) == {}


def test_after_an_outage_what_is_over_is_not_announced() -> None:
    """A round over many days reminds of what is still ahead, or ended since yesterday."""
    long = Window(begin=NOW - 20 * DAY, end=NOW, zone=UTC)
    one = member({"over": lot(9, -2 * DAY), "just": lot(9, -HOUR), "ahead": lot(9, 3 * DAY)})
    assert due(one, window=long).keys() == {"exp:just:7", "exp:just:1", "exp:ahead:7"}


@given(
    st.lists(st.integers(1, 40 * 24), min_size=1, max_size=4),
    st.lists(st.integers(1, 24), min_size=1, max_size=80),
)
def test_rounds_in_a_row_tell_each_horizon_once(ends: list[int], gaps: list[int]) -> None:
    """However the time is cut into runs of a day at most: the notes are the same in all."""
    one = member({f"lot{number}": lot(9, hours * HOUR) for number, hours in enumerate(ends)})
    event_ids: list[str] = []
    begin = NOW
    for gap in gaps:
        end = begin + gap * HOUR
        event_ids += [
            each.event_id for each in reminders(one, Rules(), Window(begin=begin, end=end, zone=UTC))
        ]
        begin = end
    expected = {
        f"exp:lot{number}:{ahead.days}"
        for number, hours in enumerate(ends)
        for ahead in EXPIRING
        if NOW < NOW + hours * HOUR - ahead <= begin
    }
    assert sorted(event_ids) == sorted(expected)
