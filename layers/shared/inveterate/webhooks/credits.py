"""Store credits that were added, spent or expired (two topics)."""

from __future__ import annotations

from typing import ClassVar

from inveterate.webhooks.base import Event, Payload
from inveterate.webhooks.cleaning import Amount, Email, Flag, Id, Moment, Name, Note, Word


class CreditPayload(Payload):
    """A change of balance. The change is `new_balance - previous_balance`: the sign of `amount` is unreliable."""

    email: Email = None
    first_name: Name = None
    last_name: Name = None
    amount: Amount = None
    reason: Word = None
    new_balance: Amount = None
    previous_balance: Amount = None


class CreditsUpdatedPayload(CreditPayload):
    """`order_id` and `order_total` where an order earned it; `expiration_date` is cut to the hour."""

    note: Note = None
    is_upsell: Flag = None
    order_id: Id = None
    order_total: Amount = None
    applied_by: Name = None
    expiration_date: Moment = None


class CreditsUpdated(Event):
    """customer.credits.updated: credits were earned, granted or spent. The delivery has no id."""

    TOPIC: ClassVar[str] = "customer.credits.updated"
    ABOUT: ClassVar[tuple[str, ...]] = ("new_balance",)

    payload: CreditsUpdatedPayload


class CreditsExpiredPayload(CreditPayload):
    """`amount` is positive although the balance falls. Its time is `expired_at`: no sample has `created_at`."""


class CreditsExpired(Event):
    """customer.credits.expired: credits expired and left the balance."""

    TOPIC: ClassVar[str] = "customer.credits.expired"
    ABOUT: ClassVar[tuple[str, ...]] = ("new_balance",)

    payload: CreditsExpiredPayload
