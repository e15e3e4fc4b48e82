"""Fakes around grants, and a grants table whose calls do not overlap, as DynamoDB's do not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from inveterate import Claim, CustomerId, GrantStatus, Intent, Intents, MemoryIntents
from inveterate import Member as ApiMember
from relay.adapters.aws.boto import boto_aws
from relay.adapters.aws.client import AwsCaller
from relay.adapters.dynamodb.grants import DynamoGrantStore, DynamoIntents
from relay.errors import ConflictError, OverBudgetError
from relay.model.messages import GrantRequest
from relay.ports.grants import GrantRecord, MonthlyBudget
from relay.ports.inveterate import MemberReading

from tests.support.port_fakes import NOW, SHOP

KEY = f"{SHOP}:1"
LEAVING = {"customerId": "1", "status": "PENDING_CANCELLATION", "tierId": "t1", "credit": 7}
ASKED = NOW - timedelta(minutes=10)
MONTH = "2025-07"
WIDE = MonthlyBudget(month=MONTH, ceiling=Decimal(10**9))


class CrashError(BaseException):
    """The process dies here."""


def grant(
    key: str = f"{KEY}:2025-08-01", amount: Decimal | int = 10, event_id: str = "a" * 32
) -> GrantRequest:
    """Return what a rule asked for, ten minutes ago."""
    return GrantRequest(
        id=f"{event_id}.retention.credits",
        event_id=event_id,
        topic="customer.pending_cancellation",
        member=KEY,
        at=ASKED,
        rule="retention.credits",
        key=key,
        amount=Decimal(amount),
    )


@dataclass
class FakeGrantStore:
    """A grants table in memory, by the same rules."""

    made: dict[str, GrantRecord] = field(default_factory=dict)
    months: dict[str, Decimal] = field(default_factory=dict)
    failure: Exception | None = None
    asked: list[MonthlyBudget | None] = field(default_factory=list)

    def load(self, key: str) -> GrantRecord | None:
        if self.failure:
            raise self.failure
        return self.made.get(key)

    def claimed(self, month: str) -> Decimal:
        return self.months.get(month, Decimal(0))

    def intents(self, budget: MonthlyBudget | None, by: str) -> Intents:
        self.asked.append(budget)
        return _CountedIntents(self, budget, by)


class _CountedIntents(MemoryIntents):
    """The claim writes the record, or raises."""

    def __init__(self, store: FakeGrantStore, budget: MonthlyBudget | None, by: str) -> None:
        super().__init__()
        self.grants, self.budget, self.by = store, budget, by

    def claim(self, intent: Intent) -> Claim:
        if intent.key in self.grants.made:
            return super().claim(intent)
        if self.budget is None:
            raise ConflictError("not written down")
        reserved = self.grants.claimed(self.budget.month) + intent.amount
        if reserved > self.budget.ceiling:
            raise OverBudgetError("full")
        self.grants.months[self.budget.month] = reserved
        self.grants.made[intent.key] = GrantRecord(
            customer_id=intent.customer_id, amount=intent.amount, by=self.by, at=NOW
        )
        return super().claim(intent)


@dataclass
class FakeGrantApi:
    """An API in memory; `answer` None knows no member, and `status` is the status of each grant."""

    answer: dict[str, Any] | None = field(default_factory=lambda: dict(LEAVING))
    date: datetime | None = NOW
    status: GrantStatus = GrantStatus.GRANTED
    failure: Exception | None = None
    meanwhile: Callable[[], None] | None = None
    given: list[dict[str, Any]] = field(default_factory=list)
    reads: int = 0

    def read(self, customer_id: str) -> MemberReading | None:
        self.reads += 1
        if self.meanwhile:
            self.meanwhile()
        if self.answer is None:
            return None
        return MemberReading(member=ApiMember.of(self.answer), date=self.date, seconds=1)

    def grant(
        self, customer_id: str, amount: Decimal, *, key: str, note: str, intents: Intents, again: bool
    ) -> GrantStatus:
        intents.claim(Intent(key, CustomerId(customer_id), amount))
        if self.failure:
            raise self.failure
        self.given.append({"to": customer_id, "amount": amount, "key": key, "note": note, "again": again})
        return self.status


@dataclass
class OneAtATime:
    """AWS whose calls do not overlap: moto would let them, DynamoDB does not.

    `before` and `after` are called with the number of each writing call, to die there.
    """

    real: AwsCaller = field(default_factory=boto_aws)
    before: Callable[[int], object] = lambda _number: None
    after: Callable[[int], object] = lambda _number: None
    writes: int = 0
    lock: Any = field(default_factory=threading.RLock)
    ends_at: float | None = None

    def call(
        self, service: str, operation: str, body: Mapping[str, Any], *, repeatable: bool = True
    ) -> dict[str, Any]:
        with self.lock:
            if not operation.startswith(("Put", "Update", "Delete", "TransactWrite")):
                return self.real.call(service, operation, body, repeatable=repeatable)
            self.writes += 1
            number = self.writes
            self.before(number)
            reply = self.real.call(service, operation, body, repeatable=repeatable)
            self.after(number)
            return reply


@dataclass
class Clock:
    """A clock that is put forward by hand."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        """Return it as seconds since 1970."""
        return self.now.timestamp()

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


def grant_store(
    table: str,
    clock: Callable[[], datetime] = lambda: NOW,
    *,
    before: Callable[[int], object] = lambda _number: None,
    after: Callable[[int], object] = lambda _number: None,
) -> DynamoGrantStore:
    """Return the grants of a table, whose calls do not overlap and may die."""
    return DynamoGrantStore(table, clock, OneAtATime(before=before, after=after))


def dynamo_intents(
    table: str,
    budget: MonthlyBudget | None = WIDE,
    clock: Callable[[], datetime] = lambda: NOW,
    *,
    before: Callable[[int], object] = lambda _number: None,
    after: Callable[[int], object] = lambda _number: None,
) -> DynamoIntents:
    """Return the intents of one invocation."""
    return grant_store(table, clock, before=before, after=after).intents(budget, "e.r")


def ask(key: str = "k", amount: Decimal | int | str = 5, customer: str = "42") -> Intent:
    """Return an intent."""
    return Intent(key, CustomerId(customer), Decimal(amount))
