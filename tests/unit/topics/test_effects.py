"""The rules as a table: for a record, an event and the settings, exactly these effects."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from inveterate.webhooks.base import Event
from relay.model.effects import Alert, Note
from relay.model.timeline_events import TIMELINE_EVENTS, properties_of
from relay.rules.measures import Measures
from relay.rules.settings import Retention, Rules, Thresholds, TierSetting

from tests.support.in_memory_relay import day
from tests.support.sample_events import after, brief, effects_of, event

GOLD, PLATINUM = "3a636361", "c560bce7"
PLAIN = Rules(
    thresholds=Thresholds(
        high_value_annual_fee=Decimal(0), high_value_credits=Decimal(0), high_value_revenue=Decimal(0)
    )
)
"""No member is of high value."""
HV = Rules(currency="USD", thresholds=Thresholds(high_value_annual_fee=Decimal(100)))
"""The sample's fee of 100 makes a member one of high value."""
USUALLY_6 = Rules(currency="USD", measures=Measures(currency="USD", usual_grant=Decimal(6)))
LARGE = Rules(currency="USD", thresholds=Thresholds(credit_anomaly=Decimal(250)))
RANKED = Rules(
    thresholds=PLAIN.thresholds,
    tiers={GOLD: TierSetting(rank=1), "6a538edc": TierSetting(rank=0), PLATINUM: TierSetting(rank=2)},
)
SOFT = {"errorMessage": "Your card has insufficient funds."}
PAID = event("paid", 1)
JOINED = event("joined", 1)
FIRST = event("attempt", 10, billingAttempts=1, **SOFT)
SECOND = event("attempt", 11, billingAttempts=2, **SOFT)
THIRD = event("attempt", 12, billingAttempts=3, **SOFT)
LOST = event("lost", 12)
NEXT = event("attempt", 40, billingAttempts=1, **SOFT)
FINALLY = "open (failed_for_good) WARNING dun:M by dunning.failed"
PENDING = event("pending", 20, effectiveCancellationDate="2026-04-01T07:00:00Z")
ANOTHER_DATE = event("pending", 21, effectiveCancellationDate="2026-05-01T07:00:00Z")
GONE = event("cancelled", 30)


def row(name: str, known: list[Event], occurred: Event, rules: Rules, *expected: str) -> Any:
    """Return one row of the table."""
    return pytest.param(known, occurred, rules, list(expected), id=name)


NOTED, COUNTED = "note Membership Payment Failed", "count failed_attempt 100"
MADE_GOOD = ("note Membership Payment Recovered", "count recovered 100")

DUNNING = [
    row("first of three", [JOINED], FIRST, PLAIN, NOTED, COUNTED, "open INFO dun:M by dunning.attempt"),
    row("first, high-value", [PAID], FIRST, HV, NOTED, COUNTED, "open WARNING dun:M by dunning.attempt"),
    row("last but one", [FIRST], SECOND, PLAIN, NOTED, COUNTED, "open WARNING dun:M by dunning.last_chance"),
    row("last but one, high-value", [FIRST], SECOND, HV, NOTED, COUNTED, "open ERROR dun:M by dunning.last_chance"),
    row("no retry can succeed", [], event("attempt", 10, billingAttempts=1, errorMessage="Your card has expired."), PLAIN,
        NOTED, COUNTED, "open WARNING dun:M by dunning.last_chance"),
    row("second of five", [FIRST], SECOND, PLAIN.model_copy(update={"billing_attempts": 5}), NOTED, COUNTED,
        "open INFO dun:M by dunning.attempt"),
    row("the tier has five", [FIRST], SECOND, PLAIN.model_copy(update={"tiers": {GOLD: TierSetting(billing_attempts=5)}}),
        NOTED, COUNTED, "open INFO dun:M by dunning.attempt"),
    row("no number", [], event("attempt", 10, billingAttempts=None, **SOFT), PLAIN, NOTED, COUNTED,
        "open WARNING dun:M by dunning.last_chance"),
    row("older than the payment", [event("paid", 11)], FIRST, PLAIN, NOTED, COUNTED, *MADE_GOOD),
    row("older than the payment, after another attempt", [SECOND, event("paid", 12)], FIRST, PLAIN, NOTED, COUNTED,
        "withdraw recovered 100", "count recovered 100"),
    row("older than two payments", [event("paid", 11), event("paid", 41)], FIRST, PLAIN, NOTED, COUNTED, *MADE_GOOD),
    row("paid sooner than was known", [FIRST, event("paid", 41)], event("paid", 11), HV, "count payment 100",
        "withdraw recovered 100", "count recovered 100"),
    row("older than the end", [event("cancelled", 11)], FIRST, PLAIN, NOTED, COUNTED, "count lost 100"),
    row("older than an end that names no source", [event("cancelled", 11, cancellationSource=None)], FIRST, PLAIN,
        NOTED, COUNTED, "withdraw left_voluntarily", "count left_involuntarily", "count lost 100"),

    row("newer than the end", [event("cancelled", 9)], FIRST, PLAIN, NOTED, COUNTED),
    row("a hard decline no more", [], event("attempt", 10, billingAttempts=1, errorMessage="Payment method was revoked"),
        PLAIN, NOTED, COUNTED, "open INFO dun:M by dunning.attempt"),
    row("a fourth of three", [FIRST, SECOND], event("attempt", 13, billingAttempts=4, **SOFT), PLAIN, NOTED, COUNTED,
        "update INFO dun:M by dunning.more_attempts"),
    row("a fourth, and the first that is known", [], event("attempt", 13, billingAttempts=4, **SOFT), PLAIN,
        NOTED, COUNTED, "open WARNING dun:M by dunning.last_chance"),
    row("the second of five, as seen lately", [FIRST], SECOND,
        PLAIN.model_copy(update={"measures": Measures(attempts_seen={GOLD: {"5": day(1).date()}})}), NOTED, COUNTED,
        "open INFO dun:M by dunning.attempt"),
    row("older than a joining", [event("joined", 11)], FIRST, PLAIN, NOTED, COUNTED),
    row("older than another attempt", [SECOND], FIRST, PLAIN, NOTED, COUNTED),
    row("all attempts failed", [FIRST, SECOND, THIRD], LOST, PLAIN, FINALLY),
    row("all failed, high-value", [FIRST, SECOND, THIRD], LOST, HV, FINALLY.replace("WARNING", "ERROR")),
    row("the third attempt, told by the final failure", [FIRST, SECOND, LOST], THIRD, PLAIN),
    row("all failed, and the third was not told", [FIRST, SECOND], LOST, PLAIN, NOTED, COUNTED, FINALLY),
    row("all failed, without a number", [FIRST, SECOND, THIRD], event("lost", 12, billingAttempts=None), PLAIN, FINALLY),
    row("the second, after a final failure without a number", [FIRST, THIRD, event("lost", 12, billingAttempts=None)],
        SECOND, PLAIN, NOTED, COUNTED),
    row("lost, and no attempt seen", [], LOST, PLAIN, NOTED, COUNTED, FINALLY),
    row("lost, and the next fee has failed since", [FIRST, SECOND, NEXT], LOST, PLAIN, NOTED, COUNTED, FINALLY),
    row("lost, the next fee has failed since, told again", [FIRST, SECOND, LOST, NEXT], event("lost", 12.1), PLAIN),
    row("lost, and the next fee was paid", [FIRST, SECOND, NEXT, event("paid", 41)], LOST, PLAIN, NOTED, COUNTED),
    row("an attempt of the fee before", [FIRST, SECOND, NEXT], THIRD, PLAIN, NOTED, COUNTED),
    row("lost, told again with another time", [LOST], event("lost", 12.1), PLAIN, FINALLY),
    row("lost after the end", [event("cancelled", 11.9)], LOST, PLAIN, NOTED, COUNTED),
    row("refunded", [FIRST], event("paid", 11, amount=-100), HV),
    row("waived", [FIRST], event("paid", 11, amount=0), HV),
    row("paid in part", [FIRST], event("paid", 11, amount=40), HV, "count payment 40"),
    row("paid, but left before", [FIRST, event("paid", 13)], event("cancelled", 12), PLAIN, "note Membership Cancelled",
        "count left_involuntarily", "withdraw recovered 100", "count premature_recovered", "count lost 100",
        "one-off WARNING cancelled:M:2026-03-12 by cancel.involuntary"),
    row("lost, but paid since", [event("paid", 13)], LOST, PLAIN, NOTED, COUNTED, *MADE_GOOD),
    row("paid for once, and it failed since", [FIRST, event("attempt", 40, billingAttempts=1)], event("paid", 11), HV,
        "count payment 100", *MADE_GOOD),
    row("paid as always", [JOINED], PAID, HV, "count payment 100"),
    row("paid after all", [FIRST], event("paid", 11), HV, "count payment 100",
        "note Membership Payment Recovered", "count recovered 100", "resolve dun:M by dunning.recovered"),
    row("paid before it failed", [FIRST], PAID, HV, "count payment 100"),
    row("paid after the end", [FIRST, GONE], event("paid", 31), HV, "count payment 100"),
    row("a new card", [JOINED], event("card", 11), HV),
    row("a new card while a fee is open", [FIRST], event("card", 11), HV, "update INFO dun:M by dunning.new_card"),
    row("a new card before it failed", [FIRST], event("card", 9), HV),
    row("joined anew while a fee is open", [FIRST], event("joined", 11), HV, "note Membership Joined",
        "count joined_paid", "resolve dun:M by dunning.rejoined"),
]  # fmt: skip

JOINING = [
    row("paid", [], JOINED, HV, "note Membership Joined", "count joined_paid"),
    row("paid, announced", [], JOINED, Rules(announce_joins=True), "note Membership Joined", "count joined_paid",
        "one-off INFO immediate join:M:3a636361:2026-03-01 by join.paid"),
    row("trial", [], event("trial", 1), HV, "note Membership Joined", "count joined"),
    row("lifetime", [], event("lifetime", 1), HV, "note Membership Joined", "count joined"),
    row("free, by sign-up", [], event("free", 1, previousTierId=None), HV, "note Membership Joined", "count joined"),
    row("free, by a move down", [JOINED], event("free", 2), HV),
    row("back again", [JOINED, GONE], event("joined", 40), HV, "note Membership Joined", "count joined_paid",
        "note Membership Rejoined", "count rejoined", "resolve cancelled:M:2026-03-30 by join.again"),
    row("back again, and the fee failed since", [GONE, event("attempt", 41, billingAttempts=2, **SOFT)], event("joined", 40),
        HV, "note Membership Joined", "count joined_paid", "note Membership Rejoined", "count rejoined",
        "open ERROR dun:M by dunning.last_chance", "resolve cancelled:M:2026-03-30 by join.again"),
    row("stays after all", [JOINED, PENDING], event("joined", 25), HV, "note Membership Joined", "count joined_paid",
        "resolve cancel:M:2026-04-01 by cancel.resumed"),
    row("a trial with another end", [event("trial", 1)], event("trial", 8), HV),
    row("a trial that began before", [event("trial", 8)], event("trial", 1), HV,
        "withdraw joined", "count joined"),
    row("an end between two trials", [event("trial", 1, tierId=GOLD), event("trial", 8, tierId=GOLD)],
        event("cancelled", 5, cancellationSource="CUSTOMER", tierId=GOLD), HV, "note Membership Cancelled", "count left_voluntarily",
        "count joined", "note Membership Joined", "note Membership Rejoined", "count rejoined"),
    row("an old joining", [GONE], JOINED, HV, "note Membership Joined", "count joined_paid"),
]  # fmt: skip

LEAVING = [
    row("asked", [JOINED], PENDING, PLAIN, "note Membership Cancellation Pending", "count pending_cancellation",
        "open INFO cancel:M:2026-04-01 by cancel.pending"),
    row("asked, high-value", [PAID], PENDING, HV, "note Membership Cancellation Pending", "count pending_cancellation",
        "open WARNING cancel:M:2026-04-01 by cancel.pending"),
    row("asked, with retention", [PAID], PENDING, HV.model_copy(update={"retention": Retention(on=True)}),
        "note Membership Cancellation Pending", "count pending_cancellation",
        "open WARNING cancel:M:2026-04-01 by cancel.pending", "grant 10 for M"),
    row("retention is for the high-value", [JOINED], PENDING,
        PLAIN.model_copy(update={"retention": Retention(on=True)}), "note Membership Cancellation Pending",
        "count pending_cancellation", "open INFO cancel:M:2026-04-01 by cancel.pending"),
    row("by the shop", [PAID], event("pending", 20, cancellationSource="MERCHANT"), Rules(retention=Retention(on=True)),
        "note Membership Cancellation Pending", "count pending_cancellation",
        "open INFO cancel:M:2025-06-30 by cancel.pending"),
    row("after failed payments", [FIRST, LOST], event("pending", 12.1, cancellationSource="FAILURE"), HV,
        "note Membership Cancellation Pending", "count pending_cancellation"),
    row("another date", [PENDING], ANOTHER_DATE, PLAIN,
        "resolve cancel:M:2026-04-01 by cancel.resumed", "open INFO cancel:M:2026-05-01 by cancel.pending"),
    row("another date, high-value: said once", [PAID, PENDING], ANOTHER_DATE, HV,
        "resolve cancel:M:2026-04-01 by cancel.resumed", "open INFO cancel:M:2026-05-01 by cancel.pending"),
    row("asked before, by a former membership", [event("joined", 20.5), ANOTHER_DATE], PENDING, PLAIN,
        "note Membership Cancellation Pending", "count pending_cancellation"),
    row("asked, and gone before", [PENDING], event("cancelled", 19, cancellationSource="CUSTOMER"), PLAIN,
        "note Membership Cancelled", "count left_voluntarily", "resolve cancel:M:2026-04-01 by cancel.ended"),
    row("asked, and back before", [event("cancelled", 18, tierId=None), PENDING], event("joined", 19), PLAIN,
        "note Membership Joined", "count joined_paid", "note Membership Rejoined", "count rejoined",
        "open INFO cancel:M:2026-04-01 by cancel.pending", "resolve cancelled:M:2026-03-18 by join.again"),
    row("asked, but gone since", [GONE], PENDING, HV, "note Membership Cancellation Pending", "count pending_cancellation"),
    row("gone as announced", [PAID, PENDING], event("cancelled", 30, cancellationSource="CUSTOMER"), HV,
        "note Membership Cancelled", "count left_voluntarily", "resolve cancel:M:2026-04-01 by cancel.ended"),
    row("gone at once", [JOINED], event("cancelled", 30, cancellationSource="CUSTOMER"), PLAIN,
        "note Membership Cancelled", "count left_voluntarily"),
    row("gone at once, high-value", [PAID], event("cancelled", 30, cancellationSource="CUSTOMER"), HV,
        "note Membership Cancelled", "count left_voluntarily", "one-off INFO cancelled:M:2026-03-30 by cancel.voluntary"),
    row("by the shop, at once", [PAID], event("cancelled", 30, cancellationSource="MERCHANT"), HV,
        "note Membership Cancelled", "count left_by_merchant"),
    row("lost", [FIRST, LOST], GONE, PLAIN, "note Membership Cancelled", "count left_involuntarily", "count lost 100",
        "resolve WARNING immediate dun:M by dunning.lost"),
    row("lost, high-value", [FIRST, LOST], GONE, HV, "note Membership Cancelled", "count left_involuntarily",
        "count lost 100", "resolve ERROR immediate dun:M by dunning.lost"),
    row("lost, and nothing was known", [], GONE, PLAIN, "note Membership Cancelled", "count left_involuntarily",
        "one-off WARNING cancelled:M:2026-03-30 by cancel.involuntary"),
    row("left with an open fee", [FIRST], event("cancelled", 30, cancellationSource="CUSTOMER"), HV,
        "note Membership Cancelled", "count left_voluntarily", "resolve dun:M by dunning.ended"),
    row("an unheard-of source, and an open fee", [FIRST], event("cancelled", 30, cancellationSource="ALIENS"), PLAIN,
        "note Membership Cancelled", "count left_involuntarily", "count lost 100", "resolve WARNING immediate dun:M by dunning.lost"),
    row("gone, but back since", [event("joined", 31)], GONE, HV, "note Membership Cancelled", "count left_involuntarily",
        "note Membership Rejoined", "count rejoined"),
    row("gone, told by two sources", [GONE], event("cancelled", 30.5, cancellationSource="CUSTOMER"), HV),
    row("an unheard-of source", [PAID], event("cancelled", 30, cancellationSource="ALIENS"), HV,
        "note Membership Cancelled", "count left_for_unknown_reason",
        "one-off INFO cancelled:M:2026-03-30 by cancel.unknown"),
    row("leaving, date unknown", [PAID], event("pending", 20, effectiveCancellationDate=None), HV,
        "note Membership Cancellation Pending", "count pending_cancellation",
        "open WARNING cancel:M:unknown by cancel.pending"),
]  # fmt: skip

MOVE = {"tierId": "6a538edc", "previousTierId": GOLD}
BACK = {"tierId": GOLD, "previousTierId": "6a538edc"}
TIERS = [
    row("in the tier that was left for a failed fee", [event("joined", 1, tierId="c560bce7"), FIRST, event("cancelled", 12)],
        event("moved", 5, tierId=GOLD), PLAIN, "note Membership Tier Changed", "count lost 100",
        "resolve dun:M by dunning.lost"),
    row("unranked", [PAID], event("moved", 5), HV, "note Membership Tier Changed"),
    row("up", [PAID], event("moved", 5, **BACK), RANKED, "note Membership Tier Changed", "count tier_up"),
    row("down", [PAID], event("moved", 5, **MOVE), RANKED, "note Membership Tier Changed", "count tier_down"),
    row("down, high-value", [PAID], event("moved", 5, **MOVE), RANKED.model_copy(update={"thresholds": HV.thresholds}),
        "note Membership Tier Changed", "count tier_down", "one-off WARNING tier:M:2026-03-05 by tier.changed"),
    row("and back within the hour", [PAID, event("moved", 5, **MOVE)],
        event("moved", day(5) + timedelta(minutes=50), **BACK), RANKED,
        "note Membership Tier Changed", "count tier_up", "resolve tier:M:2026-03-05 by tier.back"),
    row("and back on another day", [PAID, event("moved", 5, **MOVE)], event("moved", 6, **BACK), RANKED,
        "note Membership Tier Changed", "count tier_up"),
]  # fmt: skip


def balance(at: float, before: float, now: float, **more: Any) -> Event:
    """Return a change of balance."""
    return event("credits", at, previousBalance=before, newBalance=now, **more)


CREDITS = [
    row("normal", [], balance(2, 0, 5), HV, "note Store Credit Changed"),
    row("by hand", [], balance(2, 0, 5, reason="MANUAL"), HV, "note Store Credit Changed", "count manual_credit 5"),
    row("a large grant", [], balance(2, 0, 250), LARGE, "note Store Credit Changed",
        "one-off WARNING cred:M:2026-03-02 by credits.anomaly"),
    row("a large grant, and nothing is usual yet", [], balance(2, 0, 9_000), HV, "note Store Credit Changed"),
    row("ten times the usual", [], balance(5, 18, 78), USUALLY_6, "note Store Credit Changed",
        "one-off WARNING cred:M:2026-03-05 by credits.anomaly"),
    row("nine times the usual", [], balance(5, 18, 72), USUALLY_6, "note Store Credit Changed"),
    row("ten times the usual, of another currency", [], balance(5, 18, 78),
        USUALLY_6.model_copy(update={"currency": "EUR"}), "note Store Credit Changed"),
    row("large, but switched off", [], balance(2, 0, 250), Rules(thresholds=Thresholds(credit_anomaly=Decimal(0))),
        "note Store Credit Changed"),
    row("spent", [balance(2, 0, 400)], balance(3, 400, 10), HV, "note Store Credit Changed"),
    row("below zero", [], balance(2, 5, -5), HV, "note Store Credit Changed", "one-off ERROR cred:M:2026-03-02 by credits.negative"),
    row("still below zero", [balance(2, 5, -5)], balance(3, -5, -6), HV, "note Store Credit Changed"),
    row("out of it again", [balance(2, 5, -5)], balance(3, -5, 0), HV, "note Store Credit Changed",
        "resolve cred:M:2026-03-02 by credits.settled"),
    row("out of it after two days", [balance(2, 5, -5), balance(3, -5, -6)], balance(4, -6, 0), HV,
        "note Store Credit Changed", "resolve cred:M:2026-03-02 by credits.settled"),
    row("out of it by a large grant on the same day", [balance(2, 5, -5)], balance(2.2, -5, 300), LARGE,
        "note Store Credit Changed", "resolve WARNING immediate cred:M:2026-03-02 by credits.settled"),
    row("below zero, but settled since", [balance(3, -5, 0)], balance(2, 5, -5), HV, "note Store Credit Changed"),
    row("expired", [], event("expired", 2), PLAIN, "note Store Credit Expired", "count credits_expired 5"),
    row("much expired", [], event("expired", 2, amount=50), PLAIN, "note Store Credit Expired", "count credits_expired 50"),
    row("much expired, high-value", [PAID], event("expired", 2, amount=50), HV, "note Store Credit Expired",
        "count credits_expired 50", "one-off INFO immediate expired:M:2026-03-02 by credits.expired"),
]  # fmt: skip

REST = [
    row("ordered", [], event("ordered", 2), HV, "note Member Ordered"),
    row("ordered, and Shopify notes it in the CRM", [], event("ordered", 2), Rules(orders_to_crm=False)),
    row("updated", [], event("updated", 2), HV),
    row("updated, and everything differs", [PAID, PENDING],
        event("updated", 21, status="CANCELLED", tierId="x", credit=-99, revenue=10_000), HV),
]  # fmt: skip


@pytest.mark.parametrize(
    ("known", "occurred", "rules", "expected"), [*DUNNING, *JOINING, *LEAVING, *TIERS, *CREDITS, *REST]
)
def test_effects(known: list[Event], occurred: Event, rules: Rules, expected: list[str]) -> None:
    """One row: the events before, the event, the settings; exactly these notes, KPIs and alerts, in this order."""
    effects = list(effects_of(occurred, after(*known), rules))
    assert [brief(effect) for effect in effects] == expected
    for note in (effect for effect in effects if isinstance(effect, Note)):
        assert note.name in TIMELINE_EVENTS
        assert note.properties.keys() <= properties_of(note.name).keys(), "else HubSpot's event would lack it"


@pytest.mark.parametrize(
    "tier", ["https://evil.example/login", "evil.example", "9" * 65, "a b", "<a>", ":x:"]
)
def test_an_odd_tier_id_is_no_link_in_a_key(tier: str) -> None:
    """E-mails show the key as it is: an id that is no plain word stands there as its hash, and two stay two."""
    odd, other = (
        effects_of(event("joined", 1, tierId=each), after(), Rules(announce_joins=True))[-1]
        for each in (tier, f"{tier}2")
    )
    assert isinstance(odd, Alert)
    assert isinstance(other, Alert)
    assert odd.incident_key != other.incident_key
    _, _, tail = odd.incident_key.partition("join:")
    assert re.fullmatch(r"[\w.\-]+:\d+:[0-9a-f]{16}:2026-03-01", tail)
