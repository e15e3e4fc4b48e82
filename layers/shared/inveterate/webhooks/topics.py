"""The 15 topics that Inveterate announces, as data: their names, aliases and the legacy names.

Standard library only: whatever receives a webhook names its topic before anything heavier is loaded.
Source: https://help.inveterate.com/dev/api-reference-docs/public-api-2.0-reference/admin/webhooks/topics
"""

from __future__ import annotations

from typing import Final

TOPICS: Final[tuple[str, ...]] = (
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
"""The topics of API v2.0. One of them does not begin with `customer.`: never route by prefix."""

ALIASES: Final[dict[str, str]] = {
    # The documentation's topic list and its page for this topic disagree on the name.
    "customer.payment_method.changed": "customer.payment_methods.updated",
}
"""Other documented names of the same topics."""

LEGACY_TOPICS: Final[dict[str, str | None]] = {
    "merchant.updated": None,
    "merchant.reinstall": None,
    "customer.created": None,
    "customer.resubscribed": None,
    "customer.cancellation_requested": None,
    "customer.confirmed_cancellation": "customer.pending_cancellation",
    "customer.merchant_cancel": "customer.cancelled",
}
"""The topics that only API v1 announces, and the nearest of v2.0, if any: nearest, not equal.

The other eight v1 topics have the names of today's. The v1 payloads are not documented. Source: the
legacy webhooks page; what is nearest is inferred.
"""


def topic_named(name: object) -> str | None:
    """Return the topic that `name` means, by its own name or an alias; None for one that is unknown."""
    if not isinstance(name, str):
        return None
    name = ALIASES.get(name, name)
    return name if name in TOPICS else None
