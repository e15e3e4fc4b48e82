"""A CRM that is down is not called: what was not sent waits, and what is uncertain is not repeated."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from relay.crm.run import NEEDED_MS
from relay.errors import CircuitOpenError, MisconfiguredError, TransientError
from relay.model.header import MessageHeader
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import CircuitRecord

from tests.contract.crm.profiles import key_of
from tests.functional.crm.crm_setups import KEY, CrmSetup, CrmTableSetup
from tests.support.crm_fakes import FakeCrm, change_message


def test_a_crm_that_is_down_is_not_called() -> None:
    """After a failed call, messages go back unread; later one probe is let through, and closes the circuit."""
    setup = CrmSetup()
    setup.update_member(tier_name="Gold")
    setup.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="http_503")
    (first,) = setup.work()
    assert isinstance(first, CircuitOpenError), "what was rejected comes back with the others"
    assert first.retry_after == 5
    setup.members.failure = AssertionError("nothing is read while the circuit is open")
    (waiting,) = setup.work()
    assert isinstance(waiting, TransientError)
    assert waiting.retry_after == 5
    setup.members.failure = None
    setup.crm.outcomes.clear()
    setup.clock.forward(6)
    assert setup.work() == [None]
    assert setup.circuits.record.until is None


def test_a_probe_checks_first() -> None:
    """The probe makes the cheapest call, and reads no member for it."""
    setup = CrmSetup()
    setup.update_member(tier_name="Gold")
    setup.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="http_503")
    setup.work()
    setup.crm.outcomes.clear()
    setup.clock.forward(6)
    setup.crm.check_error = TransientError("fake: http_503")
    assert isinstance(setup.work()[0], TransientError)
    assert (len(setup.crm.calls), setup.circuits.record.failures) == (1, 2)
    setup.crm.check_error = None
    assert isinstance(setup.work()[0], TransientError), "and the wait is longer now"
    setup.clock.forward(11)
    assert setup.work() == [None]


def test_a_call_that_broke_off_is_waited_for() -> None:
    """What may still take effect is not sent again when the circuit closes, but when it certainly cannot."""
    setup = CrmSetup()
    setup.update_member()
    setup.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="timeout", unanswered=True)
    (first,) = setup.work()
    assert isinstance(first, TransientError)
    assert first.retry_after == 60
    assert setup.circuits.record.until == setup.clock.now + timedelta(seconds=5)


def test_one_members_own_retry_does_not_open_the_circuit() -> None:
    """A retry that concerns one member alone is no sign that the CRM is down."""
    setup = CrmSetup()
    setup.update_member()
    setup.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="contact_gone", member_only=True)
    setup.work()
    assert setup.circuits.record.until is None


def test_rejected_credentials(setup: CrmTableSetup) -> None:
    """Rejected credentials defer all messages, name the setting, and end the calls."""
    setup.crm.batch_size = 1
    setup.crm.outcomes = dict.fromkeys(
        (key_of(1), key_of(2)), CrmOutcome(state="unauthorised", reason="http_401")
    )
    answers = setup.work("m", customers=(1, 2))
    assert len(setup.crm.calls) == 1
    assert len(answers) == 2
    assert all(isinstance(answer, MisconfiguredError) for answer in answers.values())
    assert {answer.setting for answer in answers.values() if isinstance(answer, MisconfiguredError)} == {
        "/relay/secret"
    }


def test_the_first_failed_call_is_the_last(setup: CrmTableSetup) -> None:
    """When no member of a batch gets through, the batches behind it are not tried."""
    setup.crm.batch_size = 2
    keys = [key_of(number) for number in range(6)]
    setup.crm.outcomes = dict.fromkeys(keys, CrmOutcome(state="retry", reason="rate_limits", retry_after=9))
    answers = setup.work("m", customers=tuple(range(6)))
    assert [getattr(answer, "retry_after", None) for answer in answers.values()] == [9] * 6
    assert [len(call) for call in setup.crm.calls] == [2]


def test_no_time_left(setup: CrmTableSetup) -> None:
    """With too little time for another batch nothing is started, and no receive is spent on it."""
    setup.millis = NEEDED_MS - 1
    answer = setup.work("m1")["m1"]
    assert isinstance(answer, TransientError)
    assert not setup.crm.calls


def test_our_own_table_is_down(setup: CrmTableSetup) -> None:
    """When members cannot be read, nothing is sent and everything is deferred."""
    setup.members.failure = TransientError("members table: down")
    assert isinstance(setup.work("m1")["m1"], TransientError)
    assert not setup.crm.calls


def opened_a_while_ago(setup: CrmSetup) -> None:
    """Let a call fail, and then enough time pass for a probe."""
    setup.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="http_503")
    setup.work()
    setup.crm.outcomes.clear()
    setup.clock.forward(6)


def test_rejected_credentials_open_the_circuit() -> None:
    """They open it like an outage; all messages name the setting, also those that no call was made for."""
    setup = CrmSetup(crm=FakeCrm(batch_size=1))
    setup.crm.outcomes[KEY] = CrmOutcome(state="unauthorised", reason="http_401")
    coalesced = MessageHeader(coalesced=1)
    behind = replace(change_message("b", key_of(7002)), header=coalesced)
    answers = setup.work(replace(change_message("a", KEY), header=coalesced), behind)
    assert setup.crm.calls == [[KEY]]
    assert [getattr(answer, "setting", None) for answer in answers] == ["SECRET", "SECRET"]
    assert setup.circuits.record.until == setup.clock.now + timedelta(seconds=5)


def test_one_member_got_through() -> None:
    """Of two members in a call one was rejected: the CRM is up, and the circuit stays closed."""
    setup = CrmSetup()
    setup.update_member()
    other = key_of(7002)
    setup.crm.outcomes[other] = CrmOutcome(state="retry", reason="row_lock")
    answers = setup.work(change_message("a", KEY), change_message("b", other))
    assert answers[0] is None
    assert isinstance(answers[1], TransientError)
    assert setup.circuits.record.until is None


def test_a_member_without_a_call_is_no_sign() -> None:
    """A member without an address needs no call, and is no sign that the CRM is up."""
    setup = CrmSetup()
    setup.update_member()
    other = key_of(7002)
    setup.crm.outcomes = {
        KEY: CrmOutcome(state="retry", reason="http_503"),
        other: CrmOutcome(state="skipped", reason="no_email"),
    }
    setup.work(change_message("a", KEY), change_message("b", other))
    assert setup.circuits.record.until is not None


def test_one_members_own_retry_does_not_close_the_circuit() -> None:
    """A retry that concerns one member alone is no sign that the CRM is up again."""
    setup = CrmSetup()
    setup.update_member()
    opened_a_while_ago(setup)
    setup.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="contact_gone", member_only=True)
    setup.work()
    assert setup.circuits.record.failures == 1


def test_a_probe_without_a_reason_to_call_lets_another_try() -> None:
    """A probe whose members are mirrored already delays no other invocation."""
    setup = CrmSetup()
    setup.update_member()
    assert setup.work() == [None]
    setup.circuits.record = CircuitRecord(
        state="open", until=setup.clock.now, failures=1, version=setup.circuits.record.version
    )
    assert setup.work() == [None], "there is nothing to send"
    assert (setup.circuits.record.until, setup.circuits.record.state) == (setup.clock.now, "open")
    setup.update_member(tier_name="Gold")
    assert setup.work() == [None], "and the next invocation is a probe at once"
    assert setup.circuits.record.until is None


def test_a_probe_does_not_wait_for_a_fuller_batch() -> None:
    """The other invocations wait for its result."""
    setup = CrmSetup(crm=FakeCrm(batch_size=2))
    setup.update_member()
    opened_a_while_ago(setup)
    messages = [change_message(f"m{number}", key_of(number)) for number in range(3)]
    assert setup.work(*messages) == [None] * 3
    assert setup.circuits.record.until is None


def test_notes_end_with_the_first_failed_call() -> None:
    """The rest are not sent either: they wait and come back with it."""
    setup = CrmSetup(crm=FakeCrm(notes_batch_size=1))
    setup.update_member()
    asked: list[None] = []
    setup.crm.slow = lambda: asked.append(None)
    setup.crm.note_outcomes = {
        f"{name}.joined": CrmOutcome(state="retry", reason="http_503") for name in "abc"
    }
    coalesced = MessageHeader(coalesced=1)
    messages = [replace(change_message(name, KEY, "joined"), header=coalesced) for name in "abc"]
    answers = setup.work(*messages)
    assert len(asked) == 1
    assert [getattr(answer, "retry_after", None) for answer in answers] == [5, 5, 5]
