"""Webhooks: turn the bytes of a delivery into a typed event.

    >>> event = parse(body)
    >>> match event:
    ...     case PaymentFailed():
    ...         print(event.customer_id, event.detail.amount)

A topic that is newer than this package is an `UnknownEvent`, not an error. Names load on first use:
a function that reads one topic loads one topic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from inveterate.webhooks.account import (
        ChangedTier,
        JoinedFreeTier,
        JoinedFreeTrial,
        JoinedLifetimeTier,
        JoinedPaidTier,
        MemberSnapshot,
        Updated,
    )
    from inveterate.webhooks.base import Event, UnreadableEventError
    from inveterate.webhooks.cancellations import Cancelled, PendingCancellation
    from inveterate.webhooks.credits import CreditsExpired, CreditsUpdated
    from inveterate.webhooks.parser import LegacyEvent, UnknownEvent, model_for, parse
    from inveterate.webhooks.payments import (
        BillingAttemptFailed,
        Ordered,
        PaymentFailed,
        PaymentMethodsUpdated,
        PaymentSucceeded,
    )
    from inveterate.webhooks.topics import ALIASES, LEGACY_TOPICS, TOPICS, topic_named

_MODULE_OF: Final = {
    **dict.fromkeys(
        (
            "ChangedTier",
            "JoinedFreeTier",
            "JoinedFreeTrial",
            "JoinedLifetimeTier",
            "JoinedPaidTier",
            "MemberSnapshot",
            "Updated",
        ),
        "account",
    ),
    **dict.fromkeys(("Event", "UnreadableEventError"), "base"),
    **dict.fromkeys(("Cancelled", "PendingCancellation"), "cancellations"),
    **dict.fromkeys(("CreditsExpired", "CreditsUpdated"), "credits"),
    **dict.fromkeys(("LegacyEvent", "UnknownEvent", "model_for", "parse"), "parser"),
    **dict.fromkeys(
        ("BillingAttemptFailed", "Ordered", "PaymentFailed", "PaymentMethodsUpdated", "PaymentSucceeded"),
        "payments",
    ),
    **dict.fromkeys(("ALIASES", "LEGACY_TOPICS", "TOPICS", "topic_named"), "topics"),
}

__all__ = [
    "ALIASES",
    "LEGACY_TOPICS",
    "TOPICS",
    "BillingAttemptFailed",
    "Cancelled",
    "ChangedTier",
    "CreditsExpired",
    "CreditsUpdated",
    "Event",
    "JoinedFreeTier",
    "JoinedFreeTrial",
    "JoinedLifetimeTier",
    "JoinedPaidTier",
    "LegacyEvent",
    "MemberSnapshot",
    "Ordered",
    "PaymentFailed",
    "PaymentMethodsUpdated",
    "PaymentSucceeded",
    "PendingCancellation",
    "UnknownEvent",
    "UnreadableEventError",
    "Updated",
    "model_for",
    "parse",
    "topic_named",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
