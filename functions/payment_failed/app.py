"""customer.payment_failed: the billing cycle is lost. Mark the member, tell a person."""

from __future__ import annotations

from collections.abc import Iterator

from inveterate.webhooks.payments import PaymentFailed
from relay.consumer import consumer
from relay.effects import Alert, Effect, Level
from relay.facts import Facts, told
from relay.member import Member
from relay.rules import Rules
from relay.wording import amount_text


def facts(event: PaymentFailed) -> Facts:
    """Tell which attempt it was, why it failed, and that it was the last."""
    return Facts.of(
        event,
        told(event.contact, email="email", phone_number="phone"),
        told(event.detail, billing_attempts="failed_attempts", error_message="last_decline_code"),
        {"last_failure_at": event.occurred_at, "payment_lost_at": event.occurred_at},
    )


def decide(event: PaymentFailed, before: Member, after: Member, rules: Rules) -> Iterator[Effect]:
    """Tell a person, unless something newer has settled the matter already."""
    if "payment_lost_at" not in after.told_by(event.id):
        return
    charge = event.detail
    yield Alert(
        rule="payment_failed.final",
        occasion=f"dun:{after.key}",
        level=Level.WARNING,
        title="A membership payment failed for good",
        details=tuple(
            (label, value)
            for label, value in (
                ("Amount", amount_text(charge.amount, charge.currency)),
                ("Attempts", str(charge.billing_attempts or "")),
                ("Reason", charge.error_message or ""),
            )
            if value
        ),
        advice="Ask the member to renew the payment method: Inveterate cancels the membership next.",
    )


handler = consumer(PaymentFailed, facts, decide)
