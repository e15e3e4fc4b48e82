"""A notifier with its incidents, members, clock and channels in memory; writes and channels fail on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from relay.alerts.delivery import NotifierContext
from relay.alerts.notifier import Notifier, RulesCache
from relay.errors import ConflictError
from relay.model.hold_queue import HoldQueue
from relay.model.incident import Incident
from relay.model.incident_action import IncidentAction
from relay.model.messages import AlertMessage, ChannelTest, ClockTick, DailyDigest
from relay.ports.alerts import AlertChannel, Notification
from relay.ports.members import MemberRecord
from relay.queues.batch import Results
from relay.rules.settings import Rules

from tests.support.incident_builders import KEY, MIA, SHOP, queue_message
from tests.support.port_fakes import NOW, FakeContext, FakeMembers, FakeTelemetry
from tests.support.scheduler_fakes import FakeKpiStore


class Crash(BaseException):
    """The process ends here: no code of Relay may catch it."""


@dataclass
class InMemoryIncidentStore:
    """An incidents table in memory. `before_save` holds what happens before each of the next saves."""

    items: dict[str, Incident] = field(default_factory=dict)
    hold_queue: HoldQueue = field(default_factory=HoldQueue)
    before_save: list[Any] = field(default_factory=list)

    def load(self, key: str) -> Incident:
        """Return the incident, or an empty one."""
        return self.items.get(key, Incident(key=key))

    def save(self, incident: Incident) -> None:
        """Keep the incident if its version is the one that was read."""
        self._before_save()
        if self.load(incident.key).version != incident.version:
            raise ConflictError("written since")
        self.items[incident.key] = replace(incident, version=incident.version + 1)

    def load_hold_queue(self) -> HoldQueue:
        """Return the hold queue."""
        return self.hold_queue

    def save_hold_queue(self, queue: HoldQueue) -> None:
        """Keep the hold queue if its version is the one that was read."""
        self._before_save()
        if self.hold_queue.version != queue.version:
            raise ConflictError("written since")
        self.hold_queue = replace(queue, version=queue.version + 1)

    def _before_save(self) -> None:
        happens = self.before_save.pop(0) if self.before_save else None
        if isinstance(happens, BaseException):
            raise happens
        if happens:
            happens()


@dataclass
class FakeChannel:
    """A channel. `failures` are raised by the next calls, None lets one pass; with `fails_late` the message arrives first."""

    name: str = "email"
    failures: list[BaseException | None] = field(default_factory=list)
    fails_late: bool = False
    notifications: list[Notification] = field(default_factory=list)
    calls: int = 0

    def send(self, notification: Notification) -> None:
        """Keep the notification, or fail."""
        self.calls += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is None or self.fails_late:
            self.notifications.append(notification)
        if failure is not None:
            raise failure

    @property
    def sent(self) -> list[str]:
        """The notifications as `kind LEVEL`, with `again` where it may be a repeat."""
        return [
            f"{one.kind} {one.alert_message.alert.level.name}{' again' if one.may_be_repeat else ''}"
            for one in self.notifications
        ]

    @property
    def titles(self) -> list[str]:
        """The notifications as `kind title`."""
        return [f"{one.kind} {one.alert_message.alert.title}" for one in self.notifications]


@dataclass
class FakeResponder:
    """Keeps the answers to people who click: (URL, text)."""

    answers: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, response_url: str, text: str) -> bool:
        """Keep the answer."""
        self.answers.append((response_url, text))
        return True


@dataclass
class FakeClock:
    """A wall clock that stands until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.now += timedelta(seconds=seconds)


@dataclass
class InMemoryNotifier:
    """A notifier and everything around it, in memory."""

    channels: Sequence[AlertChannel]
    shop: str = SHOP
    incidents: InMemoryIncidentStore = field(default_factory=InMemoryIncidentStore)
    members: FakeMembers = field(
        default_factory=lambda: FakeMembers({KEY: MemberRecord(member=MIA, version=1)})
    )
    clock: FakeClock = field(default_factory=FakeClock)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    cache: RulesCache = field(default_factory=RulesCache)
    responder: FakeResponder = field(default_factory=FakeResponder)
    kpis: FakeKpiStore = field(default_factory=FakeKpiStore)

    def notifier(self) -> Notifier:
        """Return the notifier."""
        return Notifier(
            context=NotifierContext(
                incidents=self.incidents,
                members=self.members,
                channels=self.channels,
                clock=self.clock,
                telemetry=self.telemetry,
                shop=self.shop,
                zone=ZoneInfo("Europe/Berlin"),
                responder=self.responder,
                kpis=self.kpis,
            ),
            cache=self.cache,
        )

    def receive(
        self,
        *requests: AlertMessage | ClockTick | DailyDigest | ChannelTest | IncidentAction | str,
        deferrals: int = 0,
        receives: int = 1,
        context: FakeContext | None = None,
    ) -> Results:
        """Let the notifier work on a batch; return its results."""
        messages = [queue_message(one, deferrals=deferrals, receives=receives) for one in requests]
        return self.notifier().work(messages, context or FakeContext())


def notifier_with(*channels: AlertChannel, rules: Rules | None = None) -> InMemoryNotifier:
    """Return a notifier with these channels that knows Mia, with these rules."""
    members = FakeMembers({KEY: MemberRecord(member=MIA, version=1)}, rules=rules or Rules())
    return InMemoryNotifier(channels=channels, members=members)


def error_of(error: Exception | None) -> tuple[str, str]:
    """Return an error's class and text."""
    return type(error).__name__, str(error)
