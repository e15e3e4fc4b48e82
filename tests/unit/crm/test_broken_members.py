"""One member whose record breaks costs the others of its batch, and an audit's page, nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from relay.crm.audit import CrmAudit
from relay.crm.claimed_write import ClaimedWrite
from relay.crm.sync import CrmSync
from relay.errors import PermanentError
from relay.model.header import MessageHeader
from relay.model.messages import RECHECK_TOPIC, AuditStep
from relay.ports.crm import CrmOutcome
from relay.ports.members import MemberRecord
from relay.rules.crm_profile import CrmProfile
from relay.rules.settings import Rules

from tests.contract.crm.profiles import AT, SHOP, key_of, member
from tests.support.crm_fakes import FakeClock, FakeCrm, FakeSyncStates, FakeSyncStateScan, change_message
from tests.support.port_fakes import FakeContext, FakeMembers, FakeOutgoing

BROKEN = key_of(2)


@dataclass
class BrokenMembers(FakeMembers):
    """A members table that cannot read one member's item."""

    broken: bool = True

    def load(self, keys: Iterable[str]) -> tuple[Mapping[str, MemberRecord], Rules]:
        """Return what is there, or fail with all of it."""
        wanted = list(keys)
        if self.broken and BROKEN in wanted:
            raise KeyError("f")
        return super().load(wanted)


@dataclass
class UnmappableCrm(FakeCrm):
    """A CRM whose fields cannot be made of one member's profile."""

    unmappable: set[str] = field(default_factory=set)

    def expected_fields(self, profile: CrmProfile) -> Mapping[str, str]:
        """Return them, or break."""
        if profile.key in self.unmappable:
            raise OverflowError("date value out of range")
        return super().expected_fields(profile)


def records() -> dict[str, MemberRecord]:
    return {
        key_of(number): MemberRecord(member=member(number, AT, email=f"m{number}@example.com"), version=1)
        for number in (1, 2, 3)
    }


def sync(crm: FakeCrm, members: FakeMembers, states: FakeSyncStates, clock: FakeClock) -> CrmSync:
    observed: list[tuple[str, CrmOutcome]] = []
    return CrmSync(
        shop=SHOP,
        crm=crm,
        members=members,
        sync_states=states,
        clock=clock,
        credential="TOKEN",
        observe=lambda key, outcome: observed.append((key, outcome)),
    )


@pytest.mark.parametrize("breaks", ["record", "mapping"])
def test_one_broken_member_does_not_break_the_batch(breaks: str) -> None:
    """Its own messages end with its error; the others are written, in one call."""
    crm = UnmappableCrm(unmappable={BROKEN} if breaks == "mapping" else set())
    members = BrokenMembers(records(), broken=breaks == "record")
    work = sync(crm, members, FakeSyncStates(), FakeClock()).work
    messages = [change_message(f"m{number}", key_of(number), "r.note") for number in (1, 2, 3)]
    results = work(messages, FakeContext())
    assert (results["m1"], results["m3"]) == (None, None)
    assert type(results["m2"]) is (KeyError if breaks == "record" else OverflowError)
    assert crm.calls == [[key_of(1), key_of(3)]]


def test_all_of_them_broken() -> None:
    """Then no call is made."""
    crm = UnmappableCrm(unmappable={key_of(1), BROKEN})
    work = sync(crm, FakeMembers(records()), FakeSyncStates(), FakeClock()).work
    results = work([change_message("m1", key_of(1)), change_message("m2", BROKEN)], FakeContext())
    assert {type(error) for error in results.values()} == {OverflowError}
    assert crm.calls == []


def test_a_recheck_in_a_crms_queue_is_not_read_as_a_change() -> None:
    """It names a member as well."""
    crm = FakeCrm()
    message = change_message("m1", key_of(1))
    wrong = type(message)(
        id="m1",
        body=message.body,
        receives=1,
        receipt="r",
        sent_at=message.sent_at,
        header=MessageHeader(topic=RECHECK_TOPIC),
    )
    (error,) = (
        sync(crm, FakeMembers(records()), FakeSyncStates(), FakeClock()).work([wrong], FakeContext()).values()
    )
    assert isinstance(error, PermanentError)
    assert (error.reason, crm.calls) == ("wrong_topic", [])


def test_an_audits_page_goes_on_without_a_broken_member() -> None:
    """What was edited in the CRM is repaired for all others of the page."""
    clock, states, crm = FakeClock(), FakeSyncStates(), UnmappableCrm()
    members = FakeMembers(records())
    run = sync(crm, members, states, clock)
    assert set(run.work([change_message(f"m{n}", key_of(n)) for n in (1, 2, 3)], FakeContext()).values()) == {
        None
    }
    crm.held.pop(key_of(3))
    crm.unmappable = {BROKEN}
    audit = CrmAudit(
        writer=_writer(run),
        sync_state_scan=FakeSyncStateScan(states),
        queue=FakeOutgoing(),
    )
    after = audit.step(AuditStep(run=datetime.fromisoformat("2026-03-02T03:00:00+00:00")), FakeContext())
    assert (after.read, after.missing, after.repaired, after.finished) == (2, 1, 1, True)
    assert key_of(3) in crm.held


def _writer(run: CrmSync) -> ClaimedWrite:
    return ClaimedWrite(
        crm=run.crm,
        members=run.members,
        sync_states=run.sync_states,
        clock=run.clock,
        observe=run.observe,
    )
