"""The work of `grants` with everything around it in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from relay.grants.granter import Granter
from relay.model.facts import Facts
from relay.model.fields import Value
from relay.model.member import merge
from relay.model.messages import GrantRequest, dump
from relay.ports.grants import GrantRecord
from relay.ports.members import MemberRecord
from relay.queues.batch import Message
from relay.rules.settings import Retention, Rules

from tests.support.grant_fakes import ASKED, KEY, FakeGrantApi, FakeGrantStore, grant
from tests.support.port_fakes import NOW, SHOP, FakeContext, FakeJournal, FakeMembers, FakeTelemetry

ON = Rules(retention=Retention(on=True))


@dataclass
class GrantSetup:
    """Everything around the work, in memory; one member asked to leave ten minutes ago."""

    members: FakeMembers = field(default_factory=lambda: FakeMembers(rules=ON))
    grants: FakeGrantStore = field(default_factory=FakeGrantStore)
    api: FakeGrantApi = field(default_factory=FakeGrantApi)
    journal: FakeJournal = field(default_factory=FakeJournal)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    now: datetime = NOW
    is_worth_it: Any = None

    def __post_init__(self) -> None:
        self.tell(ASKED, pending_cancel_at=NOW + timedelta(days=20))

    def tell(self, at: datetime, **values: Value) -> None:
        """Merge an event's facts about the member."""
        record = self.members.load([KEY])[0][KEY]
        known = merge(record.member, Facts(event_id="b" * 32, at=at, values=values))
        self.members.records[KEY] = MemberRecord(member=known, version=1)

    def work(
        self, asked: GrantRequest | None = None, *, body: str = "", waited: float = 600, ms: int = 120_000
    ) -> Exception | None:
        """Handle one message."""
        message = Message(
            id="m1",
            body=body or dump(asked or grant()),
            receives=1,
            receipt="r",
            sent_at=self.now - timedelta(seconds=waited),
        )
        granter = Granter(
            shop=SHOP,
            members=self.members,
            grants=self.grants,
            api=self.api,
            journal=self.journal,
            clock=lambda: self.now,
            telemetry=self.telemetry,
            is_worth_it=self.is_worth_it,
        )
        return granter.work([message], FakeContext(ms))["m1"]

    def record(
        self, *, granted: bool = False, amount: int = 10, by: str | None = None, at: datetime = NOW
    ) -> None:
        """Write a record beforehand."""
        self.grants.made[grant().key] = GrantRecord(
            customer_id="1", amount=Decimal(amount), by=by or grant().id, granted=granted, at=at
        )

    @property
    def said(self) -> list[tuple[str, object]]:
        """What was logged: outcomes with their reasons."""
        return [(outcome, about["reason"]) for outcome, about in self.telemetry.outcomes]

    @property
    def journaled(self) -> list[tuple[Any, Any]]:
        """What was journaled: outcomes with their reasons."""
        return [(line["outcome"], line.get("reason")) for line in self.journal.lines]
