"""Status and payment status, computed from the registers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from inveterate.webhooks import model_for
from relay.model.member import Member, merge

from tests.support.port_fakes import SHOP, sample
from tests.support.topic_functions import TOPIC_RULES

JOINED, TRIAL = "customer.joined.paid_tier", "customer.joined.free_trial"
PAID, FAILED = "customer.payment_succeeded", "customer.payment_failed"
ATTEMPT, PENDING = "customer_billing.attempt.failed", "customer.pending_cancellation"
CANCELLED, UPDATED = "customer.cancelled", "customer.updated"


def after(*topics: str) -> Member:
    """Return the member after these events, a day apart."""
    member = Member(shop=SHOP, customer_id="1")
    for day, topic in enumerate(topics, start=1):
        content: dict[str, Any] = sample(topic)
        content["payload"]["createdAt"] = f"2025-06-{day:02}T00:00:00Z"
        content["metadata"]["triggerredAt"] = f"2025-06-{day:02}T00:00:01Z"
        member = merge(member, TOPIC_RULES[topic].facts(model_for(topic).read(json.dumps(content))))
    return member


@pytest.mark.parametrize(
    ("history", "status", "payment"),
    [
        ((), "none", "none"),
        ((JOINED,), "active", "none"),
        ((TRIAL,), "trialing", "none"),
        ((UPDATED,), "active", "none"),
        (("customer.payment_methods.updated",), "none", "none"),
        ((JOINED, PAID), "active", "ok"),
        ((JOINED, PAID, ATTEMPT), "past_due", "past_due"),
        ((JOINED, ATTEMPT, FAILED), "past_due", "failed"),
        ((JOINED, ATTEMPT, FAILED, PAID), "active", "ok"),
        ((JOINED, PENDING), "pending_cancellation", "none"),
        ((JOINED, PENDING, CANCELLED), "cancelled", "none"),
        ((JOINED, ATTEMPT, FAILED, CANCELLED), "cancelled", "none"),
        ((JOINED, PAID, CANCELLED), "cancelled", "none"),
        ((JOINED, CANCELLED, JOINED), "active", "none"),
        ((JOINED, ATTEMPT, FAILED, CANCELLED, JOINED), "active", "none"),
        ((TRIAL, CANCELLED, "customer.joined.free_tier"), "active", "none"),
    ],
)
def test_status(history: tuple[str, ...], status: str, payment: str) -> None:
    """The newest fact of each field decides."""
    member = after(*history)
    assert (member.status, member.payment_status) == (status, payment)


@pytest.mark.parametrize(
    "word", ["PAUSED", "CANCELLED", "PENDING_CANCELLATION", "FAILED", "PAST_DUE", None, "", [], True]
)
def test_no_member_is_active_by_default(word: object) -> None:
    """One who is known by a snapshot alone, of another status or none, is unknown; one who joined stays what events told."""
    content = sample(UPDATED)
    content["payload"]["newData"]["status"] = word
    for topics, status in (((), "unknown"), ((JOINED,), "active"), (("customer.changed_tier",), "active")):
        event = model_for(UPDATED).read(json.dumps(content))
        assert merge(after(*topics), TOPIC_RULES[UPDATED].facts(event)).status == status


@pytest.mark.parametrize("end", [None, "1970-01-01T00:00:00.000Z", "soon"])
def test_a_trial_whose_end_is_not_known_is_one_until_something_is_paid(end: str | None) -> None:
    """The event still says what its name says."""
    content = sample(TRIAL)
    content["payload"]["freeTrialEnd"] = end
    content["payload"]["createdAt"] = content["metadata"]["triggerredAt"] = "2025-06-01T00:00:00Z"
    member = merge(
        Member(shop=SHOP, customer_id="1"),
        TOPIC_RULES[TRIAL].facts(model_for(TRIAL).read(json.dumps(content))),
    )
    assert (member.status, member.moment("trial_ends_at")) == ("trialing", None)
    content = sample(PAID)
    content["payload"]["createdAt"] = content["metadata"]["triggerredAt"] = "2025-06-03T00:00:00Z"
    paid = merge(member, TOPIC_RULES[PAID].facts(model_for(PAID).read(json.dumps(content))))
    assert paid.status == "active"


def test_a_payment_after_the_trial_ends_it() -> None:
    """No event is documented for a trial that becomes paid: the first payment near its end says so."""
    member = after(TRIAL)
    ends = member.moment("trial_ends_at")
    assert ends is not None
    content = sample(PAID)
    for when, status in (("2025-06-03T00:00:00Z", "trialing"), (ends.isoformat(), "active")):
        content["payload"]["createdAt"] = content["metadata"]["triggerredAt"] = when
        paid = merge(member, TOPIC_RULES[PAID].facts(model_for(PAID).read(json.dumps(content))))
        assert paid.status == status
