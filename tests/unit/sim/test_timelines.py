"""The documented timelines of failed payments and cancellations, with each switch."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sim import billing, cancellations, credit_ledger, memberships, orders, programme
from sim.errors import AheadOfTimeError, RefusedError
from sim.model import Status, money

from tests.unit.sim.sim_worlds import FREE, GOLD, SPEND, TRIAL, WALL, YEARLY, by_day, days, joined, make_world

ATTEMPT, LOST, CANCELLED = "customer_billing.attempt.failed", "customer.payment_failed", "customer.cancelled"
PENDING, PAID = "customer.pending_cancellation", "customer.payment_succeeded"


def topics_of(history: object, *topics: str) -> list[tuple[str, list[str]]]:
    """Keep some topics of a history by day."""
    assert isinstance(history, list)
    kept = [(day, [topic for topic in each if topic in topics]) for day, each in history]
    return [(day, each) for day, each in kept if each]


DUNNING = (ATTEMPT, LOST, CANCELLED, PENDING, PAID)


@pytest.mark.parametrize(
    ("switches", "third_day"),
    [
        ({"cancellation_policy": "immediate"}, [("03-03", [ATTEMPT, LOST, CANCELLED])]),
        ({}, [("03-03", [ATTEMPT, LOST, CANCELLED])]),
        ({"failure_cancel_day": "next"}, [("03-03", [ATTEMPT, LOST]), ("03-04", [CANCELLED])]),
        ({"pending_after_failure": "event"}, [("03-03", [ATTEMPT, LOST, PENDING, CANCELLED])]),
        (
            {"pending_after_failure": "event", "failure_cancel_day": "next"},
            [("03-03", [ATTEMPT, LOST, PENDING]), ("03-04", [CANCELLED])],
        ),
    ],
)
def test_a_payment_fails_on_three_days(
    switches: dict[str, str], third_day: list[tuple[str, list[str]]]
) -> None:
    """One attempt a day; on the last day both failure topics, then the cancellation as the policy has it."""
    world = make_world(switches=switches)
    member, _ = joined(world)
    history = [*billing.fail_payment(world, member), *days(world, 5)]
    expected = [("03-01", [ATTEMPT]), ("03-02", [ATTEMPT]), *third_day]
    assert topics_of(by_day(history), *DUNNING) == expected
    assert topics_of(by_day(history, v1=True), ATTEMPT, LOST, CANCELLED) == [
        (day, [topic for topic in topics if topic != PENDING]) for day, topics in expected
    ]
    assert member.status is Status.CANCELLED


def test_retries_are_a_setting_of_the_tier() -> None:
    """A tier with four attempts over seven days has them on its own days, counted from the due day."""
    world = make_world()
    member, _ = joined(world, YEARLY)
    history = [*billing.fail_payment(world, member), *days(world, 10)]
    assert [day for day, topics in by_day(history) if ATTEMPT in topics] == [
        "03-01",
        "03-03",
        "03-05",
        "03-08",
    ]


def test_a_new_card_ends_the_failures() -> None:
    """After a new card the next attempt succeeds, and the cycle keeps its day."""
    world = make_world()
    member, _ = joined(world)
    history = list(billing.fail_payment(world, member))
    history += billing.renew_card(world, member)
    history += days(world, 3)
    assert topics_of(by_day(history), *DUNNING) == [("03-01", [ATTEMPT]), ("03-02", [PAID])]
    assert history[-1].payload["detail"]["newBillingDate"] == "2026-04-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("choice", "dates"),
    [("fixed", ["03-01"] * 3), ("moving", ["03-01", "03-02", "03-03"]), ("ahead", ["04-01"] * 3)],
)
def test_billing_date_by_the_switch(choice: str, dates: list[str]) -> None:
    """The billing date is the cycle's, the attempt's, or as in the sample a cycle ahead."""
    world = make_world(billing_date=choice)
    member, _ = joined(world)
    history = [*billing.fail_payment(world, member), *days(world, 3)]
    assert [e.payload["detail"]["billingDate"][5:10] for e in history if e.topic == ATTEMPT] == dates


def test_a_customer_cancels_at_once() -> None:
    """Immediate policy: requested, then confirmed and cancelled."""
    world = make_world(cancellation_policy="immediate")
    member, _ = joined(world)
    requested = list(cancellations.request(world, member))
    assert by_day(requested, v1=True) == [("03-01", ["customer.cancellation_requested"])]
    assert by_day(requested) == []
    confirmed = list(cancellations.confirm(world, member))
    assert by_day(confirmed, v1=True) == [("03-01", ["customer.confirmed_cancellation", CANCELLED])]
    assert [e.payload["detail"]["cancellationSource"] for e in confirmed if e.topic] == ["CUSTOMER"]


def test_a_customer_cancels_at_the_end_of_the_cycle() -> None:
    """End of cycle: pending on confirmation, cancelled when the cycle ends, and nothing is billed."""
    world = make_world()
    member, _ = joined(world)
    history = [*cancellations.request(world, member, confirmed=True), *days(world, 40)]
    assert topics_of(by_day(history), PENDING, CANCELLED, PAID) == [
        ("03-01", [PENDING]),
        ("04-01", [CANCELLED]),
    ]
    pending = next(e for e in history if e.topic == PENDING)
    assert pending.payload["detail"]["effectiveCancellationDate"] == "2026-04-01T07:00:00Z"


def test_without_confirmation_a_request_is_enough() -> None:
    """With the e-mail step off, asking is cancelling."""
    world = make_world(cancel_confirmation="off", cancellation_policy="immediate")
    member, _ = joined(world)
    assert topics_of(by_day(list(cancellations.request(world, member))), CANCELLED) == [
        ("03-01", [CANCELLED])
    ]


def test_a_merchant_cancels() -> None:
    """The shop cancels without confirmation, now or at the end of the cycle as it chooses."""
    world = make_world()
    member, _ = joined(world)
    history = list(cancellations.request(world, member, "MERCHANT", policy="immediate"))
    assert by_day(history, v1=True) == [("03-01", ["customer.merchant_cancel", CANCELLED])]
    assert history[-1].payload["detail"]["cancellationSource"] == "MERCHANT"


def test_a_trial_becomes_a_membership() -> None:
    """Nothing is billed or given until the trial ends; then the fee, then the credits for joining."""
    world = make_world()
    member, history = joined(world, TRIAL)
    assert by_day(history) == [("03-01", ["customer.joined.free_trial"])]
    assert world.expected_state.for_member(member, world.tiers)["fields"]["status"] == "trialing"
    assert by_day(days(world, 15)) == [("03-15", [PAID, "customer.credits.updated"])]
    assert world.expected_state.for_member(member, world.tiers)["fields"]["status"] == "active"


@pytest.mark.parametrize(
    ("choice", "topics"),
    [
        ("changed", ["customer.changed_tier"]),
        ("joined", ["customer.joined.free_tier"]),
        ("both", ["customer.changed_tier", "customer.joined.free_tier"]),
    ],
)
def test_moving_to_the_free_tier(choice: str, topics: list[str]) -> None:
    """A downgrade fires either topic, or both, and names the tier that was left."""
    world = make_world(tier_move=choice)
    member, _ = joined(world)
    history = list(memberships.move(world, member, world.tiers[FREE]))
    assert [e.topic for e in history] == topics
    assert all(e.payload["detail"]["previousTierId"] == GOLD for e in history)


def test_free_to_paid_needs_a_contract() -> None:
    """A member without a contract cannot move to a paid tier, unless the guide of the merchant is right."""
    world = make_world()
    member, _ = joined(world, FREE)
    with pytest.raises(RefusedError):
        list(memberships.move(world, member, world.tiers[GOLD]))
    world.switches.set("free_to_paid", "allowed")
    assert [e.topic for e in memberships.move(world, member, world.tiers[GOLD])] == ["customer.changed_tier"]


def test_spending_moves_up_and_the_review_moves_down() -> None:
    """Enough spending leads into a spend-based tier; the monthly review moves members with too little spend out, unless kept."""
    world = make_world()
    member, _ = joined(world, FREE)
    list(orders.order(world, member, money(600)))
    assert member.tier_id == SPEND
    guest, _ = joined(world, FREE)
    kept, _ = joined(world, FREE)
    list(memberships.move(world, guest, world.tiers[SPEND]))
    list(memberships.move(world, kept, world.tiers[SPEND], keep=True))
    days(world, 40)
    assert (member.tier_id, guest.tier_id, kept.tier_id) == (SPEND, FREE, SPEND)


def test_recurring_credits_are_granted_to_all_at_once() -> None:
    """All members of a tier get their credits at the same time, 30 days apart; a member on trial does not."""
    world = make_world()
    for _ in range(3):
        joined(world)
    joined(world, TRIAL)
    drops = [e for e in days(world, 45) if e.payload.get("reason") == "RECURRING"]
    assert [f"{e.at:%m-%d %H:%M}" for e in drops if e.payload["amount"] == 10] == ["03-11 09:00"] * 3 + [
        "04-10 09:00"
    ] * 3
    assert [f"{e.at:%m-%d}" for e in drops if e.payload["amount"] == 5] == ["04-09"]


def test_lots_expire_soonest_first() -> None:
    """What is spent comes from what expires next, and only the rest of a lot expires, at its minute."""
    world = make_world()
    member, _ = joined(world)  # 10 credits until 60 days later
    days(world, 1)
    list(credit_ledger.grant(world, member, money(8), "MANUAL"))
    list(credit_ledger.redeem(world, member, money(4)))
    gone = [e for e in days(world, 62) if e.topic == "customer.credits.expired" and e.at < world.now]
    assert [(e.payload["amount"], f"{e.at:%m-%d}") for e in gone] == [(6, "04-30"), (8, "05-01")]
    assert gone[0].payload["previousBalance"] - gone[0].payload["newBalance"] == 6


def test_a_second_redemption_replaces_the_code() -> None:
    """The second code is another one and worth both; by force its credits come back."""
    world = make_world()
    member, _ = joined(world)
    list(credit_ledger.redeem(world, member, money(3)))
    first = member.redemption
    list(credit_ledger.redeem(world, member, money(4)))
    second = member.redemption
    assert first
    assert second
    assert first.code != second.code
    assert second.value == 7
    assert member.balance == 3
    with pytest.raises(RefusedError):
        list(credit_ledger.adjust(world, member, money(-9)))
    list(credit_ledger.adjust(world, member, money(-9), force=True))
    assert member.redemption is None
    assert member.balance == 1


def test_the_clock_is_never_ahead() -> None:
    """An advance past the real time is refused, and nothing has changed."""
    world = make_world()
    joined(world)
    planned = len(world.schedule)
    with pytest.raises(AheadOfTimeError):
        list(programme.advance(world, WALL - world.now + timedelta(seconds=1)))
    assert len(world.schedule) == planned
    assert world.now < WALL


def test_a_reactivation_has_no_topic_of_its_own() -> None:
    """A reactivated membership is as before; the only event is customer.updated."""
    world = make_world(cancellation_policy="immediate")
    member, _ = joined(world)
    list(cancellations.request(world, member, confirmed=True))
    assert [e.topic for e in cancellations.reactivate(world, member)] == ["customer.updated"]
    assert member.status is Status.ACTIVE
    assert world.expected_state.for_member(member, world.tiers)["fields"]["status"] == "cancelled"
    assert [e.topic for e in days(world, 31) if e.topic == PAID] == [PAID]
