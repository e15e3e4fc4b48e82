"""customer.payment_succeeded: a membership fee was paid. An open failure is recovered."""

from __future__ import annotations

from datetime import time

from inveterate.webhooks.payments import PaymentSucceeded
from relay.model.effects import Effects, Kpi
from relay.model.facts import Facts, known
from relay.model.fields import Value
from relay.model.member import Member
from relay.model.milestones import Milestone
from relay.rules import dunning_ends
from relay.rules.pairs import pair_effects
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: PaymentSucceeded) -> Facts:
    """Return the fee, when it was paid, and when the next one is due.

    A refund (below zero) and a waived fee (zero) are no payment: they say who the member is, and the latter
    when the next fee is due. A charge that names no next date is a payment, and the recurring fee only while no other is known.
    """
    charge = event.detail
    contact = known(event.contact, email="email", phone_number="phone")
    if charge.amount is not None and charge.amount <= 0:
        return Facts.of(event, contact, {} if charge.amount else _next_payment(event))
    return Facts.of(
        event,
        contact,
        _fee(event),
        _next_payment(event),
        {"last_payment_at": event.occurred_at},
        milestone=Milestone(
            kind="paid",
            amount=charge.amount,
            currency=charge.currency,
            tier=charge.billing_tier_id or event.payload.tier_id,
            days=_days_until_next(event),
        ),
    )


def _fee(event: PaymentSucceeded) -> dict[str, Value]:
    charge = event.detail
    if charge.amount is None:
        return {}
    if charge.new_billing_date is None:
        return {"charge_amount": charge.amount, "charge_currency": charge.currency}
    return {
        "fee_amount": charge.amount,
        "fee_currency": charge.currency,
        "fee_days": _days_until_next(event),
    }


def _days_until_next(event: PaymentSucceeded) -> int | None:
    """Return the days until the next payment, where the event names one that is to come."""
    next_at, at = event.detail.new_billing_date, event.occurred_at
    days = (next_at.date() - at.date()).days if next_at and at else -1
    return days if days >= 0 else None


def _next_payment(event: PaymentSucceeded) -> dict[str, Value]:
    """Return the day of the next billing: the platform sends a moment at midnight.

    Any other moment stays one: which day it is, the shop's zone tells, and the record knows none.
    """
    moment = event.detail.new_billing_date
    if moment is None:
        return {}
    return {"next_payment_on": moment if moment.time() != time() else moment.date()}


def decide(event: PaymentSucceeded, before: Member, after: Member, rules: Rules) -> Effects:
    """Count the fee; where it recovers a failure, note that and resolve the dunning incident."""
    paid = event.detail
    if paid.amount is None or paid.amount > 0:
        yield Kpi(rule="payment.received", name="payment", amount=paid.amount, currency=paid.currency)
    yield from pair_effects(before, after, rules)
    if before.is_failing and not after.is_failing:
        yield dunning_ends.resolution_alert("recovered", event.occurred_at, before)
    yield from dunning_ends.former_ends(before, after)


handler = consumer(PaymentSucceeded, facts, decide)
