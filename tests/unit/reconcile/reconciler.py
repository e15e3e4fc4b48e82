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
from relay.ports.inveterate import MemberReading, ReadTurn
from relay.ports.members import MemberRecord
from relay.queues.batch import Message
from relay.reconcile.reconciler import Reconciler

from tests.support.port_fakes import NOW, SHOP, FakeContext, FakeJournal, FakeMembers, FakeTelemetry

KEY = f"{SHOP}:1"
HOUR = timedelta(hours=1)
ANNA = {"customerId": "1", "email": "Anna@Example.com", "status": "ACTIVE", "tierId": "t1", "credit": 7}


@dataclass
class FakeApi:
    """An API in memory; `failure` is raised, `answer` None knows nobody."""

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
class FakeTurns:
    """Turns in memory, by the same rules."""

    turns: dict[str, ReadTurn] = field(default_factory=dict)
    lost: bool = False

    def load(self, key: str) -> ReadTurn:
        return self.turns.get(key, ReadTurn())

    def claim(self, key: str, *, now: datetime, until: datetime) -> bool:
        free_at = self.load(key).free_at
        if self.lost or (free_at and free_at > now):
            return False
        self.turns[key] = ReadTurn(read_at=self.load(key).read_at, free_at=until)
        return True

    def settle(self, key: str, read_at: datetime | None) -> None:
        known = self.load(key)
        self.turns[key] = replace(known, read_at=read_at) if read_at else replace(known, free_at=None)


@dataclass
class Bench:
    """Everything around the work, in memory."""

    members: FakeMembers = field(default_factory=FakeMembers)
    turns: FakeTurns = field(default_factory=FakeTurns)
    api: FakeApi = field(default_factory=FakeApi)
    journal: FakeJournal = field(default_factory=FakeJournal)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    now: datetime = NOW

    def tell(self, minute: float, balances: Balances | None = None, **values: Value) -> None:
        """Let an event tell something, so many minutes from the beginning."""
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
            turns=self.turns,
            api=self.api,
            journal=self.journal,
            clock=lambda: self.now,
            telemetry=self.telemetry,
            every=HOUR,
        )
        return reconciling.work([message], FakeContext(ms))["m1"]

    @property
    def member(self) -> Member:
        """Return the record."""
        return self.members.records[KEY].member

    @property
    def told(self) -> list[str]:
        """Return the outcomes."""
        return [outcome for outcome, _ in self.telemetry.outcomes]
