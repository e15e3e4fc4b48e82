"""Store credits that were added, spent or expired (two topics)."""

from __future__ import annotations

from typing import ClassVar

from inveterate._scalars import Flag, Money, Text, Timestamp
from inveterate.webhooks.base import Event, Payload


class CreditPayload(Payload):
    """A change of balance. The change is `new_balance - previous_balance`: the sign of `amount` is unreliable."""

    email: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    amount: Money | None = None
    reason: Text | None = None
    new_balance: Money | None = None
    previous_balance: Money | None = None


class CreditsUpdatedPayload(CreditPayload):
    """`order_id` and `order_total` where an order earned it; `expiration_date` is cut to the hour."""

    note: Text | None = None
    is_upsell: Flag | None = None
    order_id: Text | None = None
    order_total: Money | None = None
    applied_by: Text | None = None
    expiration_date: Timestamp | None = None


class CreditsUpdated(Event):
    """customer.credits.updated: credits were earned, granted or spent. The delivery has no id."""

    TOPIC: ClassVar[str] = "customer.credits.updated"

    payload: CreditsUpdatedPayload


class CreditsExpiredPayload(CreditPayload):
    """`amount` is positive although the balance falls. Its time is `expired_at`: no sample has `created_at`."""


class CreditsExpired(Event):
    """customer.credits.expired: credits expired and left the balance."""

    TOPIC: ClassVar[str] = "customer.credits.expired"

    payload: CreditsExpiredPayload
