"""A CRM that lets nobody through is left alone: what was not sent waits, and what is in doubt is not repeated."""

from __future__ import annotations

from datetime import timedelta

from relay.errors import MisconfiguredError, ParkedError, TransientError
from relay.mirrors.mirroring.invocation import NEEDED_MS
from relay.ports.crm import Outcome

from tests.contract.crm.profiles import key_of
from tests.functional.crm.scenes import KEY, Scene, Tabled


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


def test_turned_away(scene: Tabled) -> None:
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


def test_a_closed_door_is_knocked_at_once(scene: Tabled) -> None:
    """When nobody of a batch gets through, the batches behind it are not tried."""
    scene.crm.batch_size = 2
    keys = [key_of(number) for number in range(6)]
    scene.crm.outcomes = dict.fromkeys(keys, Outcome(state="retry", reason="rate_limits", retry_after=9))
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
