"""One page of an audit: as much as there is time for; a member that cannot be repaired at once is left to the queue."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from relay.crm.audit import CrmAudit
from relay.crm.claimed_write import ClaimedWrite
from relay.errors import TransientError
from relay.model.messages import AuditStep, MemberChanged, dump, load
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import SyncState
from relay.ports.members import MemberRecord

from tests.contract.crm.profiles import key_of, member, wanted
from tests.support.crm_fakes import (
    START,
    FakeClock,
    FakeCrm,
    FakeSyncStates,
    FakeSyncStateScan,
    change_message,
)
from tests.support.port_fakes import FakeContext, FakeMembers, FakeOutgoing

SECOND = timedelta(seconds=1)


@dataclass
class AuditSetup:
    """Five members that the CRM holds, two in a call, and audits of it."""

    crm: FakeCrm = field(default_factory=lambda: FakeCrm(batch_size=2))
    members: FakeMembers = field(default_factory=FakeMembers)
    sync_states: FakeSyncStates = field(default_factory=FakeSyncStates)
    queue: FakeOutgoing = field(default_factory=FakeOutgoing)

    def __post_init__(self) -> None:
        """Let the CRM hold the members."""
        self.scan = FakeSyncStateScan(self.sync_states)
        for customer in range(5):
            self.members.records[key_of(customer)] = MemberRecord(member=member(customer), version=1)
            self.crm.held[key_of(customer)] = wanted(customer)
            self.sync_states.states[key_of(customer)] = SyncState(
                digest=wanted(customer).digest, state="mirrored", id="1"
            )

    def edit_all(self) -> None:
        """Edit every contact in the CRM."""
        for key, held in self.crm.held.items():
            self.crm.held[key] = replace(held, values={**held.values, "tier_name": "Platinum"})

    def audits(self) -> CrmAudit:
        """Return the audits."""
        writer = ClaimedWrite(
            crm=self.crm,
            members=self.members,
            sync_states=self.sync_states,
            clock=FakeClock(),
            observe=lambda *_: None,
        )
        return CrmAudit(writer=writer, sync_state_scan=self.scan, queue=self.queue)

    def step(self, audit: AuditStep, context: FakeContext | None = None) -> AuditStep:
        """Do a step."""
        return self.audits().step(audit, context or FakeContext(60_000))

    def receive(self, audit: AuditStep) -> Exception | None:
        """Receive a step as a command of `crm_sync`."""
        received = replace(change_message("a", key_of(0)), body=dump(audit))
        return self.audits().run(received, FakeContext(60_000))

    def enqueued(self) -> list[MemberChanged]:
        """Return the changes that the queue was given."""
        return [load(MemberChanged, sent.body) for sent in self.queue.sent]


def test_a_page_takes_as_many_steps_as_it_needs() -> None:
    """The next step continues where this one ran out of time; nothing is counted twice."""
    setup = AuditSetup()
    setup.edit_all()
    context = FakeContext(60_000)

    def twenty_seconds() -> None:
        context.millis -= 20_000

    setup.crm.before = [twenty_seconds, twenty_seconds]
    first = setup.step(AuditStep(run=START), context)
    assert [len(call) for call in setup.crm.calls] == [2, 2]
    assert (first.step, first.finished, first.read, first.edited, first.repaired) == (1, False, 0, 4, 4)
    second = setup.step(first)
    assert [len(call) for call in setup.crm.calls] == [2, 2, 1]
    assert (second.step, second.finished, second.read, second.edited, second.repaired) == (2, True, 5, 5, 5)
    assert second.fields == {"tier_name": 5}
    assert setup.enqueued() == []


def test_names_are_filled_in_by_the_audit() -> None:
    """Of every member of the page that the CRM has, whether or not a field of ours was edited."""
    setup = AuditSetup()
    setup.step(AuditStep(run=START))
    assert sorted(setup.crm.named) == [key_of(number) for number in range(5)]


def test_a_page_in_the_middle() -> None:
    """Its next step is on the same page until all of it is done, and then on the following."""
    setup = AuditSetup()
    setup.edit_all()
    first = setup.step(AuditStep(run=START, cursor="second"), FakeContext(10_000))
    assert (first.cursor, first.finished) == ("second", False)
    after = setup.step(first)
    assert (after.cursor, after.finished) == ("third", False)


def test_little_time_repairs_a_calls_worth() -> None:
    """A step never ends where it began, however long the reading took."""
    setup = AuditSetup()
    setup.edit_all()
    assert setup.step(AuditStep(run=START), FakeContext(10_000)).repaired == 2


def test_a_failed_repair_is_left_to_the_queue() -> None:
    """After a failed repair the member's state is uncertain, and no other message would come for it."""
    setup = AuditSetup()
    setup.edit_all()
    setup.crm.outcomes[key_of(3)] = CrmOutcome(state="retry", reason="http_503")
    after = setup.step(AuditStep(run=START))
    assert (after.finished, after.edited, after.repaired, after.again) == (True, 5, 4, 1)
    assert setup.enqueued() == [MemberChanged(member=key_of(3), backfill=True)]
    setup.queue.refuse = {1}
    with pytest.raises(TransientError):
        setup.step(AuditStep(run=START))


def test_uncertain_members() -> None:
    """A member is sent again after a dead invocation, a failed call or a refusal to clear; not while a call is under way."""
    setup = AuditSetup()
    known = setup.sync_states.states
    known[key_of(0)] = replace(known[key_of(0)], claimed_until=START - SECOND)
    known[key_of(1)] = replace(known[key_of(1)], claimed_until=START + SECOND)
    known[key_of(2)] = SyncState(state="retry", reason="http_503")
    known[key_of(3)] = SyncState(state="refused", reason="not_cleared_http_400", email="a@example.com")
    known[key_of(4)] = SyncState(digest="of what was refused", state="refused", reason="owned_by_other")
    after = setup.step(AuditStep(run=START))
    assert (after.read, after.again) == (0, 3)
    assert [change.member for change in setup.enqueued()] == [key_of(0), key_of(2), key_of(3)]


def test_a_next_step_that_is_not_sent() -> None:
    """The step comes again, and no progress is stored: otherwise the run would end there."""
    setup = AuditSetup()
    setup.queue.refuse = {0}
    assert isinstance(setup.receive(AuditStep(run=START, cursor="second")), TransientError)
    assert setup.scan.progress == {}
    assert setup.receive(AuditStep(run=START, cursor="second")) is None
    (following,) = [load(AuditStep, sent.body) for sent in setup.queue.sent]
    assert (following.cursor, following.step, setup.scan.progress["step"]) == ("third", 1, 1)


def test_a_step_of_an_older_run() -> None:
    """Another run has begun since: the rest of the older run is over."""
    setup = AuditSetup()
    setup.edit_all()
    setup.scan.progress = {
        "run": (START + SECOND).isoformat(),
        "step": 1,
        "at": START.isoformat(),
        "finished": True,
    }
    assert setup.receive(AuditStep(run=START, step=3, cursor="second")) is None
    assert setup.crm.calls == []
