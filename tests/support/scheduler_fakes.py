"""Fakes of what the scheduler reads and keeps: KPI events, tables that are scanned, the progress of the daily run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Any, Generic, TypeVar

from relay.errors import ConflictError
from relay.ingest.unclaimed import UnclaimedDrain
from relay.model.kpis import KpiEvent
from relay.model.member import Member
from relay.model.messages import DIGEST_TOPIC, AlertMessage, DailyDigest, MemberChanged, load
from relay.ports.scans import DailyRun, Page
from relay.scheduler.daily import DailyRunner
from relay.scheduler.tick import Scheduler

from tests.support.port_fakes import SHOP, FakeJournal, FakeMembers, FakeOutgoing, FakeTelemetry

ItemT = TypeVar("ItemT")


@dataclass
class FakeKpiStore:
    """KPI events in memory, by their id; `refuse` holds the ids that are not stored."""

    kept: dict[str, KpiEvent] = field(default_factory=dict)
    hours: dict[datetime, int] = field(default_factory=dict)
    refuse: set[str] = field(default_factory=set)
    failure: Exception | None = None

    def put(self, events: Sequence[KpiEvent]) -> Sequence[Exception | None]:
        """Store all but the refused."""
        self.kept |= {event.id: event for event in events if event.id not in self.refuse}
        return [ConnectionError("refused") if event.id in self.refuse else None for event in events]

    def between(self, begin: datetime, end: datetime) -> Iterator[KpiEvent]:
        """Yield those of the time, the oldest first."""
        if self.failure:
            raise self.failure
        yield from sorted(
            (event for event in self.kept.values() if begin <= event.at < end),
            key=lambda event: (event.at, event.id),
        )

    def add_webhooks(self, hours: Mapping[datetime, int]) -> None:
        """Add to the hours."""
        if self.failure:
            raise self.failure
        for hour, number in hours.items():
            self.hours[hour] = self.hours.get(hour, 0) + number

    def webhooks(self, begin: datetime, end: datetime) -> Mapping[datetime, int]:
        """Return the hours of the time."""
        return {hour: number for hour, number in self.hours.items() if begin <= hour < end}


@dataclass
class FakeScan(Generic[ItemT]):
    """A table that is read in pages of this size; `unreadable` items are on its first page."""

    items: list[ItemT]
    size: int = 2
    unreadable: int = 0

    def page(self, cursor: str | None = None) -> Page[ItemT]:
        """Return the next items; the cursor is their number."""
        start = int(cursor or 0)
        end = start + self.size
        return Page(
            items=self.items[start:end],
            cursor=str(end) if end < len(self.items) else None,
            unreadable=0 if cursor else self.unreadable,
        )


@dataclass
class FakeDailyRunStore:
    """The progress of the daily run in memory. `before_save` is raised once, at the next save."""

    run: DailyRun | None = None
    before_save: list[Exception] = field(default_factory=list)

    def load(self) -> DailyRun | None:
        """Return it as it is."""
        return self.run

    def save(self, run: DailyRun) -> None:
        """Keep it, if its version is still the one that was read."""
        if self.before_save:
            raise self.before_save.pop(0)
        if (self.run.version if self.run else 0) != run.version:
            raise ConflictError("another tick wrote first")
        self.run = replace(run, version=run.version + 1)


@dataclass
class EmptyInbox:
    """A queue without a message; it counts how often it was asked."""

    asked: int = 0

    def receive(self) -> list[Any]:
        """Return no message."""
        self.asked += 1
        return []

    def delete(self, messages: object) -> None:
        """Nothing to acknowledge."""

    def release(self, receipts: object) -> None:
        """Nothing to show again."""


@dataclass
class SchedulerSetup:
    """Everything around the scheduler, in memory."""

    people: list[Member] = field(default_factory=list)
    zone: tzinfo = UTC
    mirrored: list[tuple[str, str]] = field(default_factory=list)
    kpis: FakeKpiStore = field(default_factory=FakeKpiStore)
    runs: FakeDailyRunStore = field(default_factory=FakeDailyRunStore)
    members: FakeMembers = field(default_factory=FakeMembers)
    changes: FakeOutgoing = field(default_factory=FakeOutgoing)
    alerts: FakeOutgoing = field(default_factory=FakeOutgoing)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    inbox: EmptyInbox = field(default_factory=EmptyInbox)
    crm_queues: list[FakeOutgoing] = field(default_factory=list)
    unreadable: int = 0
    imported_at: datetime | None = None

    def daily(self) -> DailyRunner:
        """Return what makes the daily run."""
        return DailyRunner(
            shop=SHOP,
            zone=self.zone,
            runs=self.runs,
            members=self.members,
            measures=self.members,
            member_scan=FakeScan(self.people, unreadable=self.unreadable),
            sync_status_scan=FakeScan(self.mirrored),
            kpis=self.kpis,
            changes=self.changes,
            alerts=self.alerts,
            telemetry=self.telemetry,
            imported_at=lambda: self.imported_at,
        )

    def scheduler(self) -> Scheduler:
        """Return the scheduler."""
        return Scheduler(
            alerts=self.alerts,
            members=self.members,
            kpis=self.kpis,
            daily=self.daily(),
            drain=UnclaimedDrain(
                shop=SHOP,
                unclaimed=self.inbox,
                topics={},
                dead_letters=FakeOutgoing(),
                journal=FakeJournal(),
            ),
            telemetry=self.telemetry,
            crm_queues=self.crm_queues,
        )

    def changes_sent(self) -> list[MemberChanged]:
        """Return the changes that were sent."""
        return [load(MemberChanged, message.body) for message in self.changes.sent]

    def digests(self) -> list[DailyDigest]:
        """Return the digests that were sent."""
        return [
            load(DailyDigest, sent.body) for sent in self.alerts.sent if sent.header.topic == DIGEST_TOPIC
        ]

    def alert_messages(self) -> list[AlertMessage]:
        """Return the alerts that were sent."""
        return [load(AlertMessage, sent.body) for sent in self.alerts.sent if sent.header.event_id]

    def note_ids(self) -> list[str]:
        """Return the ids under which notes were sent, in their order."""
        return [event_effects.event_id for change in self.changes_sent() for event_effects in change.events]


def kpi(name: str, at: datetime, number: int = 1, **more: object) -> Iterable[KpiEvent]:
    """Return so many KPI events of one moment."""
    return [
        KpiEvent(id=f"{name}-{at:%Y%m%d%H%M%S}-{each}", at=at, member=f"{SHOP}:{each}", name=name, **more)  # type: ignore[arg-type]  # an amount and a currency
        for each in range(number)
    ]
