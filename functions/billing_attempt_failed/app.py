"""customer_billing.attempt.failed: one attempt at the fee failed. The member is past due; half of these heal by retry."""

from __future__ import annotations

from collections.abc import Iterator

from inveterate.webhooks.payments import BillingAttemptFailed
from relay.consumer import consumer
from relay.effects import Effect
from relay.facts import Facts, told
from relay.member import Member
from relay.rules import Rules


def facts(event: BillingAttemptFailed) -> Facts:
    """Tell which attempt it was and why it failed; whether more will follow is not told."""
    return Facts.of(
        event,
        told(event.contact, email="email", phone_number="phone"),
        told(event.detail, billing_attempts="failed_attempts", error_message="last_decline_code"),
        {"last_failure_at": event.occurred_at},
    )


def decide(event: BillingAttemptFailed, before: Member, after: Member, rules: Rules) -> Iterator[Effect]:
    """Tell nobody of a single attempt yet: the last one brings customer.payment_failed."""
    return iter(())


handler = consumer(BillingAttemptFailed, facts, decide)
