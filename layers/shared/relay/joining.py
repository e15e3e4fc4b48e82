"""Entering a tier, by whichever of the four joining topics: the member is in, and nothing that ended counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from inveterate.webhooks.account import JoinedFreeTier, JoinedFreeTrial, JoinedLifetimeTier, JoinedPaidTier

from relay.facts import Facts, told
from relay.fields import Value

_OVER: Final = (
    "cancelled_at",
    "cancel_type",
    "cancel_reason",
    "pending_cancel_at",
    "pending_cancel_source",
    "found_status",
    "failed_attempts",
    "last_failure_at",
    "last_decline_code",
    "payment_lost_at",
)
"""What a joining ends: cancellations, and the dunning that led to them."""


JoinedEvent: TypeAlias = JoinedPaidTier | JoinedFreeTier | JoinedFreeTrial | JoinedLifetimeTier


def entered(event: JoinedEvent, *more: Mapping[str, Value], tier_type: str) -> Facts:
    """Return what a joining tells: the tier, since when, and that all endings are over."""
    return Facts.of(
        event,
        dict.fromkeys((*_OVER, "trial_ends_at")),
        told(event.payload, tier_id="tier_id"),
        told(
            event.detail,
            tier_name="tier_name",
            previous_tier_id="previous_tier_id",
            previous_tier_name="previous_tier_name",
        ),
        {"tier_type": tier_type, "joined_at": event.occurred_at, "first_joined_at": event.occurred_at},
        *more,
    )
