"""Readable stand-ins for what the clock reads and keeps: figures, the members' roll, the round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Generic, TypeVar

from relay.errors import ConflictError
from relay.model.kpis import KpiEvent
from relay.model.member import Member
from relay.model.messages import DIGEST_TOPIC, AlertMessage, DailyDigest, MemberChanged, load
from relay.ports.scans import Page, Round
from relay.scheduler.daily import DailyRound

from tests.support.port_fakes import SHOP, FakeMembers, FakeOutgoing, FakeTelemetry

Item = TypeVar("Item")


@dataclass
class FakeFigures:
    """Figures in memory, by their id; `refuse` holds the ids that are not kept."""

    kept: dict[str, KpiEvent] = field(default_factory=dict)
    hours: dict[datetime, int] = field(default_factory=dict)
    refuse: set[str] = field(default_factory=set)
    failure: Exception | None = None

    def keep(self, figures: Sequence[KpiEvent]) -> Sequence[Exception | None]:
        """Keep all but the refused."""
        self.kept |= {figure.id: figure for figure in figures if figure.id not in self.refuse}
        return [ConnectionError("refused") if figure.id in self.refuse else None for figure in figures]

    def between(self, begin: datetime, end: datetime) -> Iterator[KpiEvent]:
        """Yield those of the time, the oldest first."""
        if self.failure:
            raise self.failure
        yield from sorted(
            (figure for figure in self.kept.values() if begin <= figure.at < end),
            key=lambda figure: (figure.at, figure.id),
        )

    def hear(self, hours: Mapping[datetime, int]) -> None:
        """Add to the hours."""
        if self.failure:
            raise self.failure
        for hour, number in hours.items():
            self.hours[hour] = self.hours.get(hour, 0) + number

    def heard(self, begin: datetime, end: datetime) -> Mapping[datetime, int]:
        """Return the hours of the time."""
        return {hour: number for hour, number in self.hours.items() if begin <= hour < end}


@dataclass
class FakePages(Generic[Item]):
    """A table that is read in pages of this size; `unreadable` items are on its first page."""

    items: list[Item]
    size: int = 2
    unreadable: int = 0

    def page(self, after: str | None = None) -> Page[Item]:
        """Return the next items; the key is their number."""
        start = int(after or 0)
        end = start + self.size
        return Page(
            items=self.items[start:end],
            after=str(end) if end < len(self.items) else None,
            unreadable=0 if after else self.unreadable,
        )


@dataclass
class FakeRounds:
    """The round in memory. `before_save` runs once, before the next save."""

    round_: Round | None = None
    before_save: list[Exception] = field(default_factory=list)

    def load(self) -> Round | None:
        """Return it as it is."""
        return self.round_

    def save(self, round_: Round) -> None:
        """Keep it, if its version is still the one that was read."""
        if self.before_save:
            raise self.before_save.pop(0)
        if (self.round_.version if self.round_ else 0) != round_.version:
            raise ConflictError("gone on since")
        self.round_ = replace(round_, version=round_.version + 1)


@dataclass
class Office:
    """Everything around a daily round, in memory."""

    people: list[Member] = field(default_factory=list)
    zone: tzinfo = UTC
    mirrored: list[tuple[str, str]] = field(default_factory=list)
    figures: FakeFigures = field(default_factory=FakeFigures)
    rounds: FakeRounds = field(default_factory=FakeRounds)
    members: FakeMembers = field(default_factory=FakeMembers)
    changes: FakeOutgoing = field(default_factory=FakeOutgoing)
    alerts: FakeOutgoing = field(default_factory=FakeOutgoing)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    unreadable: int = 0

    def daily(self) -> DailyRound:
        """Return the round that is made here."""
        return DailyRound(
            shop=SHOP,
            zone=self.zone,
            rounds=self.rounds,
            members=self.members,
            roll=FakePages(self.people, unreadable=self.unreadable),
            mirrors=FakePages(self.mirrored),
            figures=self.figures,
            changes=self.changes,
            alerts=self.alerts,
            telemetry=self.telemetry,
        )

    def noted(self) -> list[MemberChanged]:
        """Return the changes that were told."""
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
        """Return the ids under which notes were told, in their order."""
        return [event_effects.event_id for change in self.noted() for event_effects in change.events]


def figure(name: str, at: datetime, number: int = 1, **more: object) -> Iterable[KpiEvent]:
    """Return so many figures of one moment."""
    return [
        KpiEvent(id=f"{name}-{at:%Y%m%d%H%M%S}-{each}", at=at, member=f"{SHOP}:{each}", name=name, **more)  # type: ignore[arg-type]  # an amount and a currency
        for each in range(number)
    ]
