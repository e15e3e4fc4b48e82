"""Which topic is handled in which folder, and by what name its queue is known.

Standard library only: the receiver reads this at every cold start.
"""

from __future__ import annotations

from typing import Final

FOLDERS: Final[dict[str, str]] = {
    "customer.joined.paid_tier": "joined_paid_tier",
    "customer.joined.free_tier": "joined_free_tier",
    "customer.joined.free_trial": "joined_free_trial",
    "customer.joined.lifetime_tier": "joined_lifetime_tier",
    "customer.changed_tier": "changed_tier",
    "customer.updated": "updated",
    "customer.ordered": "ordered",
    "customer.payment_succeeded": "payment_succeeded",
    "customer.payment_failed": "payment_failed",
    "customer_billing.attempt.failed": "billing_attempt_failed",
    "customer.payment_methods.updated": "payment_methods_updated",
    "customer.credits.updated": "credits_updated",
    "customer.credits.expired": "credits_expired",
    "customer.cancelled": "cancelled",
    "customer.pending_cancellation": "pending_cancellation",
}
"""The folder of each topic's function, below functions/; its queue goes by the same name."""

UNCLAIMED: Final = "unclaimed"
"""The queue of what cannot be placed yet."""

PROBE_TOPIC: Final = "relay.probe"
"""Our own topic: it goes to the queue that its payload names, is journaled there, and does nothing else."""


def queue_variable(name: str) -> str:
    """Return the environment variable that holds the URL of the queue called `name`."""
    return f"QUEUE_{name.upper()}"
