"""Whose fault an answer is, through each adapter: no member is refused for an edge, a version or a full account."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from relay.crm.waiting import retry_change

from tests.contract.crm.in_memory_sync import InMemorySync
from tests.contract.crm.profiles import key_of, wanted
from tests.contract.crm.setups import CrmTestSetup
from tests.functional.crm.test_waiting import Stack
from tests.support.crm_fakes import change_message

KEY = key_of(7001)


def test_edge_page(setup: CrmTestSetup) -> None:
    """HTML with a 403 before the provider is "not now": it blames no member and no credential."""
    setup.fail("edge_page")
    outcome = setup.crm.upsert([wanted()])[KEY]
    assert (outcome.state, outcome.setting) == ("retry", "")
    assert setup.crm.upsert([wanted()])[KEY].state == "mirrored"


def test_version_ended(setup: CrmTestSetup) -> None:
    """A version or an address that the provider has ended is named as the setting that it is, and no member waits for it."""
    setup.fail("version_ended")
    outcome = setup.crm.upsert([wanted()])[KEY]
    names = {
        "hubspot": "HubSpotVersion",
        "klaviyo": "KlaviyoRevision",
        "salesforce": "SalesforceVersion",
        "webhook": "WebhookUrl",
    }
    assert (outcome.state, outcome.setting) == ("unauthorised", names[setup.crm.name])


def test_provider_wide_code(setup: CrmTestSetup) -> None:
    """A lasting answer that every member meets makes all of them wait, and refuses none."""
    setup.fail("provider_wide_code")
    outcomes = setup.crm.upsert([wanted(7001)])
    assert {outcome.state for outcome in outcomes.values()} == {"waiting"}
    assert setup.crm.upsert([wanted(7001)])[KEY].state == "mirrored"


def test_unknown_code(setup: CrmTestSetup) -> None:
    """An answer that is in no table makes a member wait."""
    setup.fail("unknown_code")
    assert setup.crm.upsert([wanted()])[KEY].state == "waiting"


def test_waiting_and_its_next_try(setup: CrmTestSetup) -> None:
    """The member is stored as waiting, with the code and its next try; then it arrives."""
    setup.fail("provider_wide_code")
    sync = InMemorySync(setup.crm)
    assert sync.write(7001).state == "waiting"
    state = sync.sync_state(7001)
    assert (state.state, bool(state.reason)) == ("waiting", True)
    assert state.waiting is not None
    assert (state.waiting.tries, state.waiting.next_try > state.waiting.since) == (1, True)
    sync.send(7001)
    assert (sync.sync_state(7001).state, sync.sync_state(7001).waiting) == ("mirrored", None)


def test_the_schedule_of_a_waiting_member(setup: CrmTestSetup) -> None:
    """Three weeks of virtual time, the calls counted: 15 minutes, an hour, four hours, then daily; then it is refused."""
    setup.fail("provider_wide_code", times=1_000)
    stack = Stack()
    stack.crm = setup.crm  # type: ignore[assignment]  # a real adapter
    stack.add(7001)
    assert list(stack.change(7001).values()) == [None], "its message is acknowledged"
    calls = {}
    for hours in (0.2, 0.6, 2, 6, 24 + 7, 48 + 8):
        stack.until(timedelta(hours=hours))
        calls[hours] = len(setup.writes())
    assert calls == {0.2: 1, 0.6: 2, 2: 3, 6: 4, 31: 5, 56: 6}
    stack.until(timedelta(days=21))
    assert len(setup.writes()) == 18
    assert stack.state().state == "refused"
    setup.heal()
    stack.work(replace(change_message("retry", KEY), body=retry_change(KEY).body))
    assert stack.state().state == "mirrored"


def test_provider_wide_code_for_a_while(setup: CrmTestSetup) -> None:
    """Two hours of one code for every member: few calls, no member refused; healed, each member and each note arrives, once."""
    setup.fail("provider_wide_code", times=100_000)
    stack = Stack()
    stack.crm = setup.crm  # type: ignore[assignment]  # a real adapter
    customers = range(7_000, 7_260)
    stack.add(*customers)
    stack.change(*customers, notes=("Membership Joined",))
    stack.until(timedelta(hours=2))
    record = stack.circuits.record
    assert (record.by_code, record.state in {"open", "half_open"}) == (True, True)
    assert len(setup.writes()) <= 25 + 25, "the first batch, then one member every five minutes"
    assert not [state for state in stack.sync_states.states.values() if state.state == "refused"]
    assert setup.contacts() == []
    setup.heal()
    before = len(setup.writes())
    stack.until(timedelta(hours=2, minutes=25))
    assert stack.circuits.record.state == "closed"
    assert {stack.state(customer).state for customer in customers} == {"mirrored"}
    assert len(setup.contacts()) == len(customers)
    by_message = setup.crm.name == "webhook"  # each note is a message, and counts among the writes
    assert len(setup.writes()) - before <= (2 + by_message) * len(customers) / setup.per_call + 20
    notes = 0 if setup.crm.name == "salesforce" else len(customers)
    assert len(setup.started()) == notes
    assert not stack.deferred


def test_notes_of_a_waiting_member(setup: CrmTestSetup) -> None:
    """A note waits with its member, in its own message, and follows it."""
    stack = Stack()
    stack.add(7001)
    crm = stack.crm
    stack.crm = setup.crm  # type: ignore[assignment]  # a real adapter
    setup.fail("provider_wide_code")
    note = change_message("m", KEY, "Membership Joined")
    assert stack.work(note)["m"] is not None
    assert stack.state().state == "waiting"
    assert stack.work(replace(change_message("retry", KEY), body=retry_change(KEY).body))["retry"] is None
    assert stack.work(note) == {"m": None}
    assert crm.recorded == []
