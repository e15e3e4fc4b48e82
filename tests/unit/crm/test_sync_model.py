"""Random histories of crm_sync: crashes, hung calls, lost answers and several workers end in the state of the records."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from relay.crm.sync import CrmSync
from relay.ports.crm import ContactNotes, ContactRef, CrmOutcome
from relay.ports.members import MemberRecord
from relay.rules.crm_profile import CrmProfile

from tests.contract.crm.profiles import AT, SHOP, key_of, member
from tests.support.crm_fakes import FakeClock, FakeCrm, FakeSyncStates, KilledError, change_message
from tests.support.port_fakes import FakeContext, FakeMembers

MEMBERS = (1, 2, 3)


@dataclass
class UnreliableCrm(FakeCrm):
    """A CRM that identifies members by e-mail, and whose calls hang, break off, take effect late, or kill their caller.

    `by_address` are its contacts. A request may take effect up to a minute after its caller stopped waiting.
    """

    chance: random.Random = field(default_factory=random.Random)
    clock: FakeClock = field(default_factory=FakeClock)
    by_address: dict[str, CrmProfile] = field(default_factory=dict)
    late: list[tuple[datetime, CrmProfile]] = field(default_factory=list)
    meanwhile: list[object] = field(default_factory=list)
    calm: bool = False

    def upsert(
        self, profiles: Sequence[CrmProfile], notes: ContactNotes | None = None
    ) -> Mapping[str, CrmOutcome]:
        """Write, or fail in a random way."""
        fate = "well" if self.calm else self.chance.choice(["well"] * 6 + FATES)
        match fate:
            case "hung":
                self._hang()
            case "refused":
                return {p.key: CrmOutcome(state="retry", reason="down", member_only=True) for p in profiles}
            case "killed_before":
                raise KilledError
            case "lost_late" | "killed_late":
                lands = self.clock.now + timedelta(seconds=self.chance.uniform(0, 59))
                self.late += [(lands, wanted) for wanted in profiles]
                if fate == "killed_late":
                    raise KilledError
                return {p.key: CrmOutcome(state="retry", reason="timeout", unanswered=True) for p in profiles}
        self._land(profiles)
        if fate == "killed_after":
            raise KilledError
        if fate == "lost":
            return {p.key: CrmOutcome(state="retry", reason="timeout", unanswered=True) for p in profiles}
        return {p.key: CrmOutcome(state="mirrored", id=f"c-{p.email}") for p in profiles}

    def clear(self, contacts: Sequence[ContactRef]) -> Mapping[str, CrmOutcome]:
        """Remove the member from a contact, if it is this member's."""
        for contact in contacts:
            held = self.by_address.get(contact.email or "")
            if held and held.key == contact.key:
                del self.by_address[contact.email or ""]
        return {contact.key: CrmOutcome(state="mirrored") for contact in contacts}

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and late requests take effect."""
        until = self.clock.now + timedelta(seconds=seconds)
        for lands, wanted in sorted(self.late, key=lambda pair: pair[0]):
            if lands <= until:
                self._land([wanted])
        self.late = [(lands, wanted) for lands, wanted in self.late if lands > until]
        self.clock.now = until

    def _land(self, profiles: Sequence[CrmProfile]) -> None:
        for wanted in profiles:
            assert wanted.email
            self.by_address[wanted.email] = wanted

    def _hang(self) -> None:
        """Hang for longer than any claim, while other invocations continue."""
        self.pass_time(self.chance.choice([5, 100, 200]))
        if self.meanwhile:
            work = self.meanwhile.pop()
            assert callable(work)
            work()


FATES = ["hung", "refused", "killed_before", "killed_after", "killed_late", "lost", "lost_late"]


@dataclass
class SyncWorld:
    """Members whose records change, and invocations at random times."""

    chance: random.Random
    by_email: bool

    def __post_init__(self) -> None:
        """Connect the parts."""
        self.clock = FakeClock()
        self.crm = UnreliableCrm(
            chance=self.chance,
            clock=self.clock,
            identified_by="email" if self.by_email else "key",
            batch_size=2,
        )
        self.members = FakeMembers(
            {
                key_of(customer): MemberRecord(
                    member=member(customer, AT, email=f"{customer}.0@example.com"), version=1
                )
                for customer in MEMBERS
            }
        )
        self.sync_states = FakeSyncStates()
        self.changes = 0

    def change(self) -> None:
        """Change one member: its tier, and sometimes its address."""
        self.changes += 1
        customer = self.chance.choice(MEMBERS)
        key = key_of(customer)
        email = self.members.records[key].member.text("email")
        if self.by_email and self.chance.random() < 0.4:
            email = f"{customer}.{self.chance.randrange(3)}@example.com"
        changed = member(
            customer, AT + timedelta(seconds=self.changes), email=email, tier_name=f"t{self.changes}"
        )
        self.members.records[key] = MemberRecord(member=changed, version=self.changes)

    def work(self) -> set[object]:
        """Handle a message about each of some members in one invocation; return the results."""
        customers = self.chance.sample(MEMBERS, self.chance.randint(1, len(MEMBERS)))
        messages = [
            change_message(f"m{number}", key_of(customer)) for number, customer in enumerate(customers)
        ]
        crm_sync = CrmSync(
            shop=SHOP,
            crm=self.crm,
            members=self.members,
            sync_states=self.sync_states,
            clock=self.clock,
            credential="SECRET",
            observe=lambda *_: None,
        )
        try:
            return set(crm_sync.work(messages, FakeContext()).values())
        except KilledError:
            return {KilledError}

    def play(self, steps: int) -> None:
        """Do this many random steps."""
        for _ in range(steps):
            step = self.chance.random()
            if step < 0.35:
                self.change()
            elif step < 0.5:
                self.crm.pass_time(self.chance.choice([1, 30, 70, 130]))
            else:
                self.crm.meanwhile = [self._other_invocation] if self.chance.random() < 0.7 else []
                self.work()

    def work_until_done(self) -> None:
        """Let the messages come again, as their queue would, until each succeeds."""
        self.crm.calm = True
        good = 0
        for _ in range(60):
            self.crm.pass_time(130)
            good = good + 1 if self.work() == {None} else 0
        assert good > 20

    def _other_invocation(self) -> None:
        if self.chance.random() < 0.5:
            self.change()
        self.work()


@pytest.mark.slow
@pytest.mark.parametrize("by_email", [False, True])
@pytest.mark.parametrize("seed", range(60))
def test_chance(seed: int, by_email: bool) -> None:  # noqa: FBT001 - pytest's parameters
    """Each member is in the CRM once, under its address, as its record says, whatever happened before."""
    world = SyncWorld(random.Random(seed), by_email)
    world.play(60)
    world.work_until_done()
    expected = {
        record.member.text("email"): (key, record.member.value("tier_name"))
        for key, record in world.members.records.items()
    }
    found = {
        email: (wanted.key, wanted.values["tier_name"]) for email, wanted in world.crm.by_address.items()
    }
    assert found == expected
    assert {mirror.claimed_until for mirror in world.sync_states.states.values()} == {None}
    calls = len(world.crm.calls)
    assert world.work() == {None}
    assert len(world.crm.calls) == calls, "a mirrored member is not sent again"
