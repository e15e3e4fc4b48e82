"""What is particular about writing a member: a new address, an address that is gone, a job, and messages that wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from relay.batch import HELD, Message
from relay.breaker import Breaker
from relay.canonical import Profile
from relay.errors import HeldError, ParkedError, TransientError
from relay.fields import Value
from relay.mirroring import Mirroring
from relay.mirroring.notes import NOTES_WAIT
from relay.ports.crm import Home, Outcome
from relay.ports.members import Record
from relay.rechecking import Rechecks

from tests.contract.crm.profiles import AT, SHOP, key_of, member
from tests.fakes import FakeContext, FakeMembers, FakeOutgoing
from tests.fakes_crm import MIRRORED, FakeClock, FakeCrm, FakeGates, FakeMirrors, KilledError, change_message

KEY = key_of(7001)


@dataclass
class FakeBulk:
    """Jobs in memory. `outcome` is what is told of every member of a job."""

    size: int = 1000
    jobs: list[list[Profile]] = field(default_factory=list)
    outcome: Outcome = field(default_factory=lambda: Outcome(state="pending"))
    known: bool = True

    def submit(self, profiles: Sequence[Profile]) -> Outcome:
        """Take a job."""
        self.jobs.append(list(profiles))
        return Outcome(state="pending", id=f"job-{len(self.jobs)}")

    def collect(self, job: str, keys: Sequence[str]) -> Mapping[str, Outcome]:
        """Say what became of it."""
        return dict.fromkeys(keys, self.outcome) if self.known else {}


@dataclass
class Scene:
    """A CRM that knows people by e-mail, and crm_sync before it."""

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
        self.members.records[KEY] = Record(member=told, version=version)

    def work(self, *messages: Message) -> list[Exception | None]:
        """Let a worker handle these messages, or one about the member."""
        mirroring = Mirroring(
            shop=SHOP,
            crm=self.crm,
            members=self.members,
            mirrors=self.mirrors,
            clock=self.clock,
            credential="SECRET",
            observe=lambda *_: None,
            rechecks=Rechecks(self.asked, 600) if self.asked else None,
            breaker=Breaker(gates=self.gates, clock=self.clock),
        )
        return list(mirroring.work(messages or [change_message("m", KEY)], FakeContext()).values())


def test_the_former_contact_is_cleared_first() -> None:
    """Where people are known by e-mail, a new address leaves nothing of the member on the contact before."""
    scene = Scene()
    scene.tell(email="old@example.com")
    assert scene.work() == [None]
    assert scene.crm.cleared == []
    scene.tell(email="new@example.com")
    assert scene.work() == [None]
    assert scene.crm.cleared == [Home(key=KEY, id="1", email="old@example.com")]
    assert scene.mirrors.mirrors[KEY].email == "new@example.com"


def test_what_cannot_be_cleared_is_not_left_behind() -> None:
    """While the former contact cannot be cleared, the new one is not written."""
    scene = Scene()
    scene.tell(email="old@example.com")
    scene.work()
    scene.tell(email="new@example.com")
    scene.crm.clears[KEY] = Outcome(state="retry", reason="http_503")
    assert isinstance(scene.work()[0], TransientError)
    assert len(scene.crm.calls) == 1
    scene.crm.clears.clear()
    scene.clock.forward(10)
    assert scene.work() == [None]
    assert len(scene.crm.calls) == 2


def test_where_members_are_known_by_key_nothing_is_cleared() -> None:
    """There an upsert moves the contact."""
    scene = Scene(crm=FakeCrm(homes_by="key"))
    scene.tell(email="old@example.com")
    scene.work()
    scene.tell(email="new@example.com")
    assert scene.work() == [None]
    assert scene.crm.cleared == []


@pytest.mark.parametrize("by", ["key", "email"])
def test_an_address_that_is_gone(by: str) -> None:
    """After an erasure the CRM holds nothing of the member any more."""
    scene = Scene(crm=FakeCrm(homes_by="email" if by == "email" else "key"))
    scene.tell(email="old@example.com")
    scene.work()
    scene.crm.outcomes[KEY] = Outcome(state="skipped", reason="no_email")
    scene.tell(email=None)
    assert scene.work() == [None]
    assert [home.email for home in scene.crm.cleared] == ["old@example.com"]
    assert scene.crm.held == {}
    scene.tell(email=None, tier_name="Gold")
    scene.work()
    assert len(scene.crm.cleared) == 1, "what is gone is not cleared again"


@pytest.mark.parametrize("by", ["key", "email"])
def test_a_refusal_to_clear_is_not_the_last_word(by: str) -> None:
    """Somebody erased changes no more: what a CRM would not clear is tried again with whatever asks next."""
    scene = Scene(crm=FakeCrm(homes_by="email" if by == "email" else "key"))
    scene.tell(email="old@example.com")
    scene.work()
    scene.tell(email=None)
    scene.crm.outcomes[KEY] = Outcome(state="skipped", reason="no_email")
    scene.crm.clears[KEY] = Outcome(state="refused", reason="http_400")
    assert scene.work() == [None], "its message is done: a state that is shown, and no dead letter"
    known = scene.mirrors.mirrors[KEY]
    assert (known.state, known.reason, known.digest) == ("refused", "not_cleared_http_400", None)
    scene.crm.clears.clear()
    assert scene.work() == [None]
    assert scene.crm.held == {}
    assert scene.mirrors.mirrors[KEY].state == "skipped"
    cleared = len(scene.crm.cleared)
    scene.work()
    assert len(scene.crm.cleared) == cleared, "what is gone is not cleared again"


@pytest.mark.parametrize("by", ["key", "email"])
def test_an_erasure_after_a_crash(by: str) -> None:
    """Whoever was killed after the first call ever made for a member leaves a trace by which it is cleared."""
    scene = Scene(crm=FakeCrm(homes_by="email" if by == "email" else "key"))
    scene.tell(email="old@example.com")

    def killed() -> None:
        raise KilledError

    scene.crm.after.append(killed)
    with pytest.raises(KilledError):
        scene.work()
    assert scene.crm.held.keys() == {KEY}
    scene.clock.forward(130)
    scene.tell(email=None)
    scene.crm.outcomes[KEY] = Outcome(state="skipped", reason="no_email")
    assert scene.work() == [None]
    assert scene.crm.held == {}


def test_a_contact_that_is_known_by_key_is_cleared_once() -> None:
    """All addresses that were noted of it lead to the same contact."""
    scene = Scene(crm=FakeCrm(homes_by="key"))
    scene.tell(email="old@example.com")
    scene.work()
    scene.tell(email="new@example.com")
    scene.crm.outcomes[KEY] = Outcome(state="retry", reason="http_500", alone=True)
    scene.work()
    scene.tell(email=None)
    scene.crm.outcomes[KEY] = Outcome(state="skipped", reason="no_email")
    assert scene.work() == [None]
    assert [home.key for home in scene.crm.cleared] == [KEY]


def test_an_address_that_changes_on_the_way_is_not_written() -> None:
    """Only an address that the claim has noted is written to: a worker that dies leaves a trace of it."""
    scene = Scene()
    scene.tell(email="first@example.com")
    plain = scene.mirrors.claim

    def claim(keys: Sequence[str], **how: object) -> object:
        scene.tell(email="second@example.com")
        return plain(keys, **how)  # type: ignore[arg-type]  # handed through

    setattr(scene.mirrors, "claim", claim)  # noqa: B010 - the fake is a dataclass
    assert isinstance(scene.work()[0], TransientError)
    assert scene.crm.calls == []
    setattr(scene.mirrors, "claim", plain)  # noqa: B010 - likewise
    assert scene.work() == [None]
    assert scene.crm.held[KEY].email == "second@example.com"


def quiet(scene: Scene) -> list[Exception | None]:
    """Let a back-fill's message be handled."""
    return scene.work(change_message("m", KEY, quiet=True))


def test_a_backfills_member_is_marked() -> None:
    """Where there are no jobs, what a back-fill alone asks for says so when it is sent; whom a change names too is news."""
    scene = Scene(crm=FakeCrm(homes_by="key"))
    other = key_of(7002)
    scene.tell()
    scene.members.records[other] = Record(member=member(7002), version=1)
    filled = [change_message(f"fill.{key}", key, quiet=True) for key in (KEY, other)]
    assert scene.work(*filled, change_message("m", KEY)) == [None] * 3
    assert {key: held.quiet for key, held in scene.crm.held.items()} == {KEY: False, other: True}


def test_a_job_is_done_when_it_is_done() -> None:
    """A member of a back-fill is pending until its job says what became of it, and nobody writes it meanwhile."""
    bulk = FakeBulk()
    scene = Scene(crm=FakeCrm(homes_by="email", bulk=bulk))
    scene.tell(tier_name="Gold")
    assert isinstance(quiet(scene)[0], TransientError)
    assert scene.mirrors.mirrors[KEY].state == "pending"
    assert isinstance(scene.work()[0], TransientError), "nor does a change that comes meanwhile"
    scene.clock.forward(61)
    assert isinstance(quiet(scene)[0], TransientError), "it still runs"
    scene.clock.forward(61)
    bulk.outcome = MIRRORED
    assert quiet(scene) == [None]
    assert (len(bulk.jobs), scene.crm.calls) == (1, [])
    assert scene.mirrors.mirrors[KEY].state == "mirrored"
    assert quiet(scene) == [None]
    assert len(bulk.jobs) == 1


def test_what_changed_during_a_job_is_sent_after_it() -> None:
    """A job that is done says nothing of a member that has changed since."""
    bulk = FakeBulk()
    scene = Scene(crm=FakeCrm(homes_by="email", bulk=bulk))
    scene.tell(tier_name="Gold")
    quiet(scene)
    scene.tell(tier_name="Silver")
    scene.clock.forward(61)
    bulk.outcome = MIRRORED
    assert scene.work() == [None]
    assert scene.crm.held[KEY].values["tier_name"] == "Silver"


def test_a_job_that_cannot_be_asked_about_goes_on() -> None:
    """While nobody can say what became of a job, the member is not written past it."""
    bulk = FakeBulk()
    scene = Scene(crm=FakeCrm(homes_by="email", bulk=bulk))
    scene.tell(tier_name="Gold")
    quiet(scene)
    scene.clock.forward(61)
    bulk.outcome = Outcome(state="retry", reason="http_503")
    assert isinstance(scene.work()[0], TransientError)
    assert scene.mirrors.mirrors[KEY].job == "job-1"
    assert scene.crm.calls == []


def test_a_job_that_is_gone_keeps_nobody_waiting() -> None:
    """Of a cancelled or forgotten job's members nothing is known: they are sent again, and pending no more."""
    bulk = FakeBulk()
    scene = Scene(crm=FakeCrm(homes_by="email", bulk=bulk))
    scene.tell(tier_name="Gold")
    quiet(scene)
    scene.clock.forward(61)
    bulk.known = False
    assert isinstance(quiet(scene)[0], TransientError)
    assert len(bulk.jobs) == 2
    scene.clock.forward(61)
    assert scene.work() == [None]
    assert scene.crm.calls == [[KEY]]


def test_notes_wait_for_an_address() -> None:
    """The note of a member whose address is being asked for waits two hours, and then is let go."""
    scene = Scene(asked=FakeOutgoing())
    scene.crm.outcomes[KEY] = Outcome(state="skipped", reason="no_email")
    scene.tell(email=None)
    message = change_message("m", KEY, "joined")
    assert isinstance(scene.work(message)[0], TransientError)
    old = replace(message, first_received_at=scene.clock.now - timedelta(seconds=NOTES_WAIT * 600 + 1))
    assert scene.work(old) == [None]
    assert scene.crm.noted == []
    scene.crm.outcomes.clear()
    scene.tell(email="new@example.com")
    assert scene.work(message) == [None]
    assert scene.crm.noted == ["m.joined"]
    assert scene.crm.homes[KEY] == Home(key=KEY, id="1", email="new@example.com")


def test_a_note_that_failed_keeps_back_its_own_message_alone() -> None:
    """Of two messages about one member, the one whose note was taken is done."""
    scene = Scene()
    scene.tell()
    scene.crm.note_outcomes["b.told"] = Outcome(state="retry", reason="rate_limits", alone=True)
    answers = scene.work(change_message("a", KEY, "told"), change_message("b", KEY, "told"))
    assert answers[0] is None
    assert isinstance(answers[1], TransientError)


def test_a_crm_that_is_down_is_left_alone() -> None:
    """After a call that got nowhere, messages go back unread; later one is let through, and opens it."""
    scene = Scene()
    scene.tell(tier_name="Gold")
    scene.crm.outcomes[KEY] = Outcome(state="retry", reason="http_503")
    (first,) = scene.work()
    assert isinstance(first, ParkedError), "whoever was turned away comes back with the others"
    assert first.retry_after == 5
    scene.members.failure = AssertionError("nothing is read while it is closed")
    (parked,) = scene.work()
    assert isinstance(parked, TransientError)
    assert parked.retry_after == 5
    scene.members.failure = None
    scene.crm.outcomes.clear()
    scene.clock.forward(6)
    assert scene.work() == [None]
    assert scene.gates.gate.until is None


def test_who_is_let_through_asks_first() -> None:
    """The one that is to find out whether it is over makes the cheapest call, and reads no member for it."""
    scene = Scene()
    scene.tell(tier_name="Gold")
    scene.crm.outcomes[KEY] = Outcome(state="retry", reason="http_503")
    scene.work()
    scene.crm.outcomes.clear()
    scene.clock.forward(6)
    scene.crm.shut = TransientError("fake: http_503")
    assert isinstance(scene.work()[0], TransientError)
    assert (len(scene.crm.calls), scene.gates.gate.failures) == (1, 2)
    scene.crm.shut = None
    assert isinstance(scene.work()[0], TransientError), "and the wait is longer now"
    scene.clock.forward(11)
    assert scene.work() == [None]


def test_notes_that_are_turned_away_come_back_with_the_others() -> None:
    """A call with notes that got nowhere closes it as any other, and its messages wait for as long as it is closed."""
    scene = Scene()
    scene.tell()
    scene.crm.note_outcomes["m.told"] = Outcome(state="retry", reason="http_503")
    (first,) = scene.work(change_message("m", KEY, "told"))
    assert isinstance(first, ParkedError)
    assert first.retry_after == 5


def test_a_call_that_broke_off_is_waited_for() -> None:
    """What may still take effect is not sent again when the door opens, but when it surely cannot."""
    scene = Scene()
    scene.tell()
    scene.crm.outcomes[KEY] = Outcome(state="retry", reason="timeout", unanswered=True)
    (first,) = scene.work()
    assert isinstance(first, TransientError)
    assert first.retry_after == 60
    assert scene.gates.gate.until == scene.clock.now + timedelta(seconds=5)


def test_one_members_own_trouble_closes_nothing() -> None:
    """A refusal for now that concerns one member alone is no sign that the CRM is down."""
    scene = Scene()
    scene.tell()
    scene.crm.outcomes[KEY] = Outcome(state="retry", reason="contact_gone", alone=True)
    scene.work()
    assert scene.gates.gate.until is None


def test_notes_wait_for_company_too() -> None:
    """In a crowd, notes that would not fill a call wait once, the newest of them; then they are told all the same."""
    scene = Scene(crm=FakeCrm(notes_batch_size=2))
    scene.tell()
    messages = [change_message(name, KEY, "told") for name in ("a", "b", "c")]
    answers = dict(zip("abc", scene.work(*messages), strict=True))
    (held,) = [name for name, answer in answers.items() if isinstance(answer, HeldError)]
    assert len(scene.crm.noted) == 2
    again = replace(change_message(held, KEY, "told"), attributes={HELD: "1"})
    crowd = [change_message(name, KEY) for name in ("x", "y")]
    assert scene.work(again, *crowd) == [None] * 3
    assert sorted(scene.crm.noted) == ["a.told", "b.told", "c.told"]
