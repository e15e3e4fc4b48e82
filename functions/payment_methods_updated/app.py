"""customer.payment_methods.updated: a new card is on file. A failed payment may now succeed."""

from __future__ import annotations

from collections.abc import Iterator

from inveterate.webhooks.payments import PaymentMethodsUpdated
from relay.consumer import consumer
from relay.effects import Effect
from relay.facts import Facts, told
from relay.member import Member
from relay.rules import Rules


def facts(event: PaymentMethodsUpdated) -> Facts:
    """Tell when the payment method was last renewed."""
    return Facts.of(
        event, told(event.contact, email="email"), {"payment_method_updated_at": event.occurred_at}
    )


def decide(event: PaymentMethodsUpdated, before: Member, after: Member, rules: Rules) -> Iterator[Effect]:
    """Tell nobody yet: it matters to an open dunning occasion only."""
    return iter(())


handler = consumer(PaymentMethodsUpdated, facts, decide)
