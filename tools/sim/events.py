"""The events of the platform: their v2.0 topics, their v1 topics, and the format of their ids."""

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

PAYMENT_METHOD_ALIAS: Final = "customer.payment_method.changed"
"""The name of customer.payment_methods.updated in the list of topics; its own page has the other name."""

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
"""The v1 topic of a v2.0 topic, if it does not depend on the history of the member. v1 has no topics for tiers."""

DASHED_ID_TOPICS: Final = frozenset(
    {
        "customer.payment_methods.updated",
        "customer.payment_succeeded",
        "customer.payment_failed",
        "customer_billing.attempt.failed",
        "customer.credits.expired",
        "customer.ordered",
    }
)
"""Topics whose metadata.id has dashes; the others have 32 digits, and one topic has no id."""

TOPIC_WITHOUT_ID: Final = "customer.credits.updated"


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a member. `topic` is None if only v1 has it, `v1` is None if only v2.0 has it.

    `faults` are the faults in its own content (`event_faults.py`).
    """

    ordinal: int
    topic: str | None
    v1: str | None
    member_id: str
    at: datetime
    triggered_at: datetime
    payload: dict[str, Any]
    id: str | None
    faults: frozenset[str] = frozenset()


def hex_id(bits: int, *, dashed: bool) -> str:
    """Format 128 bits as an id of the platform: bare, or with dashes (not necessarily a valid UUID)."""
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])) if dashed else text
