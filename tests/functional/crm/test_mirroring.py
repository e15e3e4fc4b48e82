"""crm_sync's work against a real table of mirrors: every crash and every hung call ends in the same CRM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

import pytest
from relay.adapters.mirrors import DynamoMirrors
from relay.batch import HELD
from relay.changes import Doubt, load
from relay.errors import HeldError, MisconfiguredError, PermanentError, TransientError
from relay.fields import Value
from relay.mirroring import Mirroring
from relay.mirroring.invocation import NEEDED_MS
from relay.ports.crm import Outcome
from relay.ports.members import Record
from relay.ports.mirrors import Claim
from relay.rechecking import Rechecks

from tests.contract.crm.profiles import AT, SHOP, key_of, member
from tests.fakes import FakeContext, FakeMembers, FakeOutgoing
from tests.fakes_crm import FakeClock, FakeCrm, KilledError, change_message

KEY = key_of(7001)


@dataclass
class Scene:
    """A members table, a mirrors table and a CRM, and any number of workers on them."""

    mirrors: DynamoMirrors
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
        self.members.records[key] = Record(member=told, version=version)

    def mirroring(self) -> Mirroring:
        """Return a worker's work."""
        return Mirroring(
            shop=SHOP,
            crm=self.crm,
            members=self.members,
            mirrors=self.mirrors,
            clock=self.clock,
            credential="/relay/secret",
            observe=lambda key, outcome: self.observed.append((key, outcome.state)),
            rechecks=Rechecks(self.asked, 600) if self.asked else None,
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


@pytest.fixture
def scene(mirrors_table: str) -> Scene:
    """Return an empty scene."""
    return Scene(DynamoMirrors(mirrors_table, "fake"))


def test_a_change_is_mirrored_once(scene: Scene) -> None:
    """Many messages about a member are one entry of one call, and a repetition is none."""
    scene.tell(tier_name="Gold")
    assert scene.work("m1", "m2", "m3") == {"m1": None, "m2": None, "m3": None}
    assert scene.work("m1") == {"m1": None}
    assert scene.crm.calls == [[KEY]]
    assert scene.observed == [(KEY, "mirrored")]


def test_only_what_differs_is_sent(scene: Scene) -> None:
    """In a batch with one changed member, one is sent."""
    for customer in (1, 2, 3):
        scene.tell(customer)
    scene.work("m", customers=(1, 2, 3))
    scene.tell(2, tier_name="Gold")
    scene.work("n", customers=(1, 2, 3))
    assert scene.crm.calls[1:] == [[key_of(2)]]


def test_a_newer_fact_of_the_same_content_is_not_sent(scene: Scene) -> None:
    """An event that repeats what is known costs no call."""
    scene.tell(tier_name="Gold")
    scene.work("m1")
    scene.tell(tier_name="Gold")
    assert scene.work("m2") == {"m2": None}
    assert len(scene.crm.calls) == 1


def test_batches_of_the_crms_size(scene: Scene) -> None:
    """Each call has as many members as the CRM takes; one that would stay half empty waits once for company."""
    scene.crm.batch_size = 2
    answers = scene.work("m", customers=(1, 2, 3, 4, 5))
    assert [len(call) for call in scene.crm.calls] == [2, 2]
    (held,) = [message for message, answer in answers.items() if isinstance(answer, HeldError)]
    again = replace(change_message(held, key_of(5)), attributes={HELD: "1"})
    crowd = [change_message(f"n{number}", key_of(number)) for number in (1, 2)]
    assert set(scene.mirroring().work([again, *crowd], FakeContext()).values()) == {None}
    assert [len(call) for call in scene.crm.calls] == [2, 2, 1]


def test_few_do_not_wait(scene: Scene) -> None:
    """Without a crowd nobody waits for company: a single change is mirrored at once."""
    scene.crm.batch_size = 10
    assert set(scene.work("m", customers=(1, 2, 3)).values()) == {None}
    assert [len(call) for call in scene.crm.calls] == [3]


def test_killed_before_the_call(scene: Scene) -> None:
    """A worker killed before its call took effect is made up for by the message's next receipt."""
    scene.tell(tier_name="Gold")
    scene.crm.before.append(_killed)
    with pytest.raises(KilledError):
        scene.work("m1")
    assert isinstance(scene.work("m1")["m1"], TransientError), "its request may still take effect"
    scene.clock.forward(120)
    assert scene.work("m1") == {"m1": None}
    assert scene.tier() == "Gold"
    assert scene.settled()


def test_killed_after_the_call(scene: Scene) -> None:
    """A worker killed after its call, before the note of it, sends once more: the same state."""
    scene.tell(tier_name="Gold")
    scene.crm.after.append(_killed)
    with pytest.raises(KilledError):
        scene.work("m1")
    assert scene.tier() == "Gold"
    scene.clock.forward(120)
    assert scene.work("m1") == {"m1": None}
    assert scene.tier() == "Gold"
    assert len(scene.crm.calls) == 2
    assert scene.settled()


def test_killed_between_two_states(scene: Scene) -> None:
    """Content that went there and back, killed on the way: the old digest is not taken for the truth."""
    scene.tell(tier_name="Gold")
    scene.work("m1")
    scene.tell(tier_name="Silver")
    scene.crm.after.append(_killed)
    with pytest.raises(KilledError):
        scene.work("m2")
    scene.tell(tier_name="Gold")
    scene.clock.forward(120)
    assert scene.work("m3") == {"m3": None}
    assert scene.tier() == "Gold"


def test_an_older_call_that_hangs_is_not_the_last(scene: Scene) -> None:
    """A call that hangs beyond its claim, is overtaken, and then lands: the newer state is sent again."""
    scene.tell(tier_name="Older")

    def overtake() -> None:
        scene.clock.forward(200)
        scene.tell(tier_name="Newer")
        assert scene.work("m2") == {"m2": None}
        assert scene.tier() == "Newer"

    scene.crm.before.append(overtake)
    answer = scene.work("m1")["m1"]
    assert scene.tier() == "Older", "the hung call landed last"
    assert isinstance(answer, TransientError)
    assert scene.work("m1") == {"m1": None}
    assert scene.tier() == "Newer"
    assert scene.settled()


def test_no_second_call_while_one_is_under_way(scene: Scene) -> None:
    """A worker that meets another's claim waits, however new its message is."""
    scene.tell(tier_name="Older")
    met: list[Exception | None] = []

    def meanwhile() -> None:
        scene.tell(tier_name="Newer")
        met.append(scene.work("m2")["m2"])

    scene.crm.before.append(meanwhile)
    assert scene.work("m1") == {"m1": None}
    assert isinstance(met[0], TransientError)
    assert scene.work("m2") == {"m2": None}
    assert scene.tier() == "Newer"
    assert scene.settled()


def test_what_is_sent_is_read_under_the_claim(scene: Scene) -> None:
    """A worker that slept between reading and claiming sends what is there when it has the claim."""
    scene.tell(tier_name="Older")
    plain = scene.mirrors.claim

    @dataclass(frozen=True)
    class Sleepy(DynamoMirrors):
        def claim(
            self,
            keys: Sequence[str],
            *,
            now: datetime,
            until: datetime,
            emails: Mapping[str, str] = MappingProxyType({}),
        ) -> Mapping[str, Claim]:
            scene.tell(tier_name="Newer")
            return plain(keys, now=now, until=until, emails=emails)

    scene.mirrors = Sleepy("mirrors", "fake", scene.mirrors.dynamodb)
    assert scene.work("m1") == {"m1": None}
    assert scene.tier() == "Newer"


def test_no_answer(scene: Scene) -> None:
    """After a call without an answer the member rests until that can no longer land, then is sent again."""
    scene.tell(tier_name="Gold")
    scene.crm.outcomes[KEY] = Outcome(state="retry", reason="timeout", unanswered=True)
    answer = scene.work("m1")["m1"]
    assert isinstance(answer, TransientError)
    assert answer.retry_after == 60
    scene.crm.outcomes.clear()
    assert isinstance(scene.work("m1")["m1"], TransientError)
    scene.clock.forward(60)
    assert scene.work("m1") == {"m1": None}
    assert scene.tier() == "Gold"


def test_a_refusal_is_a_state(scene: Scene) -> None:
    """A refused member's message is done; it is tried again when the member changes, and not before."""
    scene.tell(tier_name="Gold")
    scene.crm.outcomes[KEY] = Outcome(state="refused", reason="owned_by_other")
    assert scene.work("m1") == {"m1": None}
    assert scene.work("m2") == {"m2": None}
    assert len(scene.crm.calls) == 1
    scene.crm.outcomes.clear()
    scene.tell(tier_name="Silver")
    scene.work("m3")
    assert scene.tier() == "Silver"


def test_turned_away(scene: Scene) -> None:
    """Refused credentials put everybody off, name the setting, and end the calls."""
    scene.crm.batch_size = 1
    scene.crm.outcomes = dict.fromkeys(
        (key_of(1), key_of(2)), Outcome(state="unauthorised", reason="http_401")
    )
    answers = scene.work("m", customers=(1, 2))
    assert len(scene.crm.calls) == 1
    assert len(answers) == 2
    assert all(isinstance(answer, MisconfiguredError) for answer in answers.values())
    assert {answer.setting for answer in answers.values() if isinstance(answer, MisconfiguredError)} == {
        "/relay/secret"
    }


def test_a_closed_door_is_knocked_at_once(scene: Scene) -> None:
    """When nobody of a batch gets through, the batches behind it are not tried."""
    scene.crm.batch_size = 2
    keys = [key_of(number) for number in range(6)]
    scene.crm.outcomes = dict.fromkeys(keys, Outcome(state="retry", reason="rate_limits", retry_after=9))
    answers = scene.work("m", customers=tuple(range(6)))
    assert [getattr(answer, "retry_after", None) for answer in answers.values()] == [9] * 6
    assert [len(call) for call in scene.crm.calls] == [2]


def test_no_time_left(scene: Scene) -> None:
    """With too little time for another batch nothing is started, and no receive is spent on it."""
    scene.millis = NEEDED_MS - 1
    answer = scene.work("m1")["m1"]
    assert isinstance(answer, TransientError)
    assert not scene.crm.calls


def test_unreadable_and_foreign_messages(scene: Scene) -> None:
    """A message that is none, or is about another shop's member, is given up; the others go on."""
    scene.tell()
    mirroring = scene.mirroring()
    bad = [
        change_message("other", "other.myshopify.com:1"),
        change_message("odd", "7001"),
        change_message("none", f"{SHOP}:"),
    ]
    answers = mirroring.work([*bad, change_message("good", KEY)], FakeContext())
    assert answers["good"] is None
    for message in bad:
        error = answers[message.id]
        assert isinstance(error, PermanentError)
        assert error.reason == "other_shop"


def test_our_own_table_is_down(scene: Scene) -> None:
    """When members cannot be read, nothing is sent and everything is put off."""
    scene.members.failure = TransientError("members table: down")
    assert isinstance(scene.work("m1")["m1"], TransientError)
    assert not scene.crm.calls


def test_notes_wait_for_their_member(scene: Scene) -> None:
    """A note is recorded when the CRM holds its member, not before; what fails puts its message off."""
    scene.tell()
    mirroring = scene.mirroring()
    message = change_message("m1", KEY, "joined", "welcomed")
    scene.crm.outcomes[KEY] = Outcome(state="retry", reason="rate_limits")
    assert isinstance(mirroring.work([message], FakeContext())["m1"], TransientError)
    assert scene.crm.noted == []
    scene.crm.outcomes.clear()
    scene.crm.note_outcomes["m1.welcomed"] = Outcome(state="retry", reason="rate_limits", retry_after=4)
    answer = mirroring.work([message], FakeContext())["m1"]
    assert isinstance(answer, TransientError)
    assert answer.retry_after == 4
    scene.crm.note_outcomes.clear()
    assert mirroring.work([message], FakeContext()) == {"m1": None}
    assert set(scene.crm.noted) == {"m1.joined", "m1.welcomed"}
    assert len(scene.crm.calls) == 2, "the member itself was not sent again"


def test_slow_notes_do_not_outlast_the_function(scene: Scene) -> None:
    """Where each note is a call that takes seconds, those that no time is left for are told by the next invocation."""
    scene.crm.notes_batch_size = 1
    customers = range(1, 7)
    for customer in customers:
        scene.tell(customer)
    scene.work("m", customers=tuple(customers))
    context = FakeContext(60_000)

    def ten_seconds() -> None:
        context.millis -= 10_000

    scene.crm.slow = ten_seconds
    messages = [change_message(f"n{customer}", key_of(customer), "joined") for customer in customers]
    answers = scene.mirroring().work(messages, context)
    assert context.millis > 0
    assert len(scene.crm.noted) == 4
    late = [answer for answer in answers.values() if answer]
    assert len(late) == 2
    assert {type(answer) for answer in late} == {TransientError}
    context.millis = 60_000
    scene.mirroring().work([message for message in messages if answers[message.id]], context)
    assert sorted(scene.crm.noted) == [f"n{customer}.joined" for customer in customers]


def _killed() -> None:
    raise KilledError


def test_a_missing_address_is_asked_about(scene: Scene) -> None:
    """At every message, since the last question may have been lost; a member who could not be asked about waits."""
    scene.asked = FakeOutgoing(refuse={2})
    scene.crm.outcomes[KEY] = Outcome(state="skipped", reason="no_email")
    scene.tell(email=None)
    scene.tell(7002)
    assert scene.work("m", customers=(7001, 7002)) == {"m.7001": None, "m.7002": None}
    assert scene.work("m2") == {"m2": None}
    assert [load(Doubt, sent.body) for sent in scene.asked.sent] == [Doubt(member=KEY, reason="no_email")] * 2
    assert isinstance(scene.work("m3")["m3"], TransientError)
    assert scene.work("m4") == {"m4": None}
