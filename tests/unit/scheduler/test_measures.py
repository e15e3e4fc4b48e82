"""The programme's measures: who stands out with nothing set, which grants are usual, and when a flag flips."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from relay.model.balance_chain import BalanceChange
from relay.model.member import Member
from relay.model.messages import MemberChanged, load
from relay.model.registers import Register
from relay.model.stamps import Stamp
from relay.rules.credits import is_unusual
from relay.rules.measures import (
    Counts,
    Histogram,
    Measures,
    counted,
    measured,
    median_grant,
    threshold,
    two_digits,
)
from relay.rules.segments import is_high_value
from relay.rules.settings import Rules, Thresholds
from relay.scheduler.measuring import add_to_counts

from tests.support.in_memory_relay import day
from tests.support.port_fakes import SHOP
from tests.support.sample_events import after, event
from tests.support.scheduler_fakes import SchedulerSetup
from tests.unit.scheduler.scheduler_setup import DAY, HOUR, START, busy, person, play_ticks

USD = Rules(currency="USD")


def payer(number: int, fee: float, *, currency: str = "USD", **values: Any) -> Member:
    """Return a member who pays this fee once a year."""
    known = {
        "joined_at": START - DAY,
        "tier_id": "gold",
        "fee_amount": Decimal(str(fee)),
        "fee_currency": currency,
        **values,
    }
    registers = {name: Register(value, Stamp.of(START - DAY, "e")) for name, value in known.items()}
    return Member(shop=SHOP, customer_id=str(number), registers=registers)


def histogram(amounts: Iterable[float]) -> Histogram:
    """Return the histogram of these amounts."""
    found: Histogram = {}
    for amount in amounts:
        found = counted(found, Decimal(str(amount)))
    return found


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("249", "240"), ("8.34", "8.3"), ("0.019", "0.019"), ("100000", "100000"), ("0", "0")],
)
def test_amounts_count_at_two_digits(amount: str, shown: str) -> None:
    """Rounded down, so that how many reach a threshold of two digits is counted exactly."""
    assert f"{two_digits(Decimal(amount)):f}" == shown


def test_the_top_tenth_stands_out() -> None:
    """At or above the smallest amount that at most one member in ten reaches."""
    assert threshold(histogram(range(1, 101)), None) == 91
    assert threshold(histogram([100] * 95 + [300] * 5), None) == 300
    assert threshold(histogram([100] * 90 + [300] * 5 + [900] * 5), None) == 300


def test_who_shares_the_highest_amount_does_not() -> None:
    """One tier at one price; nor does anybody among 29, or where no amount is above zero."""
    assert threshold(histogram([100] * 500), None) is None
    assert threshold(histogram([100] * 80 + [300] * 20), None) is None
    assert threshold(histogram(range(1, 30)), None) is None
    assert threshold(histogram(range(1, 31)), None) == 28
    assert threshold(histogram([0] * 100), None) is None


@pytest.mark.parametrize(("reached", "stays"), [(4, False), (5, True), (10, True), (15, True), (16, False)])
def test_a_threshold_in_force_stays_while_its_share_is_about_right(reached: int, *, stays: bool) -> None:
    """From 5 to 15 % of the members."""
    amounts = [10] * (100 - reached) + [50] * reached
    assert (threshold(histogram(amounts), Decimal(40)) == 40) is stays


def test_the_median_grant_needs_thirty() -> None:
    """Whatever the largest of them."""
    assert median_grant(histogram([5] * 29)) is None
    assert median_grant(histogram([5] * 20 + [8] * 9 + [9_000])) == 5


def test_what_tiers_show_of_their_attempts() -> None:
    """The highest number within 90 days, over all runs."""
    today = date(2026, 3, 1)
    old = Measures(attempts_seen={"gold": {"7": today - timedelta(days=91), "4": today - timedelta(days=90)}})
    found = measured(Counts(attempts_seen={"silver": {"5": today}}), old, None, today)
    assert (found.attempts_of("gold"), found.attempts_of("silver"), found.attempts_of("tin")) == (4, 5, None)


def test_an_attempt_shows_how_many_its_own_tier_has() -> None:
    """The tier that the member had then, whatever was joined since; an unknown one shows nothing."""
    fourth = event("attempt", 2, billingAttempts=4)
    moved = after(event("joined", 1, tierId="silver"), fourth, event("joined", 3, tierId="gold"))
    assert set(add_to_counts(Counts(), moved, Rules(), day(4)).attempts_seen) == {"silver"}
    unknown = after(fourth, event("joined", 3, tierId="gold"))
    assert add_to_counts(Counts(), unknown, Rules(), day(4)).attempts_seen == {}


def test_a_morning_finds_who_is_of_high_value() -> None:
    """With nothing set: of forty members the four who pay most, and the CRMs get them as a back-fill, once."""
    people = [payer(number, 300 if number < 4 else 100) for number in range(40)]
    setup = SchedulerSetup([*people, payer(99, 9_000, cancelled_at=START - DAY)])
    assert not any(is_high_value(one, setup.members.rules) for one in people)
    play_ticks(setup, START, START + DAY)
    rules = setup.members.rules
    assert rules.measures.annual_fee == {"USD": 300}
    assert [one.customer_id for one in people if is_high_value(one, rules)] == ["0", "1", "2", "3"]
    changes = [load(MemberChanged, message.body) for message in setup.changes.sent]
    assert [(one.member.rpartition(":")[2], one.backfill) for one in changes] == [
        (f"{n}", True) for n in range(4)
    ]
    play_ticks(setup, START + 2 * DAY)
    assert len(setup.changes.sent) == 4


def test_an_import_ends_with_a_computation() -> None:
    """At the tick after its end, once: who stands out is known, and no digest or reminder comes before its time."""
    people = [payer(number, 300 if number < 4 else 100) for number in range(40)]
    setup = SchedulerSetup([*people, person(99, 7 * DAY + 4 * HOUR)])
    busy(setup, START + DAY)
    play_ticks(setup, START, START + HOUR)
    assert setup.members.rules.measures.annual_fee == {}
    setup.imported_at = START + 2 * HOUR
    play_ticks(setup, START + 3 * HOUR)
    assert setup.members.rules.measures.annual_fee == {"USD": 300}
    changes = setup.changes_sent()
    assert [(one.member.rpartition(":")[2], one.backfill, one.events) for one in changes] == [
        (f"{n}", True, ()) for n in range(4)
    ]
    assert setup.alerts.sent == []
    setup.members.rules = Rules()
    play_ticks(setup, START + 4 * HOUR)
    assert setup.members.rules.measures.annual_fee == {}, "one computation for one import"
    play_ticks(setup, START + DAY)
    assert [digest.day for digest in setup.digests()] == [date(2026, 3, 1)]
    assert setup.note_ids() == ["exp:lot99.0:7"]


def test_a_days_run_measures_what_an_import_brought() -> None:
    """An import that ended before the day's run needs no run of its own."""
    setup = SchedulerSetup([payer(number, 300 if number < 4 else 100) for number in range(40)])
    play_ticks(setup, START)
    setup.imported_at = START + DAY - HOUR
    play_ticks(setup, START + DAY)
    setup.members.rules = Rules()
    play_ticks(setup, START + DAY + HOUR)
    assert setup.members.rules.measures.annual_fee == {}


def test_a_crash_after_the_measures_were_written_loses_no_flag() -> None:
    """The repetition of the last page still knows whose flag the new measures change."""
    people = [payer(number, 300 if number < 4 else 100) for number in range(40)]
    setup = SchedulerSetup(people)
    play_ticks(setup, START)
    setup.members.store_measures(Measures(annual_fee={"USD": Decimal(300)}))
    assert setup.runs.run is not None
    setup.runs.run = replace(
        setup.runs.run, day=date(2026, 3, 2), end=START + DAY, phase="members", measures=Measures()
    )
    play_ticks(setup, START + DAY)
    assert len(setup.changes.sent) == 4


def test_each_currency_has_its_own_measure() -> None:
    """A fee of 980 yen is no fee of 980 dollars."""
    people = [payer(number, 8.34) for number in range(40)]
    people += [payer(100 + number, 980 + 10_000 * (number < 3), currency="JPY") for number in range(40)]
    setup = SchedulerSetup(people)
    play_ticks(setup, START, START + DAY)
    assert setup.members.rules.measures.annual_fee == {"JPY": 10_000}
    assert sum(is_high_value(one, setup.members.rules) for one in people) == 3


def test_balance_and_revenue_need_the_shops_currency() -> None:
    """Without it they say nothing; a number that is set takes the measure's place."""
    people = [payer(number, 10, revenue=Decimal(number * 10)) for number in range(40)]
    for rules, valuable in (
        (Rules(), 0),
        (USD, 4),
        (Rules(currency="USD", thresholds=Thresholds(high_value_revenue=Decimal(200))), 20),
        (Rules(currency="USD", thresholds=Thresholds(high_value_revenue=Decimal(0))), 0),
    ):
        setup = SchedulerSetup(people)
        setup.members.rules = rules
        play_ticks(setup, START, START + DAY)
        assert sum(is_high_value(one, setup.members.rules) for one in people) == valuable


def test_grants_become_usual_over_night() -> None:
    """From the changes that the records remember: 30 grants of 90 days, in the shop's currency."""
    chain = (
        BalanceChange(START - 100 * DAY, Decimal(0), Decimal(900)),
        BalanceChange(START - 3 * DAY, Decimal(900), Decimal(906)),
        BalanceChange(START - 2 * DAY, Decimal(906), Decimal(3)),
    )
    people = [replace(payer(number, 10), balance_chain=chain) for number in range(30)]
    setup = SchedulerSetup(people)
    setup.members.rules = USD
    play_ticks(setup, START, START + DAY)
    rules = setup.members.rules
    assert rules.measures.usual_grant == 6
    assert is_unusual(Decimal(60), people[0], rules)
    assert not is_unusual(Decimal("59.99"), people[0], rules)


def test_a_tier_shows_how_often_its_fee_is_tried() -> None:
    """By a final failure, or by an attempt beyond the third; a third attempt alone may not be the last."""
    tier = {"billingTierId": "3a636361"}
    joined = event("joined", 1)
    for events, most in (
        ([event("attempt", 2, billingAttempts=5, **tier)], 5),
        ([event("attempt", 2, billingAttempts=5, **tier), event("paid", 2.5)], 5),
        ([event("lost", 2, billingAttempts=2, **tier)], 2),
        ([event("attempt", 2, billingAttempts=3, **tier)], 3),
    ):
        setup = SchedulerSetup([after(joined, *events)])
        play_ticks(setup, day(3), day(4))
        assert setup.members.rules.billing_attempts_for("3a636361") == most


def test_a_measure_of_another_shop_currency_says_nothing() -> None:
    """The shop's currency was changed since the measures were computed."""
    rich = payer(1, 10, revenue=Decimal(900))
    for currency, is_high in (("USD", True), ("EUR", False)):
        rules = Rules(currency="USD", measures=Measures(currency=currency, revenue=Decimal(500)))
        assert is_high_value(rich, rules) is is_high
