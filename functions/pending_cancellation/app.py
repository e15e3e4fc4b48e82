"""customer.pending_cancellation: the member asked to go, and can be won back until the cycle ends."""

from __future__ import annotations

from collections.abc import Iterator

from inveterate.webhooks.cancellations import PendingCancellation
from relay.consumer import consumer
from relay.effects import Effect
from relay.facts import Facts, told
from relay.member import Member
from relay.rules import Rules


def facts(event: PendingCancellation) -> Facts:
    """Tell when the membership will end, and who wanted it."""
    return Facts.of(
        event,
        told(
            event.detail,
            effective_cancellation_date="pending_cancel_at",
            cancellation_source="pending_cancel_source",
        ),
    )


def decide(event: PendingCancellation, before: Member, after: Member, rules: Rules) -> Iterator[Effect]:
    """Tell nobody yet: the win-back window comes with the cancellation rules."""
    return iter(())


handler = consumer(PendingCancellation, facts, decide)
