"""Base of all webhook events: the envelope, the member, the time and the event id.

The documentation is thin, so reading is tolerant. Every field but the member's id may be missing or
null, unknown fields are kept, and a field that cannot be read is left out and named in `drift`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Self

from pydantic import AliasChoices, Field, PrivateAttr

from inveterate._ids import CustomerId
from inveterate._scalars import Count, Text, Timestamp
from inveterate._wire_model import UnreadableRecordError, read_tolerantly
from inveterate._wire_model import WireModel as WireModel  # noqa: PLC0414 - the base of every part of an event
from inveterate.webhooks import identity, times


class UnreadableEventError(ValueError):
    """The delivery is not an event of this topic: not JSON, not an object, or without a member.

    `reason` is a short code (`not_json`, `no_envelope`, `no_member`, …); `paths` are the fields at
    fault. Neither holds a value of the body.
    """

    def __init__(self, reason: str, paths: Iterable[str] = ()) -> None:
        self.reason = reason
        self.paths = tuple(paths)
        super().__init__(f"{reason}: {', '.join(self.paths)}" if self.paths else reason)


class Metadata(WireModel):
    """The envelope's `metadata`. `id` names the delivery, is missing in one topic, and is opaque text."""

    id: Text | None = None
    topic: Text
    shop_domain: Text | None = None
    version: Text | None = None
    retry_count: Count | None = None
    token: Text | None = Field(default=None, repr=False)
    triggered_at: Timestamp | None = Field(
        default=None, validation_alias=AliasChoices("triggerredAt", "triggeredAt", "triggered_at")
    )


class Contact(WireModel):
    """The `customer` object of the payment topics: the member's e-mail address and phone number."""

    id: CustomerId | None = None
    email: Text | None = None
    phone_number: Text | None = None


class Payload(WireModel):
    """Fields at the top of most payloads. Times are UTC; `merchant_id` is the first label of the shop's domain."""

    customer_id: CustomerId | None = None
    merchant_id: Text | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    expired_at: Timestamp | None = None

    @property
    def own_times(self) -> tuple[datetime | None, ...]:
        """When it happened, by the payload: the first of these that is possible."""
        return self.created_at, self.expired_at


@dataclass(frozen=True, slots=True)
class DeliveryDetails:
    """The delivery of an event: its JSON, the unreadable fields, and the receiver's event id and time."""

    raw: Mapping[str, Any]
    drift: tuple[str, ...] = ()
    event_id: str | None = None
    received_at: datetime | None = None


class Event(WireModel):
    """One webhook event.

    Each topic has a subclass with a typed `payload`; a topic newer than this package is an
    `UnknownEvent`. Source: the topic's page under
    https://help.inveterate.com/dev/api-reference-docs/public-api-2.0-reference/admin/webhooks/topics
    """

    TOPIC: ClassVar[str]
    NAMES_A_MEMBER: ClassVar[bool] = True

    metadata: Metadata
    payload: Payload
    body_token: Text | None = Field(
        default=None, repr=False, validation_alias=AliasChoices("token", "body_token")
    )
    _delivery: DeliveryDetails = PrivateAttr(default_factory=lambda: DeliveryDetails({}))

    @property
    def id(self) -> str:
        """The event's id: 32 hex digits, the same for every delivery of it."""
        return self._delivery.event_id or identity.event_id(
            self.TOPIC or self.metadata.topic,
            self.metadata.shop_domain or "",
            self._delivery.raw,
        )

    @property
    def raw(self) -> Mapping[str, Any]:
        """The delivery as parsed JSON (numbers with a fraction as `Decimal`)."""
        return self._delivery.raw

    @property
    def drift(self) -> tuple[str, ...]:
        """Dotted paths of the fields that could not be read, or are no possible time; never their values."""
        return (*self._delivery.drift, *(() if self.is_dated else ("metadata.triggerredAt",)))

    @property
    def customer_id(self) -> CustomerId:
        """The Shopify customer id of the event's member: digits as text."""
        return member_id_in(self._delivery.raw["payload"])

    @property
    def token(self) -> str | None:
        """The shared token in the body, as v1 sends it; None in every documented v2.0 event.

        v1 documents "in the body" without a place: it is searched for at the top and in `metadata`.
        """
        return self.body_token or self.metadata.token

    def has_token(self, token: str) -> bool:
        """Return, in constant time, whether the body has this token. It does not authenticate the rest of the body."""
        return hmac.compare_digest((self.token or "").encode("utf-8", "replace"), token.encode()) and bool(
            token
        )

    @property
    def occurred_at(self) -> datetime | None:
        """When it happened: the payload's own time, else the time of the trigger, each if possible, else the receipt."""
        return self.own_time or self.triggered_at or self._delivery.received_at

    @property
    def own_time(self) -> datetime | None:
        """The payload's own time, if it was possible when the event was triggered."""
        return times.own_time(self.payload.own_times, self.triggered_at, self._delivery.received_at)

    @property
    def triggered_at(self) -> datetime | None:
        """When the platform triggered the delivery, if that is possible; a retry may renew it."""
        return times.possible(self.metadata.triggered_at, self._delivery.received_at)

    @property
    def is_dated(self) -> bool:
        """Whether the event brings a possible time; if not, only the receipt dates it."""
        return bool(self.own_time or self.triggered_at)

    @property
    def is_retry(self) -> bool:
        """Whether the platform says that it delivers the event again."""
        return bool(self.metadata.retry_count and self.metadata.retry_count > 0)

    @classmethod
    def read(
        cls, body: bytes | str, *, event_id: str | None = None, received_at: datetime | None = None
    ) -> Self:
        """Read a delivery of this topic.

        `event_id` and `received_at` come from the receiver: the id that it computed, and the time that
        replaces a missing one.

        Raises:
            UnreadableEventError: when it is not JSON, has no envelope, or has no member.

        """
        return cls.of(read_json(body), event_id=event_id, received_at=received_at)

    @classmethod
    def of(
        cls, delivery: object, *, event_id: str | None = None, received_at: datetime | None = None
    ) -> Self:
        """Read a delivery that is parsed JSON; errors as in `read`."""
        envelope = checked_envelope(delivery)
        if cls.NAMES_A_MEMBER:
            member_id_in(envelope["payload"])
        try:
            event, drift = read_tolerantly(cls, envelope)
        except UnreadableRecordError as error:
            raise UnreadableEventError("unreadable", error.paths) from None
        event._delivery = DeliveryDetails(envelope, drift, event_id, received_at)  # noqa: SLF001 - our own
        return event


def member_id_in(payload: Mapping[str, Any]) -> CustomerId:
    """Return the member's customer id, from one of the four places where topics have it.

    Raises:
        UnreadableEventError: `no_member`.

    """
    for path in ((), ("customer",), ("newData",), ("detail", "cancelRequest")):
        part: Any = payload
        for step in path:
            part = part.get(step) if isinstance(part, dict) else None
        if not isinstance(part, dict):
            continue
        try:
            return CustomerId(part.get("id" if path == ("customer",) else "customerId"))
        except ValueError:
            continue
    raise UnreadableEventError("no_member", ["payload.customerId"])


def read_json(body: bytes | str) -> object:
    """Parse JSON: numbers with a fraction become `Decimal`.

    Raises:
        UnreadableEventError: `not_json` or `too_deep`.

    """
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError:
        raise UnreadableEventError("too_deep") from None
    except (ValueError, InvalidOperation):  # the latter for an exponent beyond what a decimal can hold
        raise UnreadableEventError("not_json") from None


def checked_envelope(delivery: object) -> Mapping[str, Any]:
    """Return the delivery if it has the objects `payload` and `metadata`.

    Raises:
        UnreadableEventError: `no_envelope`.

    """
    if not isinstance(delivery, dict):
        raise UnreadableEventError("no_envelope")
    missing = [part for part in ("payload", "metadata") if not isinstance(delivery.get(part), dict)]
    if missing:
        raise UnreadableEventError("no_envelope", missing)
    return delivery


def _no_constant(_: str) -> object:
    raise ValueError("NaN and Infinity are not JSON")
