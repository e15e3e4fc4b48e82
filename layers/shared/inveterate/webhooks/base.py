"""Base of all webhook events: the envelope, the member, the time and the event id.

The documentation is thin, so reading is tolerant. Every field but the member's id may be missing or
null, unknown fields are kept, and a field that cannot be read is left out and named in `drift`. What is read
is clean: `cleaning.py` says what each kind of field may be.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Self

from pydantic import AliasChoices, Field, PrivateAttr
from pydantic.alias_generators import to_camel

from inveterate._ids import CustomerId
from inveterate._scalars import Text
from inveterate._wire_model import UnreadableRecordError, read_tolerantly
from inveterate._wire_model import WireModel as WireModel  # noqa: PLC0414 - the base of every part of an event
from inveterate.webhooks import identity, times
from inveterate.webhooks.body import UnreadableBodyError, read_body
from inveterate.webhooks.cleaning import EMAIL, Count, Email, Id, Label, Moment, Phone, Word

_PERSONAL: Final = frozenset(
    {
        "email",
        "phoneNumber",
        "phone_number",
        "phone",
        "firstName",
        "lastName",
        "first_name",
        "last_name",
        "anonymized",
    }
)
"""Names on the wire of what says who a member is."""

_IDENTITIES: Final = ("customer", "newData")
"""Objects of a payload that say who the member is; the payload itself does so as well."""


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

    id: Id = None
    topic: Text
    shop_domain: Label = None
    version: Word = None
    retry_count: Count = None
    token: Text | None = Field(default=None, repr=False)
    triggered_at: Moment = Field(
        default=None, validation_alias=AliasChoices("triggerredAt", "triggeredAt", "triggered_at")
    )


class Contact(WireModel):
    """The `customer` object of the payment topics: the member's e-mail address and phone number."""

    id: CustomerId | None = None
    email: Email = None
    phone_number: Phone = None


class Payload(WireModel):
    """Fields at the top of most payloads. Times are UTC; `merchant_id` is the first label of the shop's domain."""

    customer_id: CustomerId | None = None
    merchant_id: Id = None
    created_at: Moment = None
    updated_at: Moment = None
    expired_at: Moment = None

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
    conflict: tuple[str, ...] = ()


class Event(WireModel):
    """One webhook event.

    Each topic has a subclass with a typed `payload`; a topic newer than this package is an
    `UnknownEvent`. Source: the topic's page under
    https://help.inveterate.com/dev/api-reference-docs/public-api-2.0-reference/admin/webhooks/topics
    """

    TOPIC: ClassVar[str]
    NAMES_A_MEMBER: ClassVar[bool] = True
    ABOUT: ClassVar[tuple[str, ...]] = ()
    """Where the values stand that the topic is about (attributes of the payload)."""
    WORDS: ClassVar[Mapping[str, frozenset[str]]] = {}
    """Statuses, sources and types by their place: the documented words. Any other word is unknown."""

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
        """Dotted paths of the fields that could not be read, are no possible time or no documented word; never their values."""
        undated = () if self.is_dated else ("metadata.triggerredAt",)
        return tuple(dict.fromkeys((*self._delivery.drift, *self.unknown_words, *undated)))

    @property
    def customer_id(self) -> CustomerId:
        """The Shopify customer id of the event's member: digits as text."""
        return member_id_in(self._delivery.raw["payload"])

    @property
    def identity_conflict(self) -> bool:
        """Whether the event names two people. Then its e-mail, names, phone and erasure are left out."""
        return bool(self._delivery.conflict)

    @property
    def lacks_its_subject(self) -> bool:
        """Whether a value that the topic is about is missing, null or unreadable. The event says what its name says."""
        return any(self._at(place) in {None, ""} for place in self.ABOUT)

    @property
    def unknown_words(self) -> tuple[str, ...]:
        """Places of words that are not documented, or cannot be read; never the words."""
        places = {place: f"payload.{'.'.join(map(to_camel, place.split('.')))}" for place in self.WORDS}
        return tuple(
            path
            for place, path in places.items()
            if path in self._delivery.drift
            or ((word := self._at(place)) and str(word).upper() not in self.WORDS[place])
        )

    @property
    def doubts(self) -> tuple[str, ...]:
        """Reasons to look the member up: the event alone does not say what to believe."""
        reasons = {
            "identity_conflict": self.identity_conflict,
            "subject_missing": self.lacks_its_subject,
            "unknown_word": bool(self.unknown_words),
        }
        return tuple(reason for reason, holds in reasons.items() if holds)

    def _at(self, place: str) -> object:
        part: object = self.payload
        for step in place.split("."):
            part = getattr(part, step, None)
        return part

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
    def received_at(self) -> datetime | None:
        """When the delivery was received first; None where its reader does not say it."""
        return self._delivery.received_at

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
            conflict = tuple(_conflicts(envelope["payload"]))
            event, drift = read_tolerantly(cls, _without_identity(envelope) if conflict else envelope)
        except UnreadableRecordError as error:
            raise UnreadableEventError("unreadable", error.paths) from None
        drift = tuple(dict.fromkeys((*drift, *conflict)))
        event._delivery = DeliveryDetails(envelope, drift, event_id, received_at, conflict)  # noqa: SLF001 - our own
        return event


def member_id_in(payload: Mapping[str, Any]) -> CustomerId:
    """Return the member's customer id, from one of the four places where topics have it.

    Raises:
        UnreadableEventError: `no_member`.

    """
    ids = _ids(payload)
    if not ids:
        raise UnreadableEventError("no_member", ["payload.customerId"])
    return CustomerId(next(iter(ids.values())))


def _ids(payload: Mapping[str, Any]) -> dict[str, str]:
    """Return the readable customer ids of a payload by their places."""
    found = {
        place: identity.customer_digits(identity.at(payload, place)) for place in identity.CUSTOMER_PLACES
    }
    return {".".join(("payload", *place)): digits for place, digits in found.items() if digits}


def _conflicts(payload: Mapping[str, Any]) -> Iterator[str]:
    """Yield the places of ids and addresses that are not the first one's: one body that names two people."""
    ids = _ids(payload)
    old = identity.customer_digits(identity.at(payload, ("oldData", "customerId")))
    if old:
        ids["payload.oldData.customerId"] = old
    yield from _differing(ids)
    yield from _differing(dict(_addresses(payload)))


def _differing(found: Mapping[str, str]) -> Iterator[str]:
    first = next(iter(found.values()), None)
    return (place for place, value in found.items() if value != first)


def _addresses(payload: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for place in ((), *((name,) for name in _IDENTITIES)):
        try:
            address = EMAIL.clean(identity.at(payload, (*place, "email")))
        except ValueError:
            continue
        if address:
            yield ".".join(("payload", *place, "email")), address


def _without_identity(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Return a delivery that tells nothing of identity; only the containers on the way are copied."""
    payload = _impersonal(envelope["payload"])
    parts = {name: _impersonal(payload[name]) for name in _IDENTITIES if isinstance(payload.get(name), dict)}
    return {**envelope, "payload": {**payload, **parts}}


def _impersonal(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in _PERSONAL}


def read_json(body: bytes | str) -> object:
    """Return the delivery in a body, however its sender wrapped it (`body.py`).

    Raises:
        UnreadableEventError: `not_json`, `too_deep`, `too_large` or `too_many_values`.

    """
    try:
        return read_body(body)
    except UnreadableBodyError as error:
        raise UnreadableEventError(error.reason) from None


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
