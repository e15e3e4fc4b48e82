"""customer.payment_succeeded: a membership fee was paid. An open failure is recovered."""

from __future__ import annotations

from inveterate.webhooks.payments import PaymentSucceeded
from relay.model.effects import Effects, Kpi
from relay.model.facts import Facts, pick
from relay.model.fields import Value
from relay.model.member import Member
from relay.rules import dunning
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: PaymentSucceeded) -> Facts:
    """Return the fee, when it was paid, when the next one is due, and that no failure is open any more."""
    return Facts.of(
        event,
        pick(event.contact, email="email", phone_number="phone"),
        pick(event.detail, amount="fee_amount", currency="fee_currency"),
        _next_payment(event),
        {"last_payment_at": event.occurred_at},
        dict.fromkeys(dunning.FAILURE_FIELDS),
        milestone="paid",
    )


def _next_payment(event: PaymentSucceeded) -> dict[str, Value]:
    """Return the day of the next billing: the platform sends a moment at midnight."""
    if not event.detail.has("new_billing_date"):
        return {}
    moment = event.detail.new_billing_date
    return {"next_payment_on": moment.date() if moment else None}


def decide(event: PaymentSucceeded, before: Member, after: Member, rules: Rules) -> Effects:
    """Count the fee; where it recovers a failure, note that and resolve the dunning incident."""
    paid = event.detail
    yield Kpi(rule="payment.received", name="payment", amount=paid.amount, currency=paid.currency)
    yield from dunning.recovery_effects(before, after, paid.amount, paid.currency)
    if before.is_failing and "last_failure_at" in after.fields_from(event.id):
        yield dunning.resolution_alert(
            "dunning.recovered", "Recovered: the membership payment went through", before
        )


handler = consumer(PaymentSucceeded, facts, decide)
