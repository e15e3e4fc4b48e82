"""A failed fee as it is told: an amount without a sign, and "again" only where a failure is known before it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from inveterate.webhooks.base import Event
from relay.model.effects import Alert, Kpi
from relay.rules.settings import Rules

from tests.support.sample_events import after, effects_of, event

SOFT = {"errorMessage": "Your card has insufficient funds."}


def titles(known: list[Event], occurred: Event, **rules: Any) -> list[str]:
    """Return the titles of the alerts of an event."""
    effects = effects_of(occurred, after(*known), Rules(**rules))
    return [effect.title for effect in effects if isinstance(effect, Alert)]


@pytest.mark.parametrize("name", ["attempt", "lost"])
@pytest.mark.parametrize("amount", [-49, "-49.00", "49", 49])
def test_a_failed_fee_has_no_sign(name: str, amount: object) -> None:
    """What cannot be charged is no refund: it is owed, told and counted as it is."""
    failed = event(name, 10, amount=amount, currency="USD", **SOFT)
    assert after(failed).money("unpaid") == 49
    effects = effects_of(failed, after(), Rules())
    assert [each.amount for each in effects if isinstance(each, Kpi)] == [Decimal(49)]
    assert "-" not in next(each.title for each in effects if isinstance(each, Alert)).partition("by")[0]


@pytest.mark.parametrize("amount", [-49, 49])
def test_a_part_of_it_recovers_nothing(amount: int) -> None:
    """A payment of 20 is less than the fee, whatever sign the failure had."""
    failed = event("attempt", 10, amount=amount, currency="USD")
    assert after(failed, event("paid", 11, amount=20, currency="USD")).is_failing
    assert not after(failed, event("paid", 11, amount=49, currency="USD")).is_failing


def test_parts_are_not_added_up() -> None:
    """The refund of one may lie between them, and is no payment: only the whole fee recovers."""
    failed = event("attempt", 10, amount=49, currency="USD")
    parts = [event("paid", 11, amount=20, currency="USD"), event("paid", 12, amount=29, currency="USD")]
    assert after(failed, *parts).is_failing
    assert not after(failed, *parts, event("paid", 13, amount=49, currency="USD")).is_failing


def test_the_first_failure_is_none_again() -> None:
    """It may name no attempt, or be the only one that its tier has."""
    (first,) = titles([], event("attempt", 10, billingAttempts=None, **SOFT))
    assert first.endswith("by {member} failed")
    (only,) = titles([], event("attempt", 10, billingAttempts=1, **SOFT), billing_attempts=1)
    assert only.endswith("by {member} failed")


def test_a_later_one_is() -> None:
    """One before it is known, or its number says so."""
    before = event("attempt", 10, billingAttempts=1, **SOFT)
    (third,) = titles([before], event("attempt", 12, billingAttempts=3, **SOFT))
    assert third.endswith("by {member} failed again")
    (fourth,) = titles([], event("attempt", 12, billingAttempts=4, **SOFT))
    assert fourth.endswith("by {member} failed again")


@pytest.mark.parametrize(
    ("last", "title", "advice"),
    [
        (
            "attempt",
            "{member} has a new payment method: a retry is expected",
            "Nothing to do until the next attempt",
        ),
        (
            "lost",
            "{member} has a new payment method, but all attempts have failed",
            "No attempt follows by itself",
        ),
    ],
)
def test_a_new_card_promises_no_attempt_that_does_not_come(last: str, title: str, advice: str) -> None:
    """After the final failure the platform cancels: a person has to look."""
    failed = event(last, 10, billingAttempts=2, **SOFT)
    (alert,) = effects_of(event("card", 11), after(failed), Rules())
    assert isinstance(alert, Alert)
    assert (alert.title, alert.advice.startswith(advice)) == (title, True)
    assert ("Next attempt expected" in dict(alert.details)) == (last == "attempt")
