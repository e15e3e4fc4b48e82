"""Tellings, incidents in memory, and channels that fail as told: what the notifier's tests are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from relay.alerts import context
from relay.alerts.notifier import KnownRules, Notifier
from relay.errors import ConflictError
from relay.model.effects import Action, Alert, Level
from relay.model.header import MessageHeader
from relay.model.hold_queue import HoldQueue
from relay.model.incident import Incident
from relay.model.member import Member, Register
from relay.model.messages import (
    CHANNEL_TEST_TOPIC,
    DIGEST_TOPIC,
    TICK_TOPIC,
    AlertMessage,
    ChannelTest,
    ClockTick,
    DailyDigest,
    dump,
)
from relay.ports.alerts import AlertChannel, Notification
from relay.ports.members import MemberRecord
from relay.queues.batch import Message

from tests.support.port_fakes import NOW, FakeMembers, FakeTelemetry

SHOP = "acme.myshopify.com"
KEY = f"{SHOP}:7001"
INCIDENT_KEY = f"dun:{KEY}"
DAY = datetime(2025, 7, 1, 9, 0, tzinfo=UTC)


def alert_message(
    event_id: str = "e1",
    *,
    minute: int = 0,
    action: Action = "open",
    level: Level = Level.WARNING,
    incident_key: str = INCIDENT_KEY,
    member: str = KEY,
    title: str = "Payment failed",
    details: tuple[tuple[str, str], ...] = (("Amount", "49.00 USD"),),
    advice: str = "Ask the member for another card.",
    lasting: bool = True,
) -> AlertMessage:
    """Return an alert on its way, so many minutes into the day."""
    alert = Alert(
        rule="payment_failed",
        incident_key=incident_key,
        level=level,
        title=title,
        action=action,
        details=details,
        advice=advice,
        lasting=lasting,
    )
    return AlertMessage(
        id=f"{event_id}.payment_failed",
        event_id=event_id,
        topic="customer.payment_failed",
        member=member,
        at=DAY + timedelta(minutes=minute),
        alert=alert,
    )


def message(
    told: AlertMessage | ClockTick | DailyDigest | ChannelTest | str, *, receives: int = 1, deferrals: int = 0
) -> Message:
    """Return the queue's message that carries an alert message, or what else the notifier hears of."""
    match told:
        case str():
            identity, body, topic = told, told, ""
        case AlertMessage():
            identity, body, topic = told.event_id, dump(told), told.topic
        case ClockTick():
            identity, body, topic = f"tick {told.at:%d %H:%M}", dump(told), TICK_TOPIC
        case DailyDigest():
            identity, body, topic = told.id, dump(told), DIGEST_TOPIC
        case ChannelTest():
            identity, body, topic = told.id, dump(told), CHANNEL_TEST_TOPIC
    return Message(
        id=identity,
        body=body,
        receives=receives,
        receipt="receipt",
        sent_at=NOW,
        header=MessageHeader(topic=topic, deferrals=deferrals),
    )


def member(key: str = KEY, **values: str) -> Member:
    """Return a member of whom this is known."""
    shop, _, customer_id = key.rpartition(":")
    registers = {name: Register(value, DAY, "e0") for name, value in values.items()}
    return Member(shop=shop, customer_id=customer_id, registers=registers)


MIA = member(email="mia.keller@example.com", first_name="Mia", last_name="Keller", tier_name="Gold")


class Crash(BaseException):
    """The process ends here: nothing of ours may catch it."""


@dataclass
class FakeIncidents:
    """An incidents table in memory. `before_save` holds what happens before each of the next saves."""

    items: dict[str, Incident] = field(default_factory=dict)
    waiting: HoldQueue = field(default_factory=HoldQueue)
    before_save: list[Any] = field(default_factory=list)

    def load(self, key: str) -> Incident:
        """Return what is there, or an untouched incident_key."""
        return self.items.get(key, Incident(key=key))

    def room(self) -> HoldQueue:
        """Return the waiting room."""
        return self.waiting

    def keep(self, room: HoldQueue) -> None:
        """Keep the room if nobody wrote since it was read."""
        self._happens()
        if self.waiting.version != room.version:
            raise ConflictError("written since")
        self.waiting = replace(room, version=room.version + 1)

    def save(self, incident_key: Incident) -> None:
        """Keep it if nobody wrote since it was read."""
        self._happens()
        if self.load(incident_key.key).version != incident_key.version:
            raise ConflictError("written since")
        self.items[incident_key.key] = replace(incident_key, version=incident_key.version + 1)

    def _happens(self) -> None:
        happens = self.before_save.pop(0) if self.before_save else None
        if isinstance(happens, BaseException):
            raise happens
        if happens:
            happens()


@dataclass
class FakeChannel:
    """A channel. `failures` are raised by the next calls, None lets one pass; `late` ones fail after arrival."""

    name: str = "email"
    failures: list[BaseException | None] = field(default_factory=list)
    late: bool = False
    threads: bool = False
    had: list[Notification] = field(default_factory=list)
    asked: int = 0

    def announce(self, announcement: Notification) -> str | None:
        """Take it, or fail as told; with `threads` it keeps what it took first under a number."""
        self.asked += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is None or self.late:
            self.had.append(announcement)
        if failure is not None:
            raise failure
        if not self.threads:
            return None
        return announcement.thread or f"{self.name}/{self.asked}"

    @property
    def heard(self) -> list[str]:
        """What it was told: kind, level, and whether it was marked as a repeat."""
        return [
            f"{had.kind} {had.alert_message.alert.level.name}{' again' if had.repeat else ''}"
            for had in self.had
        ]


@dataclass
class Clock:
    """A wall clock that stands until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def passes(self, seconds: float) -> None:
        """Move on."""
        self.now += timedelta(seconds=seconds)


@dataclass
class Desk:
    """A notifier and everything around it, in memory."""

    channels: Sequence[AlertChannel]
    incidents: FakeIncidents = field(default_factory=FakeIncidents)
    members: FakeMembers = field(
        default_factory=lambda: FakeMembers({KEY: MemberRecord(member=MIA, version=1)})
    )
    clock: Clock = field(default_factory=Clock)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    known: KnownRules = field(default_factory=KnownRules)

    def notifier(self) -> Notifier:
        """Return the notifier."""
        return Notifier(
            desk=context.NotifierContext(
                incidents=self.incidents,
                members=self.members,
                channels=self.channels,
                clock=self.clock,
                telemetry=self.telemetry,
                shop=SHOP,
                zone=ZoneInfo("Europe/Berlin"),
            ),
            known=self.known,
        )
