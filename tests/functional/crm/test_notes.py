"""Notes are told when the CRM holds their member: in full calls, in time, and none is lost on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from relay.crm.timeline import NOTES_WAIT
from relay.errors import CircuitOpenError, CoalesceError, TransientError
from relay.model.effects import Note
from relay.model.header import MessageHeader
from relay.model.messages import EventEffects, MemberChanged, dump
from relay.ports.crm import ContactRef, CrmOutcome
from relay.queues.batch import Message

from tests.contract.crm.profiles import key_of
from tests.functional.crm.scenes import KEY, Scene, Tabled
from tests.support.crm_fakes import START, FakeCrm, change_message
from tests.support.port_fakes import FakeContext, FakeOutgoing


def test_notes_wait_for_their_member(scene: Tabled) -> None:
    """A note is recorded when the CRM holds its member, not before; what fails puts its message off."""
    scene.tell()
    mirroring = scene.mirroring()
    message = change_message("m1", KEY, "joined", "welcomed")
    scene.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="rate_limits")
    assert isinstance(mirroring.work([message], FakeContext())["m1"], TransientError)
    assert scene.crm.noted == []
    scene.crm.outcomes.clear()
    scene.crm.note_outcomes["m1.welcomed"] = CrmOutcome(state="retry", reason="rate_limits", retry_after=4)
    answer = mirroring.work([message], FakeContext())["m1"]
    assert isinstance(answer, TransientError)
    assert answer.retry_after == 4
    scene.crm.note_outcomes.clear()
    assert mirroring.work([message], FakeContext()) == {"m1": None}
    assert set(scene.crm.noted) == {"m1.joined", "m1.welcomed"}
    assert len(scene.crm.calls) == 2, "the member itself was not sent again"


def test_slow_notes_do_not_outlast_the_function(scene: Tabled) -> None:
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


def test_notes_wait_for_an_address() -> None:
    """The note of a member whose address is being asked for waits two hours, and then is let go."""
    scene = Scene(asked=FakeOutgoing())
    scene.crm.outcomes[KEY] = CrmOutcome(state="skipped", reason="no_email")
    scene.tell(email=None)
    message = change_message("m", KEY, "joined")
    assert isinstance(scene.work(message)[0], TransientError)
    old = replace(message, sent_at=scene.clock.now - timedelta(seconds=NOTES_WAIT * 600 + 1))
    assert scene.work(old) == [None]
    assert scene.crm.noted == []
    scene.crm.outcomes.clear()
    scene.tell(email="new@example.com")
    assert scene.work(message) == [None]
    assert scene.crm.noted == ["m.joined"]
    assert scene.crm.homes[KEY] == ContactRef(key=KEY, id="1", email="new@example.com")


def test_a_note_that_failed_keeps_back_its_own_message_alone() -> None:
    """Of two messages about one member, the one whose note was taken is done."""
    scene = Scene()
    scene.tell()
    scene.crm.note_outcomes["b.told"] = CrmOutcome(state="retry", reason="rate_limits", alone=True)
    answers = scene.work(change_message("a", KEY, "told"), change_message("b", KEY, "told"))
    assert answers[0] is None
    assert isinstance(answers[1], TransientError)


def test_notes_that_are_turned_away_come_back_with_the_others() -> None:
    """A call with notes that got nowhere closes it as any other, and its messages wait for as long as it is closed."""
    scene = Scene()
    scene.tell()
    scene.crm.note_outcomes["m.told"] = CrmOutcome(state="retry", reason="http_503")
    (first,) = scene.work(change_message("m", KEY, "told"))
    assert isinstance(first, CircuitOpenError)
    assert first.retry_after == 5


def test_notes_wait_for_company_too() -> None:
    """In a crowd, notes that would not fill a call wait once, the newest of them; then they are told all the same."""
    scene = Scene(crm=FakeCrm(notes_batch_size=2))
    scene.tell()
    messages = [change_message(name, KEY, "told") for name in ("a", "b", "c")]
    answers = dict(zip("abc", scene.work(*messages), strict=True))
    (held,) = [name for name, answer in answers.items() if isinstance(answer, CoalesceError)]
    assert len(scene.crm.noted) == 2
    again = replace(change_message(held, KEY, "told"), header=MessageHeader(coalesced=1))
    crowd = [change_message(name, KEY) for name in ("x", "y")]
    assert scene.work(again, *crowd) == [None] * 3
    assert sorted(scene.crm.noted) == ["a.told", "b.told", "c.told"]


def test_notes_are_told_in_the_order_of_their_times() -> None:
    """However the queue hands them out: a flow on the timeline would else see an end before its beginning."""
    scene = Scene()
    scene.tell()

    def at(minute: int) -> Message:
        effects = (Note(rule="told", name="told"),)
        moment = START + timedelta(minutes=minute)
        event_effects = EventEffects(event_id=f"e{minute}", topic="t", at=moment, effects=effects)
        body = dump(MemberChanged(member=KEY, events=(event_effects,)))
        return replace(change_message(f"m{minute}", KEY), body=body)

    assert scene.work(at(3), at(1), at(2)) == [None] * 3
    assert scene.crm.noted == ["e1.told", "e2.told", "e3.told"]


def test_a_note_goes_to_the_contact_that_is_known() -> None:
    """Also where the CRM did not say this time which it wrote."""
    scene = Scene()
    scene.tell()
    scene.work()
    scene.tell(tier_name="Gold")
    scene.crm.outcomes[KEY] = CrmOutcome(state="mirrored")
    assert scene.work(change_message("m", KEY, "told")) == [None]
    assert scene.crm.homes[KEY].id == "1"
