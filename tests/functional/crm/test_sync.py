"""What crm_sync sends of a batch of messages, and what not: with a real table of sync states."""

from __future__ import annotations

from dataclasses import replace

from relay.errors import CoalesceError, PermanentError, TransientError
from relay.model.header import MessageHeader
from relay.model.messages import RecheckRequest, load
from relay.ports.crm import CrmOutcome

from tests.contract.crm.profiles import SHOP, key_of
from tests.functional.crm.crm_setups import KEY, CrmTableSetup
from tests.support.crm_fakes import change_message
from tests.support.port_fakes import FakeContext, FakeOutgoing


def test_a_change_is_mirrored_once(setup: CrmTableSetup) -> None:
    """Many messages about a member are one entry of one call, and a repetition is none."""
    setup.update_member(tier_name="Gold")
    assert setup.work("m1", "m2", "m3") == {"m1": None, "m2": None, "m3": None}
    assert setup.work("m1") == {"m1": None}
    assert setup.crm.calls == [[KEY]]
    assert setup.observed == [(KEY, "mirrored")]


def test_only_what_differs_is_sent(setup: CrmTableSetup) -> None:
    """In a batch with one changed member, one is sent."""
    for customer in (1, 2, 3):
        setup.update_member(customer)
    setup.work("m", customers=(1, 2, 3))
    setup.update_member(2, tier_name="Gold")
    setup.work("n", customers=(1, 2, 3))
    assert setup.crm.calls[1:] == [[key_of(2)]]


def test_a_newer_fact_of_the_same_content_is_not_sent(setup: CrmTableSetup) -> None:
    """An event that repeats what is known costs no call."""
    setup.update_member(tier_name="Gold")
    setup.work("m1")
    setup.update_member(tier_name="Gold")
    assert setup.work("m2") == {"m2": None}
    assert len(setup.crm.calls) == 1


def test_batches_of_the_crms_size(setup: CrmTableSetup) -> None:
    """Each call has as many members as the CRM takes; a partial batch waits once."""
    setup.crm.batch_size = 2
    answers = setup.work("m", customers=(1, 2, 3, 4, 5))
    assert [len(call) for call in setup.crm.calls] == [2, 2]
    (deferred,) = [message for message, answer in answers.items() if isinstance(answer, CoalesceError)]
    again = replace(change_message(deferred, key_of(5)), header=MessageHeader(coalesced=1))
    others = [change_message(f"n{number}", key_of(number)) for number in (1, 2)]
    assert set(setup.crm_sync().work([again, *others], FakeContext()).values()) == {None}
    assert [len(call) for call in setup.crm.calls] == [2, 2, 1]


def test_few_do_not_wait(setup: CrmTableSetup) -> None:
    """Without a backlog no batch waits: a single change is mirrored at once."""
    setup.crm.batch_size = 10
    assert set(setup.work("m", customers=(1, 2, 3)).values()) == {None}
    assert [len(call) for call in setup.crm.calls] == [3]


def test_a_refusal_is_a_state(setup: CrmTableSetup) -> None:
    """A refused member's message is done; it is tried again when the member changes, and not before."""
    setup.update_member(tier_name="Gold")
    setup.crm.outcomes[KEY] = CrmOutcome(state="refused", reason="owned_by_other")
    assert setup.work("m1") == {"m1": None}
    assert setup.work("m2") == {"m2": None}
    assert len(setup.crm.calls) == 1
    setup.crm.outcomes.clear()
    setup.update_member(tier_name="Silver")
    setup.work("m3")
    assert setup.tier() == "Silver"


def test_messages_of_another_shop(setup: CrmTableSetup) -> None:
    """A message about another shop's member, or about none, is a permanent error; the others are handled."""
    setup.update_member()
    crm_sync = setup.crm_sync()
    bad = [
        change_message("other", "other.myshopify.com:1"),
        change_message("odd", "7001"),
        change_message("none", f"{SHOP}:"),
    ]
    answers = crm_sync.work([*bad, change_message("good", KEY)], FakeContext())
    assert answers["good"] is None
    for message in bad:
        error = answers[message.id]
        assert isinstance(error, PermanentError)
        assert error.reason == "other_shop"


def test_a_missing_address_is_requested(setup: CrmTableSetup) -> None:
    """At every message, since the last request may be lost; a member whose request failed waits."""
    setup.rechecks = FakeOutgoing(refuse={2})
    setup.crm.outcomes[KEY] = CrmOutcome(state="skipped", reason="no_email")
    setup.update_member(email=None)
    setup.update_member(7002)
    assert setup.work("m", customers=(7001, 7002)) == {"m.7001": None, "m.7002": None}
    assert setup.work("m2") == {"m2": None}
    assert [load(RecheckRequest, sent.body) for sent in setup.rechecks.sent] == [
        RecheckRequest(member=KEY, reason="no_email")
    ] * 2
    assert isinstance(setup.work("m3")["m3"], TransientError)
    assert setup.work("m4") == {"m4": None}
