"""The topics: the folder of the function that handles each, and the names of the queues.

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
"""The folder of each topic's function, below functions/; its queue has the same name."""

UNCLAIMED: Final = "unclaimed"
"""The queue of deliveries that have no topic's queue yet."""

PROBE_TOPIC: Final = "relay.probe"
"""Relay's own topic: it goes to the queue that its payload names, is journaled, and does nothing else."""

TEST_TOPIC: Final = "relay.test"
"""What the receiver calls a delivery that a header of its request called a test. Its body does not say so."""

PROBE_TOPICS: Final = frozenset({PROBE_TOPIC, TEST_TOPIC})
"""Topics that are journaled, do nothing else, and count in no figure."""


def queue_variable(name: str) -> str:
    """Return the environment variable that holds the URL of the queue called `name`."""
    return f"QUEUE_{name.upper()}"
