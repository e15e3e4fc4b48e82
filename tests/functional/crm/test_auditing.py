"""A page of an audit: as much as there is time for, and whoever cannot be repaired at once is left to the queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from relay.crm.audit import CrmAudit
from relay.crm.claimed_write import ClaimedWrite
from relay.errors import TransientError
from relay.model.messages import AuditStep, MemberChanged, dump, load
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import SyncState, SyncStatePage
from relay.ports.members import MemberRecord

from tests.contract.crm.profiles import key_of, member, wanted
from tests.support.crm_fakes import START, FakeClock, FakeCrm, FakeMirrors, change_message
from tests.support.port_fakes import FakeContext, FakeMembers, FakeOutgoing

SECOND = timedelta(seconds=1)


@dataclass
class OnePage:
    """All mirrors on one page, the second of three."""

    mirrors: FakeMirrors
    noted: dict[str, Any] = field(default_factory=dict)

    def page(self, cursor: str | None = None) -> SyncStatePage:
        """Return it; it was the last where nobody asks for the second."""
        return SyncStatePage(mirrors=dict(self.mirrors.mirrors), cursor="third" if cursor else None)

    def run(self, name: str) -> Mapping[str, Any]:
        """Return what was noted."""
        assert name == "audit"
        return self.noted

    def note(self, name: str, run: Mapping[str, Any]) -> None:
        """Take a note."""
        assert name == "audit"
        self.noted = dict(run)


@dataclass
class Scene:
    """Five members whom the CRM holds, by twos, and audits of it."""

    crm: FakeCrm = field(default_factory=lambda: FakeCrm(batch_size=2))
    members: FakeMembers = field(default_factory=FakeMembers)
    mirrors: FakeMirrors = field(default_factory=FakeMirrors)
    queue: FakeOutgoing = field(default_factory=FakeOutgoing)

    def __post_init__(self) -> None:
        """Mirror them."""
        self.page = OnePage(self.mirrors)
        for customer in range(5):
            self.members.records[key_of(customer)] = MemberRecord(member=member(customer), version=1)
            self.crm.held[key_of(customer)] = wanted(customer)
            self.mirrors.mirrors[key_of(customer)] = SyncState(
                digest=wanted(customer).digest, state="mirrored", id="1"
            )

    def edit_all(self) -> None:
        """Let somebody edit every contact."""
        for key, held in self.crm.held.items():
            self.crm.held[key] = replace(held, values={**held.values, "tier_name": "Platinum"})

    def audits(self) -> CrmAudit:
        """Return the audits."""
        writing = ClaimedWrite(
            crm=self.crm,
            members=self.members,
            mirrors=self.mirrors,
            clock=FakeClock(),
            observe=lambda *_: None,
        )
        return CrmAudit(writing=writing, inventory=self.page, queue=self.queue)

    def step(self, audit: AuditStep, context: FakeContext | None = None) -> AuditStep:
        """Do a step."""
        return self.audits().step(audit, context or FakeContext(60_000))

    def receive(self, audit: AuditStep) -> Exception | None:
        """Let a step be received, as an errand of `crm_sync`."""
        received = replace(change_message("a", key_of(0)), body=dump(audit))
        return self.audits().run(received, FakeContext(60_000))

    def named(self) -> list[MemberChanged]:
        """Return what the queue was given."""
        return [load(MemberChanged, sent.body) for sent in self.queue.sent]


def test_a_page_takes_as_many_steps_as_it_needs() -> None:
    """What there is no time for is the next step's, which goes on where this one ended; nothing is counted twice."""
    scene = Scene()
    scene.edit_all()
    context = FakeContext(60_000)

    def twenty_seconds() -> None:
        context.millis -= 20_000

    scene.crm.before = [twenty_seconds, twenty_seconds]
    first = scene.step(AuditStep(run=START), context)
    assert [len(call) for call in scene.crm.calls] == [2, 2]
    assert (first.step, first.finished, first.read, first.edited, first.repaired) == (1, False, 0, 4, 4)
    second = scene.step(first)
    assert [len(call) for call in scene.crm.calls] == [2, 2, 1]
    assert (second.step, second.finished, second.read, second.edited, second.repaired) == (2, True, 5, 5, 5)
    assert second.fields == {"tier_name": 5}
    assert scene.named() == []


def test_a_page_in_the_middle() -> None:
    """Its next step is on the same page until all of it is done, and then on the following."""
    scene = Scene()
    scene.edit_all()
    first = scene.step(AuditStep(run=START, cursor="second"), FakeContext(10_000))
    assert (first.cursor, first.finished) == ("second", False)
    after = scene.step(first)
    assert (after.cursor, after.finished) == ("third", False)


def test_little_time_repairs_a_calls_worth() -> None:
    """A step never ends where it began, however long the reading took."""
    scene = Scene()
    scene.edit_all()
    assert scene.step(AuditStep(run=START), FakeContext(10_000)).repaired == 2


def test_who_cannot_be_repaired_now_is_left_to_the_queue() -> None:
    """After a repair that failed nobody is sure of the member, and no message of its own would come for it."""
    scene = Scene()
    scene.edit_all()
    scene.crm.outcomes[key_of(3)] = CrmOutcome(state="retry", reason="http_503")
    after = scene.step(AuditStep(run=START))
    assert (after.finished, after.edited, after.repaired, after.again) == (True, 5, 4, 1)
    assert scene.named() == [MemberChanged(member=key_of(3), backfill=True)]
    scene.queue.refuse = {1}
    with pytest.raises(TransientError):
        scene.step(AuditStep(run=START))


def test_of_whom_nobody_is_sure() -> None:
    """Whose worker died, whose call failed and who could not be cleared is sent again; who is being written is not."""
    scene = Scene()
    known = scene.mirrors.mirrors
    known[key_of(0)] = replace(known[key_of(0)], busy_until=START - SECOND)
    known[key_of(1)] = replace(known[key_of(1)], busy_until=START + SECOND)
    known[key_of(2)] = SyncState(state="retry", reason="http_503")
    known[key_of(3)] = SyncState(state="refused", reason="not_cleared_http_400", email="a@example.com")
    known[key_of(4)] = SyncState(digest="of what was refused", state="refused", reason="owned_by_other")
    after = scene.step(AuditStep(run=START))
    assert (after.read, after.again) == (0, 3)
    assert [change.member for change in scene.named()] == [key_of(0), key_of(2), key_of(3)]


def test_a_next_step_that_is_not_sent() -> None:
    """The step comes again, and nothing is noted of it: else the run would end there."""
    scene = Scene()
    scene.queue.refuse = {0}
    assert isinstance(scene.receive(AuditStep(run=START, cursor="second")), TransientError)
    assert scene.page.noted == {}
    assert scene.receive(AuditStep(run=START, cursor="second")) is None
    (following,) = [load(AuditStep, sent.body) for sent in scene.queue.sent]
    assert (following.cursor, following.step, scene.page.noted["step"]) == ("third", 1, 1)


def test_a_step_of_a_run_that_was_overtaken() -> None:
    """Another run has begun since: what is left of the former is over."""
    scene = Scene()
    scene.edit_all()
    scene.page.noted = {
        "run": (START + SECOND).isoformat(),
        "step": 1,
        "at": START.isoformat(),
        "finished": True,
    }
    assert scene.receive(AuditStep(run=START, step=3, cursor="second")) is None
    assert scene.crm.calls == []
