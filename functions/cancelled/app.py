"""customer.cancelled: the membership has ended. The record says when and of which kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from inveterate.webhooks.cancellations import Cancelled
from relay.consumer import consumer
from relay.effects import Effect
from relay.facts import Facts
from relay.member import Member
from relay.rules import Rules

CANCEL_TYPES: Final = {"FAILURE": "involuntary", "CUSTOMER": "voluntary", "MERCHANT": "merchant"}
"""The sources seen so far; any other leaves the kind open."""


def facts(event: Cancelled) -> Facts:
    """Tell when it ended and how. The tier in this event is the one that was left, so it says nothing of the present."""
    source = event.detail.cancellation_source
    return Facts.of(
        event,
        {
            "cancelled_at": event.occurred_at,
            "cancel_type": CANCEL_TYPES.get((source or "").upper()),
            "cancel_reason": source,
            "pending_cancel_at": None,
            "pending_cancel_source": None,
        },
    )


def decide(event: Cancelled, before: Member, after: Member, rules: Rules) -> Iterator[Effect]:
    """Tell nobody yet: a lost payment has been announced, a request as well."""
    return iter(())


handler = consumer(Cancelled, facts, decide)
