"""customer.changed_tier: the member moved to another tier. The record follows; the cause is not told."""

from __future__ import annotations

from collections.abc import Iterator

from inveterate.webhooks.account import ChangedTier
from relay.consumer import consumer
from relay.effects import Effect
from relay.facts import Facts, told
from relay.member import Member
from relay.rules import Rules


def facts(event: ChangedTier) -> Facts:
    """Tell the tier, the one before it, and since when."""
    return Facts.of(
        event,
        told(event.payload, tier_id="tier_id"),
        told(
            event.detail,
            tier_name="tier_name",
            previous_tier_id="previous_tier_id",
            previous_tier_name="previous_tier_name",
        ),
        {"tier_changed_at": event.occurred_at},
    )


def decide(event: ChangedTier, before: Member, after: Member, rules: Rules) -> Iterator[Effect]:
    """Tell nobody yet: which way is up is a setting of the programme."""
    return iter(())


handler = consumer(ChangedTier, facts, decide)
