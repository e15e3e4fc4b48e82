"""What ends is worked out: fees, failures and dates hold while they are newer than what ended them, in every order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from relay.model.facts import Facts, Lot
from relay.model.fields import TOGETHER
from relay.model.lots import LOTS_KEPT
from relay.model.member import Member, merge
from relay.rules.crm_profile import crm_profile
from relay.rules.settings import Rules

from tests.support.in_memory_relay import day
from tests.support.port_fakes import NOW, SHOP
from tests.support.sample_events import after, event
from tests.support.topic_functions import TOPIC_RULES

PAID = ("paid", 2, {"amount": 30, "currency": "EUR", "newBillingDate": "2026-04-02T00:00:00.000Z"})
JOINED: tuple[str, float, dict[str, Any]] = ("joined", 1, {})
FAILED = ("attempt", 3, {"billingAttempts": 1, "amount": 30, "currency": "EUR"})
FEE = {"fee_amount": Decimal(30), "next_payment_on": date(2026, 4, 2), "billing_interval": "month"}
NO_FEE: dict[str, Any] = dict.fromkeys(FEE)


def shown(*told: tuple[str, float, dict[str, Any]]) -> Mapping[str, Any]:
    """Return the profile after these events, the same in every order of arrival."""
    events = [event(name, at, **differs) for name, at, differs in told]
    profiles = [crm_profile(after(*order), Rules()).values for order in permutations(events)]
    assert all(profile == profiles[0] for profile in profiles)
    return profiles[0]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([], {**FEE, "payment_status": "ok"}),
        ([("cancelled", 4, {})], {**NO_FEE, "payment_status": "none", "status": "cancelled"}),
        ([("lifetime", 4, {})], {**NO_FEE, "payment_status": "none", "status": "active"}),
        ([("free", 4, {"previousTierId": "3a636361"})], {**NO_FEE, "payment_status": "none"}),
        ([("free", 1.5, {})], {**FEE, "payment_status": "ok"}),
        ([("cancelled", 4, {}), ("joined", 5, {})], {**NO_FEE, "payment_status": "none", "status": "active"}),
        # an ending of another tier ends nothing
        ([("cancelled", 4, {"tierId": "other"})],
         {**FEE, "payment_status": "ok", "status": "active", "cancel_reason": None}),
        # a refund, a waived fee, and a charge that names no next date
        ([("paid", 4, {"amount": -30})], {**FEE, "payment_status": "ok", "last_payment_at": day(2)}),
        ([("paid", 4, {"amount": 0, "newBillingDate": "2026-05-02T00:00:00.000Z"})],
         {**FEE, "next_payment_on": date(2026, 5, 2), "last_payment_at": day(2)}),
        ([("paid", 4, {"amount": 9, "currency": "JPY", "newBillingDate": None})],
         {**FEE, "fee_currency": "EUR", "last_payment_at": day(4)}),
        # a part of a fee is not the fee
        ([("attempt", 3, {"billingAttempts": 1, "amount": 40, "currency": "EUR"}),
          ("paid", 4, {"amount": 9, "currency": "EUR", "newBillingDate": "2026-05-02T00:00:00.000Z"})],
         {"fee_amount": Decimal(40), "fee_currency": "EUR", "payment_status": "past_due"}),
        ([("attempt", 3, {"billingAttempts": 1, "amount": 40, "currency": "EUR"}),
          ("paid", 4, {"amount": 9, "currency": "EUR", "newBillingDate": "2026-05-02T00:00:00.000Z"}),
          ("cancelled", 5, {})],
         {**NO_FEE, "payment_status": "none"}),
        ([("attempt", 3, {"billingAttempts": 1, "amount": None}),
          ("paid", 4, {"amount": 9, "currency": "EUR", "newBillingDate": "2026-05-02T00:00:00.000Z"})],
         {"fee_amount": Decimal(9), "payment_status": "ok"}),
        # an amount travels with its currency
        ([("paid", 4, {"amount": 9, "currency": None})], {"fee_amount": Decimal(9), "fee_currency": None}),
    ],
)  # fmt: skip
def test_a_fee_holds_until_it_ends(
    told: list[tuple[str, float, dict[str, Any]]], expected: dict[str, Any]
) -> None:
    """After a joining and a payment of 30.00 EUR: what the CRM shows."""
    found = shown(JOINED, PAID, *told)
    assert {name: found[name] for name in expected} == expected


def test_a_first_charge_without_a_next_date_is_the_fee_that_is_known() -> None:
    """Until another is known; but not of a member for life."""
    charge = ("paid", 2, {"amount": 9, "currency": "EUR", "newBillingDate": None})
    assert shown(JOINED, charge)["fee_amount"] == Decimal(9)
    assert shown(("lifetime", 1, {}), charge)["fee_amount"] is None
    assert shown(("cancelled", 1, {"tierId": None}), charge)["fee_amount"] is None
    former = shown(JOINED, charge, ("lifetime", 3, {}))
    assert (former["fee_amount"], former["fee_currency"]) == (None, "EUR")


def test_the_currency_of_a_fee_that_ended_is_that_of_the_fee_which_ran_last() -> None:
    """A charge was the fee of the second membership, since the recurring one had ended; one after the end is none."""
    charge = {"amount": 9, "currency": "JPY", "newBillingDate": None}
    again = [("cancelled", 3, {}), ("joined", 4, {}), ("paid", 5, charge)]
    assert shown(PAID, *again)["fee_currency"] == "JPY"
    assert shown(PAID, *again, ("cancelled", 6, {}))["fee_currency"] == "JPY"
    assert shown(PAID, ("cancelled", 3, {}), ("paid", 4, charge))["fee_currency"] == "EUR"
    assert shown(PAID, ("paid", 2.5, charge), ("cancelled", 3, {}))["fee_currency"] == "EUR"


@pytest.mark.parametrize(
    ("told", "payment", "attempts"),
    [
        ([], "past_due", 1),
        ([("lost", 3.1, {"billingAttempts": None})], "failed", 1),
        ([("attempt", 4, {"billingAttempts": None})], "past_due", 1),
        ([("attempt", 4, {"billingAttempts": 2})], "past_due", 2),
        ([("paid", 4, {"amount": 30, "currency": "EUR"})], "ok", None),
        ([("paid", 4, {"amount": 10, "currency": "EUR"})], "past_due", 1),
        ([("paid", 4, {"amount": 0, "currency": "EUR"})], "past_due", 1),
        ([("paid", 4, {"amount": -30, "currency": "EUR"})], "past_due", 1),
        ([("cancelled", 4, {})], "none", None),
        ([("joined", 4, {})], "none", None),
        ([("moved", 4, {})], "past_due", 1),
        # a failure on a membership that has ended opens nothing
        ([("cancelled", 2, {})], "none", None),
        # the next cycle: the final failure before it is over
        ([("lost", 3.1, {"billingAttempts": 3}), ("attempt", 30, {"billingAttempts": 1})], "past_due", 1),
    ],
)
def test_a_failure_holds_until_it_is_settled(
    told: list[tuple[str, float, dict[str, Any]]], payment: str, attempts: int | None
) -> None:
    """After a joining and a first failed attempt at 30.00 EUR."""
    found = shown(JOINED, FAILED, *told)
    assert (found["payment_status"], found["failed_attempts"]) == (payment, attempts)
    left = {"past_due": 3 - (attempts or 0), "failed": 0}.get(payment)
    assert found["attempts_left"] == left
    if attempts is None:
        names = ("attempts_left", "next_attempt_at", "final_attempt_at", "last_decline_code")
        assert [found[name] for name in names] == [None] * 4


def test_a_failure_is_no_fee() -> None:
    """Its amount and currency are those of the open fee: the fee and its currency are what was paid."""
    found = after(event("attempt", 3, amount=30, currency="JPY"))
    assert (found.text("fee_currency"), found.money("fee_amount"), found.currency) == (None, None, "JPY")


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ([("cancelled", 4, {"cancellationSource": None})], "voluntary"),
        ([FAILED, ("cancelled", 4, {"cancellationSource": None})], "involuntary"),
        ([FAILED, ("cancelled", 4, {"cancellationSource": "TELEPATHY"})], "involuntary"),
        ([FAILED, ("cancelled", 4, {"cancellationSource": "CUSTOMER"})], "voluntary"),
        ([("cancelled", 4, {"cancellationSource": "TELEPATHY"})], None),
    ],
)
def test_the_kind_of_an_ending(told: list[tuple[str, float, dict[str, Any]]], kind: str | None) -> None:
    """Involuntary where a fee was open and the source says nothing; an unknown word stays unknown."""
    assert shown(JOINED, *told)["cancel_type"] == kind


@pytest.mark.parametrize("word", [None, "TELEPATHY"])
@pytest.mark.parametrize("is_repeat", [True, False])
@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_words_on_one_end_the_documented_one_stands(
    word: str | None, *, is_repeat: bool, is_first: bool
) -> None:
    """Whether the second body is a repeat of the event or an event of its own, and whichever arrives first."""
    ending, other = _ending("MERCHANT", event_id="first"), _ending(word, event_id="another")
    found = after(event("joined", 1), event("attempt", 3, amount=30))
    first, second = (ending, other) if is_first else (other, ending)
    if is_repeat:
        # An event whose id is remembered adds no milestone; its facts are merged all the same.
        second = replace(second, event_id=first.event_id, milestone=None)
    found = merge(merge(found, first), second)
    assert found.value("cancel_type") == "merchant"


def _ending(word: str | None, *, event_id: str) -> Facts:
    told = event("cancelled", 4, cancellationSource=word)
    return replace(TOPIC_RULES[told.TOPIC].facts(told), event_id=event_id)


def test_a_date_that_is_past_is_not_shown_as_to_come() -> None:
    """As of the newest fact: a trial's end, an announced end, the next payment, an expiry."""
    told: list[tuple[str, float, dict[str, Any]]] = [
        ("trial", 1, {"freeTrialEnd": day(6).isoformat()}),
        ("pending", 2, {"effectiveCancellationDate": day(8).isoformat()}),
        ("paid", 3, {"newBillingDate": day(9).isoformat()}),
        ("credits", 4, {"previousBalance": 0, "newBalance": 5, "expirationDate": day(7).isoformat()}),
    ]
    names = ("trial_ends_at", "pending_cancel_at", "next_payment_on", "credits_expiring_at")
    assert [shown(*told)[name] is not None for name in names] == [True] * 4
    assert [shown(*told, ("ordered", 12, {}))[name] for name in names] == [None] * 4


def test_leaving_without_a_date_is_leaving() -> None:
    """The announcement counts although its date cannot be read, and a date that was known stays."""
    without = ("pending", 3, {"effectiveCancellationDate": None})
    found = shown(JOINED, without)
    assert (found["status"], found["pending_cancel_at"]) == ("pending_cancellation", None)
    dated = ("pending", 2, {"effectiveCancellationDate": day(30).isoformat()})
    assert shown(JOINED, dated, without)["pending_cancel_at"] == day(30)


@pytest.mark.parametrize("name", ["ordered", "paid", "attempt", "lost", "card"])
def test_null_in_an_event_about_something_else_clears_nothing(name: str) -> None:
    """An e-mail address that an order gives as null is still known; a snapshot that says null clears it."""
    known = after(event("updated", 1, email="mia@example.com", phoneNumber="+1555"))
    nobody = {"id": "7001", "email": None, "phoneNumber": None}
    later = after(event(name, 2, customer=nobody), member=known)
    assert (later.text("email"), later.text("phone")) == ("mia@example.com", "+1555")
    assert after(event("updated", 3, email=None), member=later).text("email") is None


def test_an_unknown_status_is_never_active() -> None:
    """A member who is known by a snapshot alone, whose status is no word that Relay knows."""
    assert after(event("updated", 1, status="HIBERNATING")).status == "unknown"
    assert after(event("updated", 1, status="ACTIVE")).status == "active"
    assert after(event("joined", 1), event("updated", 2, status="HIBERNATING")).status == "active"


def test_values_that_mean_something_together_travel_together() -> None:
    """Facts with one of a group have all of it, so that one stamp decides for the group."""
    assert {"fee_amount", "fee_currency", "fee_days"} in TOGETHER
    assert {"unpaid", "unpaid_currency"} in TOGETHER
    for group in TOGETHER:
        for name in group:
            assert Facts(event_id="e", at=NOW, values={name: None}).values.keys() == group


def test_lots_are_bounded_by_the_set_alone() -> None:
    """The 300 soonest to expire stay, in whatever order they come."""
    lots = [
        Facts(event_id=f"{number:032x}", at=NOW, lot=Lot(Decimal(1), NOW + timedelta(hours=number)))
        for number in range(LOTS_KEPT + 20)
    ]
    records = []
    for order in (lots, lots[::-1]):
        record = Member(shop=SHOP, customer_id="1")
        for facts in order:
            record = merge(record, facts)
        records.append(record)
    assert records[0] == records[1]
    assert max(lot.expires_at for lot in records[0].lots.values()) == NOW + timedelta(hours=LOTS_KEPT - 1)


def test_the_first_joining_may_come_from_a_snapshot() -> None:
    """The older of the two stays, whichever comes first."""
    snapshot = event("updated", 3, joinedAt=day(0).isoformat())
    for order in ((snapshot, event("joined", 1)), (event("joined", 1), snapshot)):
        assert after(*order).moment("first_joined_at") == day(0)


def test_expired_credit_is_no_change_of_credit() -> None:
    """The last change and its reason are those of a grant or a redemption."""
    found = shown(
        ("credits", 1, {"previousBalance": 0, "newBalance": 9, "reason": "BIRTHDAY"}),
        ("expired", 2, {"previousBalance": 9, "newBalance": 4, "amount": 5}),
    )
    assert (found["last_credit_delta"], found["last_credit_reason"]) == (Decimal(9), "BIRTHDAY")
    assert (found["credit_balance"], found["last_expired_amount"]) == (Decimal(4), Decimal(5))


def test_credit_that_expired_in_the_millisecond_of_a_grant_is_no_change_of_credit() -> None:
    """Nor where the chain ends with it."""
    found = shown(
        ("credits", 1, {"previousBalance": 10, "newBalance": 11}),
        ("expired", 1, {"previousBalance": 11, "newBalance": 0, "amount": 11}),
    )
    assert (found["last_credit_delta"], found["credit_balance"]) == (Decimal(1), Decimal(0))


@pytest.mark.parametrize(
    "told",
    [
        [("trial", 1, {"freeTrialEnd": "2026-03-20T00:00:00Z"}), ("cancelled", 4, {"tierId": None})],
        [("joined", 1, {}), ("cancelled", 4, {"tierId": None}),
         ("pending", 5, {"effectiveCancellationDate": "2026-05-01T07:00:00Z"})],
        [("trial", 1, {"freeTrialEnd": "2026-03-20T00:00:00Z"}),
         ("pending", 2, {"effectiveCancellationDate": "2026-03-19T07:00:00Z"}), ("cancelled", 4, {"tierId": None})],
    ],
)  # fmt: skip
def test_nothing_is_to_come_of_a_membership_that_has_ended(
    told: list[tuple[str, float, dict[str, Any]]],
) -> None:
    """No end of a trial, and no announced end."""
    found = shown(*told)
    assert (found["status"], found["trial_ends_at"], found["pending_cancel_at"]) == ("cancelled", None, None)


def test_the_end_of_a_trial_is_shown_again_with_the_next_one() -> None:
    """A new trial after an ended one."""
    first = ("trial", 1.0, {"freeTrialEnd": "2026-03-20T00:00:00Z"})
    found = shown(
        first, ("cancelled", 4, {"tierId": None}), ("trial", 6, {"freeTrialEnd": "2026-03-25T00:00:00Z"})
    )
    assert (found["status"], found["trial_ends_at"]) == ("trialing", datetime(2026, 3, 25, tzinfo=UTC))
