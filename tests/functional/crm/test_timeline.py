"""Notes are sent once the CRM holds their member: in full calls, in time, and none is lost."""

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
from tests.functional.crm.crm_setups import KEY, CrmSetup, CrmTableSetup
from tests.support.crm_fakes import START, FakeCrm, change_message
from tests.support.port_fakes import FakeContext, FakeOutgoing


def test_notes_wait_for_their_member(setup: CrmTableSetup) -> None:
    """A note is sent when the CRM holds its member, not before; a failed note defers its message."""
    setup.update_member()
    crm_sync = setup.crm_sync()
    message = change_message("m1", KEY, "joined", "welcomed")
    setup.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="rate_limits")
    assert isinstance(crm_sync.work([message], FakeContext())["m1"], TransientError)
    assert setup.crm.recorded == []
    setup.crm.outcomes.clear()
    setup.crm.note_outcomes["m1.welcomed"] = CrmOutcome(state="retry", reason="rate_limits", retry_after=4)
    answer = crm_sync.work([message], FakeContext())["m1"]
    assert isinstance(answer, TransientError)
    assert answer.retry_after == 4
    setup.crm.note_outcomes.clear()
    assert crm_sync.work([message], FakeContext()) == {"m1": None}
    assert set(setup.crm.recorded) == {"m1.joined", "m1.welcomed"}
    assert len(setup.crm.calls) == 2, "the member itself was not sent again"


def test_slow_notes_do_not_outlast_the_function(setup: CrmTableSetup) -> None:
    """If each note is a call of seconds, the next invocation sends those that no time is left for."""
    setup.crm.notes_batch_size = 1
    customers = range(1, 7)
    for customer in customers:
        setup.update_member(customer)
    setup.work("m", customers=tuple(customers))
    context = FakeContext(60_000)

    def ten_seconds() -> None:
        context.millis -= 10_000

    setup.crm.slow = ten_seconds
    messages = [change_message(f"n{customer}", key_of(customer), "joined") for customer in customers]
    answers = setup.crm_sync().work(messages, context)
    assert context.millis > 0
    assert len(setup.crm.recorded) == 4
    late = [answer for answer in answers.values() if answer]
    assert len(late) == 2
    assert {type(answer) for answer in late} == {TransientError}
    context.millis = 60_000
    setup.crm_sync().work([message for message in messages if answers[message.id]], context)
    assert sorted(setup.crm.recorded) == [f"n{customer}.joined" for customer in customers]


def test_notes_wait_for_an_address() -> None:
    """The note of a member whose address was requested waits two hours, and then is dropped."""
    setup = CrmSetup(rechecks=FakeOutgoing())
    setup.crm.outcomes[KEY] = CrmOutcome(state="skipped", reason="no_email")
    setup.update_member(email=None)
    message = change_message("m", KEY, "joined")
    assert isinstance(setup.work(message)[0], TransientError)
    old = replace(message, sent_at=setup.clock.now - timedelta(seconds=NOTES_WAIT * 600 + 1))
    assert setup.work(old) == [None]
    assert setup.crm.recorded == []
    setup.crm.outcomes.clear()
    setup.update_member(email="new@example.com")
    assert setup.work(message) == [None]
    assert setup.crm.recorded == ["m.joined"]
    assert setup.crm.contacts[KEY] == ContactRef(
        key=KEY, id="contact of new at example.com", email="new@example.com"
    )


def test_a_failed_note_defers_only_its_own_message() -> None:
    """Of two messages about one member, the one whose note was taken is done."""
    setup = CrmSetup()
    setup.update_member()
    setup.crm.note_outcomes["b.joined"] = CrmOutcome(state="retry", reason="rate_limits", member_only=True)
    answers = setup.work(change_message("a", KEY, "joined"), change_message("b", KEY, "joined"))
    assert answers[0] is None
    assert isinstance(answers[1], TransientError)


def test_rejected_notes_wait_for_the_circuit() -> None:
    """A failed call with notes opens the circuit like any other, and its messages wait for as long as it is open."""
    setup = CrmSetup()
    setup.update_member()
    setup.crm.note_outcomes["m.joined"] = CrmOutcome(state="retry", reason="http_503")
    (first,) = setup.work(change_message("m", KEY, "joined"))
    assert isinstance(first, CircuitOpenError)
    assert first.retry_after == 5


def test_notes_wait_for_a_fuller_batch() -> None:
    """With a backlog, the newest notes that would not fill a call wait once; then they are sent in any case."""
    setup = CrmSetup(crm=FakeCrm(notes_batch_size=2))
    setup.update_member()
    messages = [change_message(name, KEY, "joined") for name in ("a", "b", "c")]
    answers = dict(zip("abc", setup.work(*messages), strict=True))
    (deferred,) = [name for name, answer in answers.items() if isinstance(answer, CoalesceError)]
    assert len(setup.crm.recorded) == 2
    again = replace(change_message(deferred, KEY, "joined"), header=MessageHeader(coalesced=1))
    others = [change_message(name, KEY) for name in ("x", "y")]
    assert setup.work(again, *others) == [None] * 3
    assert sorted(setup.crm.recorded) == ["a.joined", "b.joined", "c.joined"]


def test_notes_are_sent_by_time() -> None:
    """Whatever the order of the queue: a flow on the timeline would otherwise see an end before its beginning."""
    setup = CrmSetup()
    setup.update_member()

    def at(minute: int) -> Message:
        effects = (Note(rule="joined", name="joined"),)
        moment = START + timedelta(minutes=minute)
        event_effects = EventEffects(event_id=f"e{minute}", topic="t", at=moment, effects=effects)
        body = dump(MemberChanged(member=KEY, events=(event_effects,)))
        return replace(change_message(f"m{minute}", KEY), body=body)

    assert setup.work(at(3), at(1), at(2)) == [None] * 3
    assert setup.crm.recorded == ["e1.joined", "e2.joined", "e3.joined"]


def test_a_note_goes_to_the_contact_that_is_known() -> None:
    """Also if the CRM did not name the contact this time."""
    setup = CrmSetup()
    setup.update_member()
    setup.work()
    setup.update_member(tier_name="Gold")
    setup.crm.outcomes[KEY] = CrmOutcome(state="mirrored")
    assert setup.work(change_message("m", KEY, "joined")) == [None]
    assert setup.crm.contacts[KEY].id == "contact of member-7001 at example.com"
