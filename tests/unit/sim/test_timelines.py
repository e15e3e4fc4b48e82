"""What happens when: the documented timelines of failed payments and cancellations, in each reading."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sim import billing, crediting, joining, leaving, orders, programme
from sim.errors import AheadOfTimeError, RefusedError
from sim.model import Status, money

from tests.unit.sim.history import FREE, GOLD, SPEND, TRIAL, WALL, YEARLY, by_day, days, joined, world

ATTEMPT, LOST, CANCELLED = "customer_billing.attempt.failed", "customer.payment_failed", "customer.cancelled"
PENDING, PAID = "customer.pending_cancellation", "customer.payment_succeeded"


def told(history: object, *topics: str) -> list[tuple[str, list[str]]]:
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
    place = world(switches=switches)
    member, _ = joined(place)
    history = [*billing.fail_payment(place, member), *days(place, 5)]
    expected = [("03-01", [ATTEMPT]), ("03-02", [ATTEMPT]), *third_day]
    assert told(by_day(history), *DUNNING) == expected
    assert told(by_day(history, v1=True), ATTEMPT, LOST, CANCELLED) == [
        (day, [topic for topic in topics if topic != PENDING]) for day, topics in expected
    ]
    assert member.status is Status.CANCELLED


def test_retries_are_a_setting_of_the_tier() -> None:
    """A tier with four attempts over seven days has them on its own days, counted from the due day."""
    place = world()
    member, _ = joined(place, YEARLY)
    history = [*billing.fail_payment(place, member), *days(place, 10)]
    assert [day for day, topics in by_day(history) if ATTEMPT in topics] == [
        "03-01",
        "03-03",
        "03-05",
        "03-08",
    ]


def test_a_new_card_ends_the_failures() -> None:
    """After a new card the next attempt succeeds, and the cycle keeps its day."""
    place = world()
    member, _ = joined(place)
    history = list(billing.fail_payment(place, member))
    history += billing.renew_card(place, member)
    history += days(place, 3)
    assert told(by_day(history), *DUNNING) == [("03-01", [ATTEMPT]), ("03-02", [PAID])]
    assert history[-1].payload["detail"]["newBillingDate"] == "2026-04-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("reading", "dates"),
    [("fixed", ["03-01"] * 3), ("moving", ["03-01", "03-02", "03-03"]), ("ahead", ["04-01"] * 3)],
)
def test_billing_date_in_each_reading(reading: str, dates: list[str]) -> None:
    """The billing date is the cycle's, the attempt's, or as in the sample a cycle ahead."""
    place = world(billing_date=reading)
    member, _ = joined(place)
    history = [*billing.fail_payment(place, member), *days(place, 3)]
    assert [e.payload["detail"]["billingDate"][5:10] for e in history if e.topic == ATTEMPT] == dates


def test_a_customer_cancels_at_once() -> None:
    """Immediate policy: requested, then confirmed and cancelled."""
    place = world(cancellation_policy="immediate")
    member, _ = joined(place)
    asked = list(leaving.request(place, member))
    assert by_day(asked, v1=True) == [("03-01", ["customer.cancellation_requested"])]
    assert by_day(asked) == []
    confirmed = list(leaving.confirm(place, member))
    assert by_day(confirmed, v1=True) == [("03-01", ["customer.confirmed_cancellation", CANCELLED])]
    assert [e.payload["detail"]["cancellationSource"] for e in confirmed if e.topic] == ["CUSTOMER"]


def test_a_customer_cancels_at_the_end_of_the_cycle() -> None:
    """End of cycle: pending on confirmation, cancelled when the cycle ends, and nothing is billed."""
    place = world()
    member, _ = joined(place)
    history = [*leaving.request(place, member, confirmed=True), *days(place, 40)]
    assert told(by_day(history), PENDING, CANCELLED, PAID) == [("03-01", [PENDING]), ("04-01", [CANCELLED])]
    pending = next(e for e in history if e.topic == PENDING)
    assert pending.payload["detail"]["effectiveCancellationDate"] == "2026-04-01T07:00:00Z"


def test_without_confirmation_a_request_is_enough() -> None:
    """With the e-mail step off, asking is cancelling."""
    place = world(cancel_confirmation="off", cancellation_policy="immediate")
    member, _ = joined(place)
    assert told(by_day(list(leaving.request(place, member))), CANCELLED) == [("03-01", [CANCELLED])]


def test_a_merchant_cancels() -> None:
    """The shop cancels without confirmation, now or at the end of the cycle as it chooses."""
    place = world()
    member, _ = joined(place)
    history = list(leaving.request(place, member, "MERCHANT", policy="immediate"))
    assert by_day(history, v1=True) == [("03-01", ["customer.merchant_cancel", CANCELLED])]
    assert history[-1].payload["detail"]["cancellationSource"] == "MERCHANT"


def test_a_trial_becomes_a_membership() -> None:
    """Nothing is billed or given until the trial ends; then the fee, then the credits for joining."""
    place = world()
    member, history = joined(place, TRIAL)
    assert by_day(history) == [("03-01", ["customer.joined.free_trial"])]
    assert place.truth.of(member, place.tiers)["fields"]["status"] == "trialing"
    assert by_day(days(place, 15)) == [("03-15", [PAID, "customer.credits.updated"])]
    assert place.truth.of(member, place.tiers)["fields"]["status"] == "active"


@pytest.mark.parametrize(
    ("reading", "topics"),
    [
        ("changed", ["customer.changed_tier"]),
        ("joined", ["customer.joined.free_tier"]),
        ("both", ["customer.changed_tier", "customer.joined.free_tier"]),
    ],
)
def test_moving_to_the_free_tier(reading: str, topics: list[str]) -> None:
    """A downgrade fires either topic, or both, and names the tier that was left."""
    place = world(tier_move=reading)
    member, _ = joined(place)
    history = list(joining.move(place, member, place.tiers[FREE]))
    assert [e.topic for e in history] == topics
    assert all(e.payload["detail"]["previousTierId"] == GOLD for e in history)


def test_free_to_paid_needs_a_contract() -> None:
    """Who never paid cannot be moved to a paid tier, unless the merchant's guide is right."""
    place = world()
    member, _ = joined(place, FREE)
    with pytest.raises(RefusedError):
        list(joining.move(place, member, place.tiers[GOLD]))
    place.switches.set("free_to_paid", "allowed")
    assert [e.topic for e in joining.move(place, member, place.tiers[GOLD])] == ["customer.changed_tier"]


def test_spending_moves_up_and_the_review_moves_down() -> None:
    """Enough spending leads into a spend-based tier; the monthly review takes out who does not belong, unless kept."""
    place = world()
    member, _ = joined(place, FREE)
    list(orders.order(place, member, money(600)))
    assert member.tier_id == SPEND
    guest, _ = joined(place, FREE)
    kept, _ = joined(place, FREE)
    list(joining.move(place, guest, place.tiers[SPEND]))
    list(joining.move(place, kept, place.tiers[SPEND], keep=True))
    days(place, 40)
    assert (member.tier_id, guest.tier_id, kept.tier_id) == (SPEND, FREE, SPEND)


def test_recurring_credits_come_to_everybody_at_once() -> None:
    """All members of a tier get their credits at one moment, 30 days apart; who is on trial does not."""
    place = world()
    for _ in range(3):
        joined(place)
    joined(place, TRIAL)
    drops = [e for e in days(place, 45) if e.payload.get("reason") == "RECURRING"]
    assert [f"{e.at:%m-%d %H:%M}" for e in drops if e.payload["amount"] == 10] == ["03-11 09:00"] * 3 + [
        "04-10 09:00"
    ] * 3
    assert [f"{e.at:%m-%d}" for e in drops if e.payload["amount"] == 5] == ["04-09"]


def test_lots_expire_soonest_first() -> None:
    """What is spent comes from what expires next, and only the rest of a lot expires, at its minute."""
    place = world()
    member, _ = joined(place)  # 10 credits until 60 days later
    days(place, 1)
    list(crediting.grant(place, member, money(8), "MANUAL"))
    list(crediting.redeem(place, member, money(4)))
    gone = [e for e in days(place, 62) if e.topic == "customer.credits.expired" and e.at < place.now]
    assert [(e.payload["amount"], f"{e.at:%m-%d}") for e in gone] == [(6, "04-30"), (8, "05-01")]
    assert gone[0].payload["previousBalance"] - gone[0].payload["newBalance"] == 6


def test_a_second_redemption_replaces_the_code() -> None:
    """The second code is another one and worth both; by force its credits come back."""
    place = world()
    member, _ = joined(place)
    list(crediting.redeem(place, member, money(3)))
    first = member.redemption
    list(crediting.redeem(place, member, money(4)))
    second = member.redemption
    assert first
    assert second
    assert first.code != second.code
    assert second.value == 7
    assert member.balance == 3
    with pytest.raises(RefusedError):
        list(crediting.adjust(place, member, money(-9)))
    list(crediting.adjust(place, member, money(-9), force=True))
    assert member.redemption is None
    assert member.balance == 1


def test_the_clock_is_never_ahead() -> None:
    """An advance past the wall clock is refused, and nothing has happened."""
    place = world()
    joined(place)
    planned = len(place.agenda)
    with pytest.raises(AheadOfTimeError):
        list(programme.advance(place, WALL - place.now + timedelta(seconds=1)))
    assert len(place.agenda) == planned
    assert place.now < WALL


def test_a_reactivation_is_told_by_no_topic() -> None:
    """A membership taken up again is as before; only the record's own topic says so."""
    place = world(cancellation_policy="immediate")
    member, _ = joined(place)
    list(leaving.request(place, member, confirmed=True))
    assert [e.topic for e in leaving.reactivate(place, member)] == ["customer.updated"]
    assert member.status is Status.ACTIVE
    assert place.truth.of(member, place.tiers)["fields"]["status"] == "cancelled"
    assert [e.topic for e in days(place, 31) if e.topic == PAID] == [PAID]
