"""A CRM that lets nobody through is left alone: what was not sent waits, and what is in doubt is not repeated."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from relay.crm.run import NEEDED_MS
from relay.errors import CircuitOpenError, MisconfiguredError, TransientError
from relay.model.header import MessageHeader
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import CircuitRecord

from tests.contract.crm.profiles import key_of
from tests.functional.crm.scenes import KEY, Scene, Tabled
from tests.support.crm_fakes import FakeCrm, change_message


def test_a_crm_that_is_down_is_left_alone() -> None:
    """After a call that got nowhere, messages go back unread; later one is let through, and opens it."""
    scene = Scene()
    scene.tell(tier_name="Gold")
    scene.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="http_503")
    (first,) = scene.work()
    assert isinstance(first, CircuitOpenError), "whoever was turned away comes back with the others"
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
    scene.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="http_503")
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


def test_a_call_that_broke_off_is_waited_for() -> None:
    """What may still take effect is not sent again when the door opens, but when it surely cannot."""
    scene = Scene()
    scene.tell()
    scene.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="timeout", unanswered=True)
    (first,) = scene.work()
    assert isinstance(first, TransientError)
    assert first.retry_after == 60
    assert scene.gates.gate.until == scene.clock.now + timedelta(seconds=5)


def test_one_members_own_trouble_closes_nothing() -> None:
    """A refusal for now that concerns one member alone is no sign that the CRM is down."""
    scene = Scene()
    scene.tell()
    scene.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="contact_gone", alone=True)
    scene.work()
    assert scene.gates.gate.until is None


def test_turned_away(scene: Tabled) -> None:
    """Refused credentials put everybody off, name the setting, and end the calls."""
    scene.crm.batch_size = 1
    scene.crm.outcomes = dict.fromkeys(
        (key_of(1), key_of(2)), CrmOutcome(state="unauthorised", reason="http_401")
    )
    answers = scene.work("m", customers=(1, 2))
    assert len(scene.crm.calls) == 1
    assert len(answers) == 2
    assert all(isinstance(answer, MisconfiguredError) for answer in answers.values())
    assert {answer.setting for answer in answers.values() if isinstance(answer, MisconfiguredError)} == {
        "/relay/secret"
    }


def test_a_closed_door_is_knocked_at_once(scene: Tabled) -> None:
    """When nobody of a batch gets through, the batches behind it are not tried."""
    scene.crm.batch_size = 2
    keys = [key_of(number) for number in range(6)]
    scene.crm.outcomes = dict.fromkeys(keys, CrmOutcome(state="retry", reason="rate_limits", retry_after=9))
    answers = scene.work("m", customers=tuple(range(6)))
    assert [getattr(answer, "retry_after", None) for answer in answers.values()] == [9] * 6
    assert [len(call) for call in scene.crm.calls] == [2]


def test_no_time_left(scene: Tabled) -> None:
    """With too little time for another batch nothing is started, and no receive is spent on it."""
    scene.millis = NEEDED_MS - 1
    answer = scene.work("m1")["m1"]
    assert isinstance(answer, TransientError)
    assert not scene.crm.calls


def test_our_own_table_is_down(scene: Tabled) -> None:
    """When members cannot be read, nothing is sent and everything is put off."""
    scene.members.failure = TransientError("members table: down")
    assert isinstance(scene.work("m1")["m1"], TransientError)
    assert not scene.crm.calls


def closed_a_while_ago(scene: Scene) -> None:
    """Let a call get nowhere, and so much time pass that one may try again."""
    scene.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="http_503")
    scene.work()
    scene.crm.outcomes.clear()
    scene.clock.forward(6)


def test_refused_credentials_keep_everybody_away() -> None:
    """They close it like an outage; all messages say which setting to look at, those too that no call was made for."""
    scene = Scene(crm=FakeCrm(batch_size=1))
    scene.crm.outcomes[KEY] = CrmOutcome(state="unauthorised", reason="http_401")
    held = MessageHeader(coalesced=1)
    behind = replace(change_message("b", key_of(7002)), header=held)
    answers = scene.work(replace(change_message("a", KEY), header=held), behind)
    assert scene.crm.calls == [[KEY]]
    assert [getattr(answer, "setting", None) for answer in answers] == ["SECRET", "SECRET"]
    assert scene.gates.gate.until == scene.clock.now + timedelta(seconds=5)


def test_somebody_got_through() -> None:
    """Of two in a call one was turned away: the CRM is there, and is not closed."""
    scene = Scene()
    scene.tell()
    other = key_of(7002)
    scene.crm.outcomes[other] = CrmOutcome(state="retry", reason="row_lock")
    answers = scene.work(change_message("a", KEY), change_message("b", other))
    assert answers[0] is None
    assert isinstance(answers[1], TransientError)
    assert scene.gates.gate.until is None


def test_who_was_not_called_for_is_no_sign() -> None:
    """A member without an address, who needs no call, says nothing of whether anybody gets through."""
    scene = Scene()
    scene.tell()
    other = key_of(7002)
    scene.crm.outcomes = {
        KEY: CrmOutcome(state="retry", reason="http_503"),
        other: CrmOutcome(state="skipped", reason="no_email"),
    }
    scene.work(change_message("a", KEY), change_message("b", other))
    assert scene.gates.gate.until is not None


def test_one_members_own_trouble_opens_nothing() -> None:
    """Nor is it a sign that the CRM is up again."""
    scene = Scene()
    scene.tell()
    closed_a_while_ago(scene)
    scene.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="contact_gone", alone=True)
    scene.work()
    assert scene.gates.gate.failures == 1


def test_who_finds_no_reason_to_call_lets_another_try() -> None:
    """One that was let through, and whose members are mirrored already, keeps nobody waiting."""
    scene = Scene()
    scene.tell()
    assert scene.work() == [None]
    scene.gates.gate = CircuitRecord(until=scene.clock.now, failures=1, version=scene.gates.gate.version)
    assert scene.work() == [None], "there is nothing to send"
    assert (scene.gates.gate.until, scene.gates.gate.trying) == (scene.clock.now, False)
    scene.tell(tier_name="Gold")
    assert scene.work() == [None], "and the next one is let through at once"
    assert scene.gates.gate.until is None


def test_who_is_let_through_waits_for_no_company() -> None:
    """The others wait for what it finds out."""
    scene = Scene(crm=FakeCrm(batch_size=2))
    scene.tell()
    closed_a_while_ago(scene)
    crowd = [change_message(f"m{number}", key_of(number)) for number in range(3)]
    assert scene.work(*crowd) == [None] * 3
    assert scene.gates.gate.until is None


def test_notes_end_with_the_first_call_that_gets_nowhere() -> None:
    """The rest are not told either: they wait with it, and come back with it."""
    scene = Scene(crm=FakeCrm(notes_batch_size=1))
    scene.tell()
    asked: list[None] = []
    scene.crm.slow = lambda: asked.append(None)
    scene.crm.note_outcomes = {f"{name}.told": CrmOutcome(state="retry", reason="http_503") for name in "abc"}
    held = MessageHeader(coalesced=1)
    messages = [replace(change_message(name, KEY, "told"), header=held) for name in "abc"]
    answers = scene.work(*messages)
    assert len(asked) == 1
    assert [getattr(answer, "retry_after", None) for answer in answers] == [5, 5, 5]
