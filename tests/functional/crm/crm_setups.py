"""`crm_sync` on fakes, for the tests of this folder: with a real table of sync states, and all in memory."""

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
from tests.support.crm_fakes import FakeCircuits, FakeClock, FakeCrm, FakeSyncStates, change_message
from tests.support.port_fakes import FakeContext, FakeMembers, FakeOutgoing

KEY = key_of(7001)


@dataclass
class CrmTableSetup:
    """A members table and a CRM in memory, a real table of sync states, and any number of invocations."""

    sync_states: DynamoSyncStates
    members: FakeMembers = field(default_factory=FakeMembers)
    crm: FakeCrm = field(default_factory=FakeCrm)
    clock: FakeClock = field(default_factory=FakeClock)
    observed: list[tuple[str, str]] = field(default_factory=list)
    millis: int = 60_000
    rechecks: FakeOutgoing | None = None

    def update_member(self, customer: int = 7001, **values: Value) -> None:
        """Change a member's record, a second after the change before."""
        _update_member(self.members, customer, **values)

    def crm_sync(self) -> CrmSync:
        """Return the work of one invocation."""
        return CrmSync(
            shop=SHOP,
            crm=self.crm,
            members=self.members,
            sync_states=self.sync_states,
            clock=self.clock,
            credential="/relay/secret",
            observe=lambda key, outcome: self.observed.append((key, outcome.state)),
            rechecks=RecheckQueue(self.rechecks, 600) if self.rechecks else None,
        )

    def work(self, *messages: str, customers: tuple[int, ...] = (7001,)) -> dict[str, Exception | None]:
        """Handle a change message by each of these ids for each customer, in one invocation."""
        batch = [
            change_message(message if len(customers) == 1 else f"{message}.{customer}", key_of(customer))
            for customer in customers
            for message in messages
        ]
        return dict(self.crm_sync().work(batch, FakeContext(self.millis)))

    def tier(self, customer: int = 7001) -> Value:
        """Return the member's tier in the CRM."""
        return self.crm.held[key_of(customer)].values["tier_name"]

    def is_in_sync(self) -> bool:
        """Return whether the CRM certainly holds the member as it is now: another message causes no call."""
        calls = len(self.crm.calls)
        return self.work("again") == {"again": None} and len(self.crm.calls) == calls


@dataclass
class CrmSetup:
    """A CRM that identifies members by e-mail, with a circuit breaker and `crm_sync`; all in memory."""

    crm: FakeCrm = field(default_factory=lambda: FakeCrm(identified_by="email"))
    members: FakeMembers = field(default_factory=FakeMembers)
    sync_states: FakeSyncStates = field(default_factory=FakeSyncStates)
    clock: FakeClock = field(default_factory=FakeClock)
    circuits: FakeCircuits = field(default_factory=FakeCircuits)
    rechecks: FakeOutgoing | None = None

    def update_member(self, **values: Value) -> None:
        """Change the member's record, a second after the change before."""
        _update_member(self.members, 7001, **values)

    def work(self, *messages: Message) -> list[Exception | None]:
        """Handle these messages, or one about the member, in one invocation."""
        crm_sync = CrmSync(
            shop=SHOP,
            crm=self.crm,
            members=self.members,
            sync_states=self.sync_states,
            clock=self.clock,
            credential="SECRET",
            observe=lambda *_: None,
            rechecks=RecheckQueue(self.rechecks, 600) if self.rechecks else None,
            breaker=CircuitBreaker(circuits=self.circuits, clock=self.clock),
        )
        return list(crm_sync.work(messages or [change_message("m", KEY)], FakeContext()).values())


def _update_member(members: FakeMembers, customer: int, **values: Value) -> None:
    key = key_of(customer)
    version = members.records[key].version + 1 if key in members.records else 1
    changed = member(customer, AT + timedelta(seconds=version), **values)
    members.records[key] = MemberRecord(member=changed, version=version)
