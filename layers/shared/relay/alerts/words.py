"""Names topics and rules as people say them, for messages that speak of many alerts at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from relay.model.effects import MEMBER

_TOPICS: Final[Mapping[str, str]] = {
    "customer.joined.paid_tier": "Joined a paid tier",
    "customer.joined.free_tier": "Joined a free tier",
    "customer.joined.free_trial": "Began a trial",
    "customer.joined.lifetime_tier": "Joined for life",
    "customer.changed_tier": "Changed tier",
    "customer.updated": "Member changed",
    "customer.ordered": "Ordered",
    "customer.payment_succeeded": "Fees paid",
    "customer_billing.attempt.failed": "Failed payment attempts",
    "customer.payment_failed": "Payments failed for good",
    "customer.payment_methods.updated": "New payment methods",
    "customer.credits.updated": "Store credit changed",
    "customer.credits.expired": "Store credit expired",
    "customer.pending_cancellation": "About to leave",
    "customer.cancelled": "Memberships ended",
    "relay.alarm": "Alarms",
    "relay.clock": "Reminders",
    "relay.reconcile": "Found when compared with Inveterate",
}

_RULES: Final[Mapping[str, str]] = {
    "dunning.attempt": "a payment failed",
    "dunning.last_chance": "a payment failed, time is running out",
    "dunning.more_attempts": "a payment failed once more",
    "dunning.failed": "failed for good",
    "dunning.lost": "lost after failed payments",
    "dunning.recovered": "recovered",
    "dunning.ended": "left while a fee was open",
    "cancel.pending": "about to leave",
    "cancel.soon": "leaves in a week",
    "cancel.voluntary": "left",
    "cancel.involuntary": "lost for failed payments",
    "credits.anomaly": "an unusual grant",
    "credits.negative": "store credit below zero",
    "credits.expired": "store credit expired",
    "tier.changed": "moved to a lower tier",
    "join.paid": "joined",
    "join.again": "back again",
}


def topic_words(topic: str) -> str:
    """Return what the events of a topic are called; one without a word as it is."""
    return _TOPICS.get(topic, topic)


def rule_words(rule: str, title: str) -> str:
    """Return in a few words what a rule says of a member; by the alert's title for a rule without them."""
    return _RULES.get(rule) or without_member(title)


def without_member(title: str) -> str:
    """Return a title as it stands where no name is: on a command line, or in a list that has the name already."""
    return title.replace(f", {MEMBER}", "").replace(MEMBER, "the member")
