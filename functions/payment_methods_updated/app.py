"""customer.payment_methods.updated: a new card is on file. A failed payment may now succeed."""

from __future__ import annotations

from inveterate.webhooks.payments import PaymentMethodsUpdated
from relay.consumer import consumer
from relay.deciding import dunning
from relay.effects import Alert, Effects, Level
from relay.facts import Facts, told
from relay.member import Member
from relay.rules import Rules


def facts(event: PaymentMethodsUpdated) -> Facts:
    """Tell when the payment method was last renewed."""
    return Facts.of(
        event, told(event.contact, email="email"), {"payment_method_updated_at": event.occurred_at}
    )


def decide(event: PaymentMethodsUpdated, before: Member, after: Member, rules: Rules) -> Effects:
    """While a fee is open, tell those who know of it that a retry is worth waiting for."""
    failed_at, renewed_at = after.moment("last_failure_at"), after.moment("payment_method_updated_at")
    if after.is_failing and failed_at and renewed_at and renewed_at > failed_at:
        yield Alert(
            rule="dunning.new_card",
            occasion=dunning.occasion(after),
            action="mention",
            level=Level.INFO,
            title="A new payment method is on file: a retry is expected",
        )


handler = consumer(PaymentMethodsUpdated, facts, decide)
