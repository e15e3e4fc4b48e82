"""What a day's digest says, and when it says nothing."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

from relay.model.facts import Facts, Lot
from relay.model.fields import Value
from relay.model.kpis import DailyTotals, KpiEvent, Total
from relay.model.member import Member, merge
from relay.rules.settings import Rules
from relay.scheduler.digest import add_member, digest_lines
from relay.scheduler.reminders import Window

from tests.support.in_memory_relay import day
from tests.support.port_fakes import NOW, SHOP
from tests.support.sample_events import after, event
from tests.support.scheduler_fakes import kpi

DAY = timedelta(days=1)
TODAY = Window(begin=NOW - DAY, end=NOW, zone=UTC)


def some(
    name: str, number: int = 1, amount: str | None = None, currency: str | None = None
) -> list[KpiEvent]:
    total = None if amount is None else Decimal(amount)
    return list(kpi(name, NOW, number, amount=total, currency=currency))


def member(lot: Lot | None = None, /, **values: Any) -> Member:
    known: dict[str, Value] = {"joined_at": NOW - 90 * DAY, "seen_status": "ACTIVE", **values}
    one = merge(Member(shop=SHOP, customer_id="1"), Facts(event_id="e", at=NOW - 2 * DAY, values=known))
    return merge(one, Facts(event_id="lot", at=NOW - 2 * DAY, lot=lot)) if lot else one


def totals_of(*members: Member) -> DailyTotals:
    totals = DailyTotals()
    for one in members:
        totals = add_member(totals, one, Rules(), TODAY)
    return totals


def test_a_whole_day() -> None:
    """Every line, in the order in which a person reads them."""
    events = [
        *some("joined", 2),
        *some("joined_paid", 3),
        *some("rejoined", 1),
        *some("left_voluntarily", 2),
        *some("left_involuntarily", 1),
        *some("left_by_merchant", 1),
        *some("pending_cancellation", 2),
        *some("tier_up", 1),
        *some("tier_down", 2),
        *some("payment", 4, "9.99", "USD"),
        *some("recovered", 1, "9.99", "USD"),
        *some("failed_attempt", 2, "9.99", "USD"),
        *some("lost", 1),
        *some("credits_expired", 2, "12.50"),
        *some("manual_credit", 9),
        *some("heard_of_in_a_later_version", 1),
    ]
    totals = DailyTotals(
        at_risk=Total(number=3, amounts={"USD": Decimal("29.97"), "EUR": Decimal(10)}),
        expiring=Total(number=2, amounts={"USD": Decimal(50)}),
        renewing=Total(number=5, amounts={"USD": Decimal("49.95")}),
    ).with_mirrors([("hubspot", "mirrored")] * 7 + [("hubspot", "no_email")] * 2 + [("hubspot", "refused")])
    assert digest_lines(events, totals) == (
        ("Joined", "5 (3 paid, 1 again)"),
        ("Left", "4 (2 by themselves, 1 for a lost payment, 1 by the shop)"),
        ("Net members", "+1"),
        ("Asked to leave", "2"),
        ("Changed tier", "3 (1 up, 2 down)"),
        ("Fees paid", "4: 39.96 USD"),
        ("Recovered", "1: 9.99 USD"),
        ("Failed attempts", "2: 19.98 USD"),
        ("Lost", "1"),
        ("Credits expired", "2: 25"),
        ("At risk now", "3: 10.00 EUR + 29.97 USD"),
        ("Credits expiring within 7 days", "2: 50.00 USD"),
        ("Renewals announced", "5: 49.95 USD"),
        ("Members in HubSpot", "7 up to date, 2 without an e-mail address, 1 refused"),
    )


def test_as_many_left_as_joined() -> None:
    """Nought has no sign."""
    assert ("Net members", "0") in digest_lines([*some("joined"), *some("left_voluntarily")], None)
    assert ("Net members", "-1") in digest_lines(some("left_voluntarily"), None)


def test_a_day_without_news_says_nothing() -> None:
    """That all members are mirrored is no news."""
    quiet = DailyTotals().with_mirrors([("hubspot", "mirrored")] * 7)
    assert digest_lines([], quiet) == ()
    assert digest_lines(some("manual_credit"), None) == ()


def test_money_at_risk_is_that_of_members_whose_fee_has_failed() -> None:
    """Not of members that left, nor of those given up a month ago; by currency."""
    failed: dict[str, Value] = {"failed_attempts": 1, "last_failure_at": NOW - DAY, "fee_amount": Decimal(10)}
    assert totals_of(
        member(**failed, fee_currency="USD"),
        member(**failed, fee_currency="EUR"),
        member(failed_attempts=3, payment_lost_at=NOW - DAY, last_failure_at=NOW - DAY),
        member(**failed, fee_currency="USD", cancelled_at=NOW),
        member(**{**failed, "last_failure_at": NOW - 30 * DAY}),
        member(fee_amount=Decimal(10), last_payment_at=NOW - DAY),
    ).at_risk == Total(number=3, amounts={"USD": Decimal(10), "EUR": Decimal(10)})


def test_money_at_risk_is_the_fee_that_failed() -> None:
    """A first fee may fail before any was paid, and a new fee may differ from the one that was paid."""
    first = after(event("joined", 1), event("attempt", 2, amount=25, currency="EUR"))
    dearer = after(event("paid", 1, amount=10), event("attempt", 2, amount=25, currency="EUR"))
    window = Window(begin=day(2), end=day(3), zone=UTC)
    totals = add_member(add_member(DailyTotals(), first, Rules(), window), dearer, Rules(), window)
    assert totals.at_risk == Total(number=2, amounts={"EUR": Decimal(50)})


def test_money_at_risk_is_what_was_asked_for_and_not_what_was_paid_before() -> None:
    """A first fee fails after a trial, another one after a move: the amount is the failed attempt's own."""
    failed: dict[str, Value] = {"failed_attempts": 1, "last_failure_at": NOW - DAY, "unpaid_currency": "USD"}
    assert totals_of(
        member(**failed, unpaid=Decimal(249)),
        member(**failed, unpaid=Decimal(25), fee_amount=Decimal("9.99")),
    ).at_risk == Total(number=2, amounts={"USD": Decimal(274)})


def test_credits_that_expire_within_a_week_are_summed_by_member() -> None:
    """What is left of them; not those of a member that has left: they are gone."""
    soon = Lot(Decimal(20), NOW + 6 * DAY)
    assert totals_of(
        member(soon, credit_balance=Decimal(15), fee_currency="USD"),
        member(soon, credit_balance=Decimal(0)),
        member(soon, cancelled_at=NOW),
        member(Lot(Decimal(20), NOW + 8 * DAY)),
    ).expiring == Total(number=1, amounts={"USD": Decimal(15)})


def test_renewals_are_counted_with_what_they_are_worth() -> None:
    """On the day on which their notice is due, unless notices are the platform's."""
    renewing = member(next_payment_on=date(2025, 7, 4), fee_amount=Decimal(10), fee_currency="USD")
    assert totals_of(renewing).renewing == Total(number=1, amounts={"USD": Decimal(10)})
    off = add_member(DailyTotals(), renewing, Rules(renewal_notices=False), TODAY)
    assert off.renewing == Total()


def test_mirrors_add_up_over_pages() -> None:
    """By CRM and state."""
    totals = DailyTotals().with_mirrors([("hubspot", "mirrored"), ("klaviyo", "refused")])
    assert totals.with_mirrors([("hubspot", "mirrored")]).mirrors == {
        "hubspot": {"mirrored": 2},
        "klaviyo": {"refused": 1},
    }


def test_the_week_before_stands_beside() -> None:
    """Each figure of the day has that of the same day a week before; what was counted only then has a line too."""
    today = [*some("joined_paid", 3), *some("payment", 2, "9.99", "USD")]
    before = [*some("joined_paid", 1), *some("left_voluntarily", 2)]
    assert digest_lines(today, None, before) == (
        ("Joined", "3 (3 paid) · a week before 1 (1 paid)"),
        ("Left", "0 · a week before 2 (2 by themselves)"),
        ("Net members", "+3 · a week before -1"),
        ("Fees paid", "2: 19.98 USD · a week before 0"),
    )
    assert digest_lines(today, None, []) == (
        ("Joined", "3 (3 paid)"),
        ("Net members", "+3"),
        ("Fees paid", "2: 19.98 USD"),
    )
    assert digest_lines([], None, before) == (), "a day without news is no digest"
