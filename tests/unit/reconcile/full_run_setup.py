"""A full run with everything around it in memory, and a programme whose list can end in every way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from inveterate import Member as ApiMember
from relay.model.effects import Alert
from relay.model.facts import Facts
from relay.model.fields import Value
from relay.model.member import Member, member_key, merge
from relay.model.messages import AlertMessage, RunAction, RunCommand, load
from relay.model.milestones import Milestone, MilestoneKind
from relay.ports.full_run import FullRun
from relay.ports.inveterate import MemberPage, MemberReading, PlatformSubscription
from relay.ports.members import MemberRecord
from relay.ports.scans import Page
from relay.reconcile.full_run import FullRunner

from tests.support.port_fakes import (
    NOW,
    SHOP,
    FakeContext,
    FakeJournal,
    FakeMembers,
    FakeOutgoing,
    FakeTelemetry,
)

PER_PAGE = 10
DAY = timedelta(days=1)


def api_member(number: int, **more: Any) -> dict[str, Any]:
    """Return a member as the API shows it."""
    return {
        "customerId": str(number),
        "email": f"m{number}@example.com",
        "firstName": f"First{number}",
        "status": "ACTIVE",
        "tierId": "t1",
        "credit": 5,
        "joinedAt": "2024-05-01T00:00:00Z",
        **more,
    }


@dataclass
class FakeProgramme:
    """The platform's members. `failures` are raised by the calls of these numbers; `total` is what it claims to have."""

    members: dict[int, dict[str, Any]] = field(default_factory=dict)
    unlisted: set[int] = field(default_factory=set)
    end: str = "no_cursor"
    is_certain: bool = True
    total: int | None = None
    unreadable: int = 0
    circle: int = 0
    failures: dict[int, Exception] = field(default_factory=dict)
    now: datetime = NOW
    calls: int = 0
    listed: Sequence[PlatformSubscription] = ()

    def subscriptions(self) -> Sequence[PlatformSubscription]:
        return self.listed

    def read(self, customer_id: str) -> MemberReading | None:
        self._count()
        found = self.members.get(int(customer_id))
        return MemberReading(member=ApiMember.of(found), date=self.now, seconds=1) if found else None

    def pages(self, cursor: str | None) -> Iterator[MemberPage]:
        place = int(cursor or 0)
        while True:
            self._count()
            numbers = sorted(self.members.keys() - self.unlisted)
            chosen = numbers[place : place + PER_PAGE]
            place += PER_PAGE
            if self.circle and place >= self.circle * PER_PAGE:
                place = 0
            more = place < len(numbers)
            yield MemberPage(
                members=[ApiMember.of(self.members[number]) for number in chosen],
                cursor=str(place) if more else None,
                date=self.now,
                seconds=1,
                end="" if more else self.end,
                is_certain=self.is_certain and not more,
                unreadable=0 if more else self.unreadable,
                total=self.total,
            )
            if not more:
                return

    def _count(self) -> None:
        self.calls += 1
        if failure := self.failures.pop(self.calls, None):
            raise failure


@dataclass
class FakeRuns:
    """The stored run; `conflict_at` refuses the write of this number, as if another invocation had written."""

    run: FullRun | None = None
    writes: int = 0

    def load(self) -> FullRun | None:
        return self.run

    def save(self, run: FullRun) -> FullRun:
        from relay.errors import ConflictError

        if run.version != (self.run.version if self.run else 0):
            raise ConflictError("written in between")
        self.writes += 1
        self.run = replace(run, version=run.version + 1)
        return self.run


@dataclass
class TimedContext(FakeContext):
    """A context whose time ends after so many questions for it."""

    questions: int = 1_000_000

    def get_remaining_time_in_millis(self) -> int:
        self.questions -= 1
        return 60_000 if self.questions > 0 else 0


@dataclass
class FullRunSetup:
    """Everything around the run."""

    programme: FakeProgramme = field(default_factory=FakeProgramme)
    members: FakeMembers = field(default_factory=FakeMembers)
    runs: FakeRuns = field(default_factory=FakeRuns)
    journal: FakeJournal = field(default_factory=FakeJournal)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    steps: FakeOutgoing = field(default_factory=FakeOutgoing)
    alerts: FakeOutgoing = field(default_factory=FakeOutgoing)
    now: datetime = NOW
    pauses: list[float] = field(default_factory=list)
    rows_per_page: int = 7

    def page(self, cursor: str | None = None) -> Page[Member]:
        """Return a page of the table."""
        start = int(cursor or 0)
        keys = sorted(self.members.records)
        chosen = [self.members.records[key].member for key in keys[start : start + self.rows_per_page]]
        end = start + self.rows_per_page
        return Page(items=chosen, cursor=str(end) if end < len(keys) else None)

    @property
    def runner(self) -> FullRunner:
        """Return the runner."""
        return FullRunner(
            shop=SHOP,
            members=self.members,
            member_scan=self,
            api=self.programme,
            runs=self.runs,
            journal=self.journal,
            clock=lambda: self.now,
            telemetry=self.telemetry,
            steps=self.steps,
            alerts=self.alerts,
            pause=self.pauses.append,
        )

    def has(self, *numbers: int, **more: Any) -> None:
        """Let the platform have these members."""
        self.programme.members |= {number: api_member(number, **more) for number in numbers}

    def command(
        self, action: RunAction, run_id: str = "r1", *, questions: int = 1_000_000, dry_run: bool = False
    ) -> FullRun:
        """Do what a command says, and all steps that follow; return the stored run."""
        message = RunCommand(action=action, id=run_id, dry_run=dry_run)
        self.runner.obey(message, TimedContext(questions=questions))
        self.steps_taken(questions)
        assert self.runs.run is not None
        return self.runs.run

    def steps_taken(self, questions: int = 1_000_000) -> None:
        """Take the steps that were sent, and those that follow."""
        while self.steps.sent:
            following = load(RunCommand, self.steps.sent.pop().body)
            self.runner.obey(following, TimedContext(questions=questions))

    def next_day(self) -> None:
        """Let a day pass, for us and for the platform."""
        self.now += DAY
        self.programme.now += DAY

    def member(self, number: int) -> Member:
        """Return a record."""
        return self.members.records[member_key(SHOP, str(number))].member

    def tell(self, number: int, *, at: datetime | None = None, **values: Value) -> None:
        """Merge an event's facts into a member's record."""
        key = member_key(SHOP, str(number))
        record = self.members.load([key])[0][key]
        facts = Facts(event_id=f"{number:032x}", at=at or self.now, values=values)
        self.members.records[key] = MemberRecord(
            member=merge(record.member, facts), version=record.version + 1
        )

    def happened(self, number: int, kind: MilestoneKind, *, at: datetime, **values: Value) -> None:
        """Merge an event with a milestone into a member's record."""
        key = member_key(SHOP, str(number))
        record = self.members.load([key])[0][key]
        facts = Facts(event_id=f"{kind}{number}{at:%d}", at=at, values=values, milestone=Milestone(kind=kind))
        self.members.records[key] = MemberRecord(
            member=merge(record.member, facts), version=record.version + 1
        )

    @property
    def alerts_told(self) -> list[Alert]:
        """Return all alerts of members."""
        effects = (e for outbox in self.members.outboxes for event in outbox.events for e in event.effects)
        return [effect for effect in effects if isinstance(effect, Alert)]

    @property
    def told(self) -> list[str]:
        """Return the rules of all alerts of members."""
        effects = (e for outbox in self.members.outboxes for event in outbox.events for e in event.effects)
        return [effect.rule for effect in effects]

    @property
    def said(self) -> list[AlertMessage]:
        """Return the alerts about the programme."""
        return [load(AlertMessage, message.body) for message in self.alerts.sent]

    def whenever(self, change: Callable[[dict[str, Any]], None], *numbers: int) -> None:
        """Change members at the platform."""
        for number in numbers:
            change(self.programme.members[number])
