"""The work of `reconcile` with everything around it in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from inveterate import Member as ApiMember
from relay.model.balance_chain import Balances
from relay.model.facts import Facts
from relay.model.fields import Value
from relay.model.member import Member, merge
from relay.model.messages import RecheckRequest, dump
from relay.ports.inveterate import MemberReading, ReadState
from relay.ports.members import MemberRecord
from relay.queues.batch import Message
from relay.queues.requests import RecheckQueue
from relay.reconcile.reconciler import Reconciler

from tests.support.port_fakes import (
    NOW,
    SHOP,
    FakeContext,
    FakeJournal,
    FakeMembers,
    FakeOutgoing,
    FakeTelemetry,
)

KEY = f"{SHOP}:1"
HOUR = timedelta(hours=1)
ANNA = {"customerId": "1", "email": "Anna@Example.com", "status": "ACTIVE", "tierId": "t1", "credit": 7}


@dataclass
class FakeApi:
    """An API in memory; `failure` is raised, `answer` None knows no member."""

    answer: dict[str, Any] | None = field(default_factory=lambda: dict(ANNA))
    date: datetime | None = NOW
    failure: Exception | None = None
    meanwhile: Callable[[], None] | None = None
    calls: int = 0

    def read(self, customer_id: str) -> MemberReading | None:
        self.calls += 1
        if self.failure:
            raise self.failure
        if self.meanwhile:
            self.meanwhile()
        if self.answer is None:
            return None
        return MemberReading(member=ApiMember.of(self.answer), date=self.date, seconds=2)


@dataclass
class FakeReadThrottle:
    """Turns in memory, by the same rules."""

    states: dict[str, ReadState] = field(default_factory=dict)
    lost: bool = False

    def load(self, key: str) -> ReadState:
        return self.states.get(key, ReadState())

    def claim(self, key: str, *, now: datetime, until: datetime) -> bool:
        next_read_at = self.load(key).next_read_at
        if self.lost or (next_read_at and next_read_at > now):
            return False
        self.states[key] = ReadState(read_at=self.load(key).read_at, next_read_at=until)
        return True

    def mark_read(self, key: str, at: datetime) -> None:
        self.states[key] = replace(self.load(key), read_at=at)

    def release(self, key: str) -> None:
        self.states[key] = replace(self.load(key), next_read_at=None)


@dataclass
class ReconcileSetup:
    """Everything around the work, in memory."""

    members: FakeMembers = field(default_factory=FakeMembers)
    throttle: FakeReadThrottle = field(default_factory=FakeReadThrottle)
    api: FakeApi = field(default_factory=FakeApi)
    journal: FakeJournal = field(default_factory=FakeJournal)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    requests: FakeOutgoing = field(default_factory=FakeOutgoing)
    now: datetime = NOW

    def tell(self, minute: float, balances: Balances | None = None, **values: Value) -> None:
        """Merge an event's facts, so many minutes after the beginning."""
        record = self.members.load([KEY])[0][KEY]
        facts = Facts(
            event_id=f"{int(minute * 60) % 10**9:032x}",
            at=NOW + timedelta(minutes=minute),
            values=values,
            balances=balances,
        )
        self.members.records[KEY] = MemberRecord(
            member=merge(record.member, facts), version=record.version + 1
        )

    def work(self, reason: str, *, asked: datetime | None = None, member: str = KEY, ms: int = 60_000) -> Any:
        """Handle one message."""
        message = Message(
            id="m1",
            body=dump(RecheckRequest(member=member, reason=reason)),
            receives=1,
            receipt="r",
            sent_at=asked or self.now,
        )
        reconciling = Reconciler(
            shop=SHOP,
            members=self.members,
            throttle=self.throttle,
            api=self.api,
            journal=self.journal,
            clock=lambda: self.now,
            telemetry=self.telemetry,
            every=HOUR,
            requests=RecheckQueue(self.requests, 600),
        )
        return reconciling.work([message], FakeContext(ms))["m1"]

    @property
    def member(self) -> Member:
        """Return the record."""
        return self.members.records[KEY].member

    @property
    def outcomes(self) -> list[str]:
        """Return the outcomes."""
        return [outcome for outcome, _ in self.telemetry.outcomes]
