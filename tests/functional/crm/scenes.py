"""crm_sync's work set up on fakes, for the tests of this folder: on a real table of mirrors, and in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from relay.adapters.dynamodb.crm_state import DynamoSyncStates
from relay.crm.circuit_breaker import CircuitBreaker
from relay.crm.sync import CrmSync
from relay.model.fields import Value
from relay.ports.members import MemberRecord
from relay.queues.batch import Message
from relay.queues.requests import RecheckQueue

from tests.contract.crm.profiles import AT, SHOP, key_of, member
from tests.support.crm_fakes import FakeClock, FakeCrm, FakeGates, FakeMirrors, change_message
from tests.support.port_fakes import FakeContext, FakeMembers, FakeOutgoing

KEY = key_of(7001)


@dataclass
class Tabled:
    """A members table, a mirrors table and a CRM, and any number of workers on them."""

    mirrors: DynamoSyncStates
    members: FakeMembers = field(default_factory=FakeMembers)
    crm: FakeCrm = field(default_factory=FakeCrm)
    clock: FakeClock = field(default_factory=FakeClock)
    observed: list[tuple[str, str]] = field(default_factory=list)
    millis: int = 60_000
    asked: FakeOutgoing | None = None

    def tell(self, customer: int = 7001, **values: Value) -> None:
        """Change a member's record, a second after the change before."""
        key = key_of(customer)
        version = self.members.records[key].version + 1 if key in self.members.records else 1
        told = member(customer, AT + timedelta(seconds=version), **values)
        self.members.records[key] = MemberRecord(member=told, version=version)

    def mirroring(self) -> CrmSync:
        """Return a worker's work."""
        return CrmSync(
            shop=SHOP,
            crm=self.crm,
            members=self.members,
            mirrors=self.mirrors,
            clock=self.clock,
            credential="/relay/secret",
            observe=lambda key, outcome: self.observed.append((key, outcome.state)),
            rechecks=RecheckQueue(self.asked, 600) if self.asked else None,
        )

    def work(self, *messages: str, customers: tuple[int, ...] = (7001,)) -> dict[str, Exception | None]:
        """Let a worker handle a change message by each of these ids for each customer."""
        batch = [
            change_message(message if len(customers) == 1 else f"{message}.{customer}", key_of(customer))
            for customer in customers
            for message in messages
        ]
        return dict(self.mirroring().work(batch, FakeContext(self.millis)))

    def tier(self, customer: int = 7001) -> Value:
        """Return the member's tier in the CRM."""
        return self.crm.held[key_of(customer)].values["tier_name"]

    def settled(self) -> bool:
        """Say whether the table is sure that the CRM holds the member as it is now, and nobody is writing."""
        calls = len(self.crm.calls)
        return self.work("again") == {"again": None} and len(self.crm.calls) == calls


@dataclass
class Scene:
    """A CRM that knows people by e-mail, a breaker, and crm_sync before it; the mirrors are in memory."""

    crm: FakeCrm = field(default_factory=lambda: FakeCrm(homes_by="email"))
    members: FakeMembers = field(default_factory=FakeMembers)
    mirrors: FakeMirrors = field(default_factory=FakeMirrors)
    clock: FakeClock = field(default_factory=FakeClock)
    gates: FakeGates = field(default_factory=FakeGates)
    asked: FakeOutgoing | None = None

    def tell(self, **values: Value) -> None:
        """Change the member's record."""
        version = self.members.records[KEY].version + 1 if KEY in self.members.records else 1
        told = member(7001, AT + timedelta(seconds=version), **values)
        self.members.records[KEY] = MemberRecord(member=told, version=version)

    def work(self, *messages: Message) -> list[Exception | None]:
        """Let a worker handle these messages, or one about the member."""
        mirroring = CrmSync(
            shop=SHOP,
            crm=self.crm,
            members=self.members,
            mirrors=self.mirrors,
            clock=self.clock,
            credential="SECRET",
            observe=lambda *_: None,
            rechecks=RecheckQueue(self.asked, 600) if self.asked else None,
            breaker=CircuitBreaker(gates=self.gates, clock=self.clock),
        )
        return list(mirroring.work(messages or [change_message("m", KEY)], FakeContext()).values())
