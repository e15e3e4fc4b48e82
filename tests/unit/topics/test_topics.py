"""Each topic's facts of its documented sample, and the alerts and notes that follow. No fake at all."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from inveterate.webhooks import TOPICS, model_for
from inveterate.webhooks.credits import CreditsUpdated
from inveterate.webhooks.payments import PaymentFailed
from relay.model.effects import Alert, Level, Note
from relay.model.facts import Lot
from relay.model.member import Member, merge
from relay.rules.dunning import cannot_succeed
from relay.rules.settings import Rules

from functions.credits_updated.app import facts as credit_facts
from functions.payment_failed.app import decide, facts
from tests.support.port_fakes import SHOP, sample
from tests.support.sample_events import after, effects_of, event
from tests.support.topic_functions import TOPIC_RULES


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


OVER = dict.fromkeys(
    (
        "cancelled_at",
        "cancel_type",
        "cancel_reason",
        "pending_since",
        "pending_cancel_at",
        "pending_cancel_source",
        "found_status",
        "found_since",
        "trial_ends_at",
    )
)

FACTS: dict[str, dict[str, Any]] = {
    "customer.joined.paid_tier": {
        **OVER,
        "tier_id": "3a636361",
        "tier_name": "PAID",
        "tier_type": "paid",
        "joined_at": at("2025-05-30T10:17:56.959Z"),
        "first_joined_at": at("2025-05-30T10:17:56.959Z"),
    },
    "customer.joined.free_tier": {
        **OVER,
        "tier_id": "0d0c6284",
        "tier_name": "FREE",
        "tier_type": "free",
        "previous_tier_id": "6a538edc",
        "previous_tier_name": "PreviousTier",
        "joined_at": at("2025-05-30T11:23:12.195Z"),
        "first_joined_at": at("2025-05-30T11:23:12.195Z"),
    },
    "customer.joined.free_trial": {
        **OVER,
        "tier_id": "c669d6e7",
        "tier_name": "TrialTier",
        "tier_type": "trial",
        "trial_ends_at": at("2025-06-04T13:50:47.175Z"),
        "joined_at": at("2025-05-30T13:51:00.551Z"),
        "first_joined_at": at("2025-05-30T13:51:00.551Z"),
    },
    "customer.joined.lifetime_tier": {
        **OVER,
        "tier_id": "d689602f",
        "tier_name": "LIFETIME",
        "tier_type": "lifetime",
        "joined_at": at("2025-05-30T11:25:14.459Z"),
        "first_joined_at": at("2025-05-30T11:25:14.459Z"),
    },
    "customer.changed_tier": {
        "tier_id": "6a538edc",
        "tier_name": "FREE",
        "previous_tier_id": "3a636361",
        "previous_tier_name": "PAID0402",
        "tier_changed_at": at("2025-05-30T11:17:19.646Z"),
    },
    "customer.updated": {
        "email": "member-22978031812972@example.com",
        "phone": "+12025550143",
        "first_name": "inveterate",
        "last_name": "inveterate",
        "joined_at": at("2025-05-25T00:27:52Z"),
        "first_joined_at": at("2025-05-25T00:27:52Z"),
        "referrals_count": 0,
        "revenue": Decimal("102.32"),
        "credits_earned_total": Decimal(10),
        "seen_status": "ACTIVE",
        "seen_tier_id": "c560bce7",
        "seen_balance": Decimal(10),
    },
    "customer.ordered": {
        "email": "member-7741425221763@example.com",
        "last_order_at": at("2025-06-04T10:30:49.653Z"),
    },
    "customer.payment_succeeded": {
        "email": "member-7733576892547@example.com",
        "fee_amount": Decimal(100),
        "fee_currency": "USD",
        "fee_days": 61,
        "next_payment_on": date(2025, 7, 30),
        "last_payment_at": at("2025-05-30T11:07:59.269Z"),
    },
    "customer.payment_failed": {
        "email": "member-7733560541315@example.com",
        "failed_attempts": 3,
        "unpaid": Decimal(100),
        "unpaid_currency": "USD",
        "last_decline_text": "Payment method was revoked",
        "last_failure_at": at("2025-05-30T11:01:00.674Z"),
        "payment_lost_at": at("2025-05-30T11:01:00.674Z"),
    },
    "customer_billing.attempt.failed": {
        "email": "member-7733540520067@example.com",
        "failed_attempts": 3,
        "unpaid": Decimal(100),
        "unpaid_currency": "USD",
        "last_decline_text": "Payment method was revoked",
        "last_failure_at": at("2025-05-30T10:40:38.660Z"),
    },
    "customer.payment_methods.updated": {
        "email": "member-23076025210636@example.com",
        "payment_method_updated_at": at("2025-06-16T01:13:06.342Z"),
    },
    "customer.credits.updated": {
        "email": "member-7733540520067@example.com",
        "first_name": "1a",
        "last_name": "1",
        "last_credit_delta": Decimal(1),
        "last_credit_reason": "EARNED_FROM_PURCHASE",
    },
    "customer.credits.expired": {
        "email": "member-7733592490115@example.com",
        "first_name": "1",
        "last_name": "1",
        "last_expired_amount": Decimal(5),
        "credits_expired_at": at("2025-05-30T11:29:07.875Z"),
    },
    "customer.cancelled": {
        "cancelled_at": at("2025-05-30T10:40:47.081Z"),
        "cancel_type": "involuntary",
        "cancel_reason": "FAILURE",
    },
    "customer.pending_cancellation": {
        "pending_since": at("2025-05-30T11:20:43.043Z"),
        "pending_cancel_at": at("2025-06-30T11:00:00Z"),
        "pending_cancel_source": "CUSTOMER",
        "cancel_reason": "CUSTOMER",
    },
}


@pytest.mark.parametrize("topic", TOPICS)
def test_facts_of_the_documented_sample(topic: str) -> None:
    """The sample sets exactly the fields that `FACTS` has for the topic, as of the event's own time."""
    event = model_for(topic).read(json.dumps(sample(topic)))
    found = TOPIC_RULES[topic].facts(event)
    assert dict(found.values) == FACTS[topic]
    assert (found.at, found.event_id) == (event.occurred_at, event.id)


LOST = PaymentFailed.read(json.dumps(sample("customer.payment_failed")))
UNKNOWN = Member(shop=SHOP, customer_id=LOST.customer_id)


def test_a_final_failure_is_an_alert() -> None:
    """customer.payment_failed always alerts: amount, attempt, reason, advice; without personal data."""
    *_, alert = decide(LOST, UNKNOWN, merge(UNKNOWN, facts(LOST)), Rules())
    assert alert == Alert(
        rule="dunning.failed",
        incident_key=f"dun:{SHOP}:7733560541315",
        level=Level.WARNING,
        outcome="failed_for_good",
        title="A payment of 100.00 USD by {member} failed for good",
        details=(
            ("Amount", "100.00 USD"),
            ("Attempt", "3 of 3"),
            ("Reason", "Payment method was revoked"),
        ),
        advice="Inveterate cancels the membership next. Write to the member yourself, even if "
        "Inveterate's own messages ask the member for another card.",
    )


def test_a_first_failure_has_the_deadline() -> None:
    """An attempt that others follow says which of how many it is, and the time left."""
    attempt = event("attempt", 10, billingAttempts=1, errorMessage="Your card has insufficient funds.")
    *_, alert = effects_of(attempt, UNKNOWN, Rules())
    assert isinstance(alert, Alert)
    assert dict(alert.details) == {
        "Amount": "100.00 USD",
        "Attempt": "1 of 3",
        "Next attempt expected": "2026-03-11 12:00 UTC",
        "Last attempt expected": "2026-03-12 12:00 UTC",
        "Time left": "about 48 h before Inveterate cancels",
        "Reason": "Your card has insufficient funds.",
    }


@pytest.mark.parametrize(
    ("owner", "word"),
    [("inveterate", "Inveterate's own"), ("churnbuster", "Churn Buster"), ("esp", "e-mail flows")],
)
def test_the_dunning_owner_changes_the_advice_alone(owner: str, word: str) -> None:
    """`dunning_owner` names the sender of the messages that ask for another card."""
    rules = Rules.model_validate({"dunning_owner": owner})
    *_, alert = effects_of(event("attempt", 10, billingAttempts=1, errorMessage="Declined"), UNKNOWN, rules)
    assert isinstance(alert, Alert)
    assert word in alert.advice


@pytest.mark.parametrize(
    ("reason", "permanent"),
    [
        ("Your card has expired.", True),
        ("Payment method was revoked", False),
        ("Do not honor", True),
        ("stolen_card", True),
        ("Your card has insufficient funds.", False),
        ("Your card was declined.", False),
        (None, False),
    ],
)
def test_hard_declines(reason: str | None, *, permanent: bool) -> None:
    """These reasons, and no others, mean that no retry with the same card can succeed."""
    assert cannot_succeed(reason) is permanent


def test_a_note_of_a_failure() -> None:
    """It has what a flow needs: amount, attempt, attempts left, tier and status."""
    note, *_ = effects_of(event("attempt", 10, billingAttempts=1), after(event("joined", 1)), Rules())
    assert isinstance(note, Note)
    assert dict(note.properties) == {
        "tier_id": "3a636361",
        "tier_name": "PAID",
        "status": "past_due",
        "amount": Decimal(100),
        "amount_minor": 10_000,
        "currency": "USD",
        "attempt": 1,
        "attempts_left": 2,
        "next_attempt_at": "2026-03-11T12:00:00.000Z",
        "final_attempt_at": "2026-03-12T12:00:00.000Z",
        "reason": "Payment method was revoked",
        "decline_code": "payment_method_revoked",
    }


def test_granted_credits_are_a_lot() -> None:
    """A rise with an expiry is a lot; a fall is none."""
    content = sample("customer.credits.updated")
    event = CreditsUpdated.read(json.dumps(content))
    assert credit_facts(event).lot == Lot(Decimal(1), at("2025-05-31T10:00:00Z"))
    content["payload"]["newBalance"] = -1
    assert credit_facts(CreditsUpdated.read(json.dumps(content))).lot is None


def test_an_event_without_any_time_is_dated_by_its_receipt() -> None:
    """A fact that is a moment falls back to the time of receipt as well, and never clears instead."""
    content = sample("customer.payment_failed")
    del content["payload"]["createdAt"], content["metadata"]["triggerredAt"]
    received = at("2025-06-01T00:00:00Z")
    found = facts(PaymentFailed.read(json.dumps(content), received_at=received))
    assert (found.at, found.values["payment_lost_at"]) == (received, received)
