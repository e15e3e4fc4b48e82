"""What the fan-out tells the rest: a member changed, people should be told, credits should be granted.

A change names *which* member; the profile is read when it is sent on, so that order and duplicates do
not matter. An alert carries its event, its incident and the time in event time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from relay.errors import PermanentError
from relay.model.effects import Alert, GrantCredits, Kpi, Note, Recheck, effect_id
from relay.model.timeline_events import with_amounts

AnyEffect: TypeAlias = Annotated[Alert | Note | Kpi | GrantCredits | Recheck, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEffects:
    """One event's part of a write: what it was, when, and the effects that its rule asked for."""

    event_id: str
    topic: str
    at: datetime
    effects: tuple[AnyEffect, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """What one write of a member's record has to tell; `changed` is false when only the memory of ids grew.

    `heard_at` is the time of the newest webhook behind it; None behind a reading of the API.
    """

    member: str
    changed: bool
    events: tuple[EventEffects, ...] = ()
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChanged:
    """A member changed (`member` is the key `shop:customer`), with the notes of the events behind it.

    `backfill` marks a change that shall start nothing in a CRM, as far as the CRM allows.
    """

    member: str
    events: tuple[EventEffects, ...] = ()
    backfill: bool = False


def notes_in(changes: Iterable[MemberChanged]) -> Iterator[tuple[str, MemberChanged, EventEffects, Note]]:
    """Yield the notes of these changes in their order: the effect's id, whose and of which event it is, the note.

    Amounts are amounts again, though the changes came as JSON.
    """
    for change in changes:
        for event_effects in change.events:
            for effect in event_effects.effects:
                if isinstance(effect, Note):
                    note = replace(effect, properties=with_amounts(effect.name, effect.properties))
                    yield effect_id(event_effects.event_id, effect), change, event_effects, note


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMessage:
    """One alert on its way to people: which event raised it, about which member, when it happened.

    `member` is empty where it concerns the programme. `people` are the members, by key, that a message
    about many names, with what is said of each.
    """

    id: str
    event_id: str
    topic: str
    member: str
    at: AwareDatetime
    alert: Alert
    people: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecheckRequest:
    """A member whose record may be wrong (`member` is the key), and why, in the words of `rechecking.py`."""

    member: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditStep:
    """One step of an audit of a CRM: the run, by the time for which it was asked, and how far it has come.

    `again` counts the members that were named to the queue: of whom nobody was sure, or who could not be
    repaired on the spot.
    """

    run: AwareDatetime
    step: int = 0
    cursor: str | None = None
    finished: bool = False
    read: int = 0
    edited: int = 0
    missing: int = 0
    repaired: int = 0
    again: int = 0
    fields: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockTick:
    """The clock's tick, for the notifier: what was held back until `at` is due now. It travels as `TICK_TOPIC`."""

    at: AwareDatetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyDigest:
    """A day of the programme in labels and values, told once by `id`. It travels as `DIGEST_TOPIC`.

    `day` is the day, by the shop's clock, that the figures are of; `at` the moment at which it is due.
    """

    id: str
    at: AwareDatetime
    day: date
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTest:
    """A person tries a channel out (`relay test-alert`). It travels as `CHANNEL_TEST_TOPIC`."""

    id: str
    at: AwareDatetime
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRequest:
    """Credits on their way to who grants them: which event's rule asked, for which member, and when that was.

    `key` names what they are for: whatever asks again under the same key gets nothing more.
    """

    id: str
    event_id: str
    topic: str
    member: str
    at: AwareDatetime
    rule: str
    key: str
    amount: Decimal


TICK_TOPIC: Final = "relay.tick"
DIGEST_TOPIC: Final = "relay.digest"
CHANNEL_TEST_TOPIC: Final = "relay.trial"

Message = TypeVar(
    "Message",
    Outbox,
    MemberChanged,
    AlertMessage,
    RecheckRequest,
    GrantRequest,
    AuditStep,
    ClockTick,
    DailyDigest,
    ChannelTest,
)


def dump(
    message: Outbox
    | MemberChanged
    | AlertMessage
    | RecheckRequest
    | GrantRequest
    | AuditStep
    | ClockTick
    | DailyDigest
    | ChannelTest,
) -> str:
    """Write a message as JSON."""
    text: bytes = _adapter(type(message)).dump_json(message)
    return text.decode()


def load(kind: type[Message], text: str) -> Message:
    """Read what `dump` wrote; what a newer version added is left aside.

    Raises:
        PermanentError: `unreadable_message`, when it is no message of this kind.

    """
    try:
        message: Message = _adapter(kind).validate_json(text)
    except ValidationError as error:
        fields = {".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)}
        raise PermanentError("unreadable_message", ", ".join(sorted(fields))) from None
    return message


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Return the reader and writer of a kind, built on first use: a function needs one or two of them."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
