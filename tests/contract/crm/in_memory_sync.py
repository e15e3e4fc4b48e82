"""Writes members to an adapter as `crm_sync` does, under claims, with the sync states in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from relay.crm.claimed_write import ClaimedWrite, SyncResult
from relay.model.fields import Value
from relay.ports.crm import Crm, CrmOutcome
from relay.ports.crm_state import SyncState
from relay.ports.members import MemberRecord
from relay.rules.crm_profile import CrmProfile, crm_profile

from tests.contract.crm.profiles import AT, key_of, member
from tests.support.crm_fakes import FakeClock, FakeSyncStates
from tests.support.port_fakes import FakeMembers


@dataclass
class InMemorySync:
    """Members, their sync states and one CRM."""

    crm: Crm
    sync_states: FakeSyncStates = field(default_factory=FakeSyncStates)
    members: FakeMembers = field(default_factory=FakeMembers)
    clock: FakeClock = field(default_factory=FakeClock)

    def update(self, customer: int, **values: Value) -> None:
        """Change a member's record; members are active where nothing else is given."""
        key = key_of(customer)
        version = self.members.records[key].version + 1 if key in self.members.records else 1
        given: dict[str, Value] = {"joined_at": AT, **values}
        changed = member(customer, AT + timedelta(seconds=version), **given)
        self.members.records[key] = MemberRecord(member=changed, version=version)

    def write(self, customer: int, **values: Value) -> CrmOutcome:
        """Change a member and write it; return its outcome."""
        self.update(customer, **values)
        result = self.send(customer)[key_of(customer)]
        assert isinstance(result, CrmOutcome), result
        return result

    def profile(self, customer: int) -> CrmProfile:
        """Return what the CRM is to hold of a member."""
        return crm_profile(self.members.records[key_of(customer)].member, self.members.rules)

    def send(self, *customers: int, by_job: bool = False) -> dict[str, SyncResult]:
        """Write these members in one call, or in one bulk job, as they are."""
        writer = ClaimedWrite(
            crm=self.crm,
            members=self.members,
            sync_states=self.sync_states,
            clock=self.clock,
            observe=lambda key, outcome: None,
        )
        profiles = writer.profiles([key_of(customer) for customer in customers])
        return writer.write(profiles, left=timedelta(seconds=60), by_job=by_job)

    def sync_state(self, customer: int) -> SyncState:
        """Return what is stored of a member."""
        return self.sync_states.states.get(key_of(customer), SyncState())
