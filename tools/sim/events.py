"""One thing that the platform tells: under its v2.0 name, its v1 name, or both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

TOPICS: Final = (
    "customer.joined.paid_tier",
    "customer.joined.free_tier",
    "customer.joined.free_trial",
    "customer.joined.lifetime_tier",
    "customer.changed_tier",
    "customer.updated",
    "customer.ordered",
    "customer.payment_succeeded",
    "customer.payment_failed",
    "customer_billing.attempt.failed",
    "customer.payment_methods.updated",
    "customer.credits.updated",
    "customer.credits.expired",
    "customer.cancelled",
    "customer.pending_cancellation",
)
"""The documented topics of v2.0."""

OTHER_NAME: Final = "customer.payment_method.changed"
"""How the documentation's list calls what the topic's own page calls customer.payment_methods.updated."""

V1_TOPICS: Final = (
    "merchant.updated",
    "merchant.reinstall",
    "customer.created",
    "customer.updated",
    "customer.credits.updated",
    "customer.ordered",
    "customer.resubscribed",
    "customer.payment_succeeded",
    "customer.payment_failed",
    "customer.payment_methods.updated",
    "customer_billing.attempt.failed",
    "customer.cancellation_requested",
    "customer.confirmed_cancellation",
    "customer.cancelled",
    "customer.merchant_cancel",
)
"""The documented topics of v1."""

V1_NAMES: Final[dict[str, str | None]] = {
    **{topic: topic for topic in TOPICS if topic in V1_TOPICS},
    "customer.credits.expired": "customer.credits.updated",
}
"""What v1 calls a v2.0 topic, where that does not depend on the member's history. v1 has no word for tiers."""

DASHED: Final = frozenset(
    {
        "customer.payment_methods.updated",
        "customer.payment_succeeded",
        "customer.payment_failed",
        "customer_billing.attempt.failed",
        "customer.credits.expired",
        "customer.ordered",
    }
)
"""Topics whose metadata.id is written in groups; all others have 32 bare digits, and one has none."""

WITHOUT_ID: Final = "customer.credits.updated"


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a member. `topic` is None for what only v1 tells, `v1` for what only v2.0 tells."""

    ordinal: int
    topic: str | None
    v1: str | None
    member_id: str
    at: datetime
    triggered_at: datetime
    payload: dict[str, Any]
    id: str | None


def hex_id(bits: int, *, dashed: bool) -> str:
    """Write 128 bits as the platform writes ids: bare, or in groups (which need not be a valid UUID)."""
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])) if dashed else text
