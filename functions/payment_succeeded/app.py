"""customer.payment_succeeded: a membership fee was paid. What had failed is made good."""

from __future__ import annotations

from collections.abc import Iterator

from inveterate.webhooks.payments import PaymentSucceeded
from relay.consumer import consumer
from relay.effects import Effect
from relay.facts import Facts, told
from relay.fields import Value
from relay.member import Member
from relay.rules import Rules


def facts(event: PaymentSucceeded) -> Facts:
    """Tell the fee, when it was paid, when the next one is due; failures are over."""
    return Facts.of(
        event,
        told(event.contact, email="email", phone_number="phone"),
        told(event.detail, amount="fee_amount", currency="fee_currency"),
        _due(event),
        {"last_payment_at": event.occurred_at},
        dict.fromkeys(("failed_attempts", "last_failure_at", "last_decline_code", "payment_lost_at")),
    )


def _due(event: PaymentSucceeded) -> dict[str, Value]:
    """Return the next date of billing: the platform sends a moment at midnight and means the day."""
    if not event.detail.has("new_billing_date"):
        return {}
    moment = event.detail.new_billing_date
    return {"next_payment_on": moment.date() if moment else None}


def decide(event: PaymentSucceeded, before: Member, after: Member, rules: Rules) -> Iterator[Effect]:
    """Tell nobody yet: closing the failure that it makes good comes with the dunning rules."""
    return iter(())


handler = consumer(PaymentSucceeded, facts, decide)
