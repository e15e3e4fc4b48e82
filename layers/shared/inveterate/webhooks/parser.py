"""Parser of deliveries: the entry point for all topics."""

from __future__ import annotations

import importlib
from typing import ClassVar, Final

from inveterate.webhooks.base import Event, UnreadableEventError, checked_envelope, read_json
from inveterate.webhooks.topics import LEGACY_TOPICS, topic_named

_MODELS: Final = {
    "customer.joined.paid_tier": ("account", "JoinedPaidTier"),
    "customer.joined.free_tier": ("account", "JoinedFreeTier"),
    "customer.joined.free_trial": ("account", "JoinedFreeTrial"),
    "customer.joined.lifetime_tier": ("account", "JoinedLifetimeTier"),
    "customer.changed_tier": ("account", "ChangedTier"),
    "customer.updated": ("account", "Updated"),
    "customer.ordered": ("payments", "Ordered"),
    "customer.payment_succeeded": ("payments", "PaymentSucceeded"),
    "customer.payment_failed": ("payments", "PaymentFailed"),
    "customer_billing.attempt.failed": ("payments", "BillingAttemptFailed"),
    "customer.payment_methods.updated": ("payments", "PaymentMethodsUpdated"),
    "customer.credits.updated": ("credits", "CreditsUpdated"),
    "customer.credits.expired": ("credits", "CreditsExpired"),
    "customer.cancelled": ("cancellations", "Cancelled"),
    "customer.pending_cancellation": ("cancellations", "PendingCancellation"),
}


class UnknownEvent(Event):
    """An event of an unknown topic: all of it is in `raw`."""

    TOPIC: ClassVar[str] = ""


class LegacyEvent(Event):
    """An event of a topic that only API v1 has (`LEGACY_TOPICS`). Its payload is undocumented: see `raw`.

    Merchant events have no member: their `customer_id` raises `UnreadableEventError`.
    """

    TOPIC: ClassVar[str] = ""
    NAMES_A_MEMBER: ClassVar[bool] = False


def model_for(topic: str) -> type[Event]:
    """Return the class of `topic` (a name or an alias): `LegacyEvent` for one of v1's, `UnknownEvent` for any other."""
    known = topic_named(topic)
    if known is None:
        return LegacyEvent if topic in LEGACY_TOPICS else UnknownEvent
    module, name = _MODELS[known]
    model: type[Event] = getattr(importlib.import_module(f"inveterate.webhooks.{module}"), name)
    return model


def parse(body: bytes | str) -> Event:
    """Read one delivery.

    Raises:
        UnreadableEventError: when it is not a delivery: not JSON, no envelope, no topic, or a payload
            without a member.

    """
    envelope = checked_envelope(read_json(body))
    topic = envelope["metadata"].get("topic")
    if not isinstance(topic, str) or not topic:
        raise UnreadableEventError("no_topic", ["metadata.topic"])
    return model_for(topic).of(envelope)
