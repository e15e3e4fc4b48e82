"""The messages between Relay's functions: members that changed, alerts, rechecks, grants and the clock's requests.

A change names *which* member changed; the profile is read when it is sent on, so that order and duplicates
have no effect. An alert carries its event, its incident and its time, which is event time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from relay.errors import PermanentError
from relay.model.effects import Alert, GrantCredits, Kpi, Note, Recheck, effect_id
from relay.model.incident_action import IncidentAction
from relay.model.timeline_events import with_amounts

AnyEffect: TypeAlias = Annotated[Alert | Note | Kpi | GrantCredits | Recheck, Field(discriminator="kind")]

TICK_TOPIC: Final = "relay.tick"
DIGEST_TOPIC: Final = "relay.digest"
CHANNEL_TEST_TOPIC: Final = "relay.channel_test"
RECHECK_TOPIC: Final = "relay.recheck"
CHANGE_TOPIC: Final = "relay.change"
FULL_RUN_TOPIC: Final = "relay.full_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEffects:
    """One event of a write: its id, topic and time, and the effects that its rule decided."""

    event_id: str
    topic: str
    at: datetime
    effects: tuple[AnyEffect, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """What one write of a member's record has to send. `changed` is false where nothing changed that a CRM shows.

    `newest_webhook_at` is the time of the newest webhook behind the write; None behind a reading of the API.
    `backfill` marks a write whose change shall start nothing in a CRM.
    """

    member: str
    changed: bool
    events: tuple[EventEffects, ...] = ()
    newest_webhook_at: datetime | None = None
    backfill: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChanged:
    """A member changed (`member` is the key `shop:customer`), with the notes of the events behind it.

    `backfill` marks a change that shall start nothing in a CRM, as far as the CRM allows. `retry` asks for one more try
    of a member that a CRM did not take, though it has not changed; `due` is the same for one that still waits, and nothing
    for one that was refused meanwhile. Its topic is `CHANGE_TOPIC`.
    """

    member: str
    events: tuple[EventEffects, ...] = ()
    backfill: bool = False
    retry: bool = False
    due: bool = False


def notes_in(changes: Iterable[MemberChanged]) -> Iterator[tuple[str, MemberChanged, EventEffects, Note]]:
    """Yield the notes of these changes in their order: the effect's id, its change, its event, and the note.

    Amounts are `Decimal` again, though the changes came as JSON.
    """
    for change in changes:
        for event_effects in change.events:
            for effect in event_effects.effects:
                if isinstance(effect, Note):
                    note = replace(effect, properties=with_amounts(effect.name, effect.properties))
                    yield effect_id(event_effects.event_id, effect), change, event_effects, note


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMessage:
    """One alert for the notifier: the event that raised it, its member (by key), and when it happened.

    `member` is empty where the alert concerns the programme. `people` are members by key, each with a text,
    where one message lists many.
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
    """A member (by key) whose record may be wrong, and the reason: a constant of `consistency.py`."""

    member: str
    reason: str


RunAction: TypeAlias = Literal["import", "reconcile", "confirm", "resume", "next"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCommand:
    """What to do about the full run: begin one (`import`, `reconcile`), go on with a stopped one (`confirm`), or go on.

    `id` names the run that begins, or the one that is meant. `resume` takes whatever run is unfinished, `next` is the
    run's own next step. Its topic is `FULL_RUN_TOPIC`.
    """

    action: RunAction
    id: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditStep:
    """One step of an audit of a CRM: the run, by the time for which it was requested, and its counts so far.

    `again` counts the members that were queued once more: their state was uncertain, or they could not be
    repaired at once.
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
class WaitingRound:
    """A request to try the members again that a CRM did not take: those that are due at `at`, or `everyone`."""

    at: AwareDatetime
    everyone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockTick:
    """The clock's tick, for the notifier: what was deferred until `at` is due now. Its topic is `TICK_TOPIC`."""

    at: AwareDatetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyDigest:
    """A day of the programme in labels and values, sent once by `id`. Its topic is `DIGEST_TOPIC`.

    `day` is the day, by the shop's clock, that the figures are of; `at` is when the digest is due.
    """

    id: str
    at: AwareDatetime
    day: date
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTest:
    """A test of one channel (`relay test-alert`). Its topic is `CHANNEL_TEST_TOPIC`."""

    id: str
    at: AwareDatetime
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRequest:
    """Credits that a rule wants granted: the event that it decided on, the member, and when that was.

    `key` names what the credits are for: at most one grant is made per key.
    """

    id: str
    event_id: str
    topic: str
    member: str
    at: AwareDatetime
    rule: str
    key: str
    amount: Decimal


Message = TypeVar(
    "Message",
    Outbox,
    MemberChanged,
    AlertMessage,
    RecheckRequest,
    RunCommand,
    GrantRequest,
    AuditStep,
    WaitingRound,
    ClockTick,
    DailyDigest,
    ChannelTest,
    IncidentAction,
)


def dump(
    message: Outbox
    | MemberChanged
    | AlertMessage
    | RecheckRequest
    | RunCommand
    | GrantRequest
    | AuditStep
    | WaitingRound
    | ClockTick
    | DailyDigest
    | ChannelTest,
) -> str:
    """Return a message as JSON: ASCII, since SQS refuses some characters. An outbox is stored and not sent."""
    ascii_only = not isinstance(message, Outbox)
    text: bytes = json_adapter(type(message)).dump_json(message, ensure_ascii=ascii_only)
    return text.decode()


def load(kind: type[Message], text: str) -> Message:
    """Return the message that `dump` wrote; fields that a newer version added are ignored.

    Raises:
        PermanentError: `unreadable_message`, when it is no message of this kind.

    """
    try:
        message: Message = json_adapter(kind).validate_json(text)
    except ValidationError as error:
        fields = {".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)}
        raise PermanentError("unreadable_message", ", ".join(sorted(fields))) from None
    return message


_ADAPTERS: Final[dict[type[Any], TypeAdapter[Any]]] = {}


def json_adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Return the JSON reader and writer of a type, built on first use: a function needs one or two of them.

    It ignores fields that a newer version has added.
    """
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
