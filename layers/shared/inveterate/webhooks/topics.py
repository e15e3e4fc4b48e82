"""The 15 webhook topics: their names, aliases and legacy names.

Standard library only: a receiver reads the topic before it loads anything heavier.
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
"""The topics that only API v1 has, and the nearest of v2.0, if any.

The other eight v1 topics have their v2.0 names. The v1 payloads are undocumented. Source: the legacy
webhooks page; which topic is nearest is inferred.
"""


def topic_named(name: object) -> str | None:
    """Return the topic of a name or an alias; None for an unknown name."""
    if not isinstance(name, str):
        return None
    name = ALIASES.get(name.strip(), name.strip())
    return name if name in TOPICS else None
