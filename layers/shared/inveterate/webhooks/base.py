"""What every webhook has in common: an envelope, a member it speaks of, a moment, and an id.

Reading is tolerant, because the documentation is thin: every field but the member's id may be missing
or null, unknown fields are kept, and a field that cannot be read is left out and named in `drift`, so
that one odd value never costs the rest of the event.
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
from inveterate._tolerant import Part as Part  # noqa: PLC0414 - the topics' modules take it from here
from inveterate._tolerant import UnrepairableError, repaired
from inveterate.webhooks import identity


class UnreadableEventError(ValueError):
    """The delivery is no event of this topic: it is not JSON, not an object, or names no member.

    `reason` is a short code (`not_json`, `no_envelope`, `no_member`, …); `paths` are the fields at
    fault. Neither holds a value of the body.
    """

    def __init__(self, reason: str, paths: Iterable[str] = ()) -> None:
        self.reason = reason
        self.paths = tuple(paths)
        super().__init__(f"{reason}: {', '.join(self.paths)}" if self.paths else reason)


class Metadata(Part):
    """The envelope's `metadata`. `id` names the delivery, is absent in one topic, and is opaque text."""

    id: Text | None = None
    topic: Text
    shop_domain: Text | None = None
    version: Text | None = None
    retry_count: Count | None = None
    token: Text | None = Field(default=None, repr=False)
    triggered_at: Timestamp | None = Field(
        default=None, validation_alias=AliasChoices("triggerredAt", "triggeredAt", "triggered_at")
    )


class Contact(Part):
    """The `customer` object of the payment topics: how to reach the member."""

    id: CustomerId | None = None
    email: Text | None = None
    phone_number: Text | None = None


class Payload(Part):
    """What most payloads carry at the top. Times are UTC; `merchant_id` is the shop's first label."""

    customer_id: CustomerId | None = None
    merchant_id: Text | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    @property
    def moment(self) -> datetime | None:
        """When it happened, as far as the payload tells."""
        return self.created_at


@dataclass(frozen=True, slots=True)
class Reading:
    """How an event was read: the delivery itself, what had to be left out, and what its receiver knew."""

    raw: Mapping[str, Any]
    drift: tuple[str, ...] = ()
    event_id: str | None = None
    received_at: datetime | None = None


class Event(Part):
    """One webhook, read.

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
    _reading: Reading = PrivateAttr(default_factory=lambda: Reading({}))

    @property
    def id(self) -> str:
        """The event's id: 32 hex digits, the same for every delivery of it."""
        return self._reading.event_id or identity.event_id(
            self.TOPIC or self.metadata.topic,
            self.metadata.shop_domain or "",
            self._reading.raw,
        )

    @property
    def raw(self) -> Mapping[str, Any]:
        """The delivery as JSON made it (numbers with a fraction as `Decimal`)."""
        return self._reading.raw

    @property
    def drift(self) -> tuple[str, ...]:
        """Dotted paths of the fields that could not be read and were left out; never their values."""
        return self._reading.drift

    @property
    def customer_id(self) -> CustomerId:
        """The Shopify customer id of the member that the event speaks of: digits as text."""
        return member_named(self._reading.raw["payload"])

    @property
    def token(self) -> str | None:
        """The shared token in the body, as v1 sends it; None in every documented v2.0 event.

        v1 shows it once, when a subscriber is created, and says "in the body" and not where: it is looked
        for at the top and in `metadata`.
        """
        return self.body_token or self.metadata.token

    def bears(self, token: str) -> bool:
        """Tell, in constant time, whether the body bears this token. It says nothing of the rest of the body."""
        return hmac.compare_digest((self.token or "").encode("utf-8", "replace"), token.encode()) and bool(
            token
        )

    @property
    def occurred_at(self) -> datetime | None:
        """When it happened: the payload's own time, else when it was triggered, else when it was received."""
        return self.payload.moment or self.metadata.triggered_at or self._reading.received_at

    @classmethod
    def read(
        cls, body: bytes | str, *, event_id: str | None = None, received_at: datetime | None = None
    ) -> Self:
        """Read a delivery of this topic.

        `event_id` and `received_at` come from whoever accepted it: the id that was worked out then, and
        the time that stands in where the event tells none.

        Raises:
            UnreadableEventError: when it is not JSON, has no envelope, or names no member.

        """
        return cls.of(read_json(body), event_id=event_id, received_at=received_at)

    @classmethod
    def of(
        cls, delivery: object, *, event_id: str | None = None, received_at: datetime | None = None
    ) -> Self:
        """Read a delivery that is JSON already; errors as in `read`."""
        envelope = checked_envelope(delivery)
        if cls.NAMES_A_MEMBER:
            member_named(envelope["payload"])
        try:
            event, drift = repaired(cls, envelope)
        except UnrepairableError as error:
            raise UnreadableEventError("unreadable", error.paths) from None
        event._reading = Reading(envelope, drift, event_id, received_at)  # noqa: SLF001 - our own
        return event


def member_named(payload: Mapping[str, Any]) -> CustomerId:
    """Find the member's customer id in the four places where topics put it.

    Raises:
        UnreadableEventError: `no_member`.

    """
    for place in ((), ("customer",), ("newData",), ("detail", "cancelRequest")):
        part: Any = payload
        for step in place:
            part = part.get(step) if isinstance(part, dict) else None
        if not isinstance(part, dict):
            continue
        try:
            return CustomerId(part.get("id" if place == ("customer",) else "customerId"))
        except ValueError:
            continue
    raise UnreadableEventError("no_member", ["payload.customerId"])


def read_json(body: bytes | str) -> object:
    """Read JSON as the platform writes it: numbers with a fraction become `Decimal`.

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
    """Return the delivery if it has the shape of one: `payload` and `metadata`, objects both.

    Raises:
        UnreadableEventError: `no_envelope`.

    """
    if not isinstance(delivery, dict):
        raise UnreadableEventError("no_envelope")
    lacking = [part for part in ("payload", "metadata") if not isinstance(delivery.get(part), dict)]
    if lacking:
        raise UnreadableEventError("no_envelope", lacking)
    return delivery


def _no_constant(_: str) -> object:
    raise ValueError("NaN and Infinity are no JSON")
