"""What crm_sync sends of a batch of messages, and what not: against a real table of mirrors."""

from __future__ import annotations

from dataclasses import replace

from relay.errors import CoalesceError, PermanentError, TransientError
from relay.model.header import MessageHeader
from relay.model.messages import RecheckRequest, load
from relay.ports.crm import CrmOutcome

from tests.contract.crm.profiles import SHOP, key_of
from tests.functional.crm.scenes import KEY, Tabled
from tests.support.crm_fakes import change_message
from tests.support.port_fakes import FakeContext, FakeOutgoing


def test_a_change_is_mirrored_once(scene: Tabled) -> None:
    """Many messages about a member are one entry of one call, and a repetition is none."""
    scene.tell(tier_name="Gold")
    assert scene.work("m1", "m2", "m3") == {"m1": None, "m2": None, "m3": None}
    assert scene.work("m1") == {"m1": None}
    assert scene.crm.calls == [[KEY]]
    assert scene.observed == [(KEY, "mirrored")]


def test_only_what_differs_is_sent(scene: Tabled) -> None:
    """In a batch with one changed member, one is sent."""
    for customer in (1, 2, 3):
        scene.tell(customer)
    scene.work("m", customers=(1, 2, 3))
    scene.tell(2, tier_name="Gold")
    scene.work("n", customers=(1, 2, 3))
    assert scene.crm.calls[1:] == [[key_of(2)]]


def test_a_newer_fact_of_the_same_content_is_not_sent(scene: Tabled) -> None:
    """An event that repeats what is known costs no call."""
    scene.tell(tier_name="Gold")
    scene.work("m1")
    scene.tell(tier_name="Gold")
    assert scene.work("m2") == {"m2": None}
    assert len(scene.crm.calls) == 1


def test_batches_of_the_crms_size(scene: Tabled) -> None:
    """Each call has as many members as the CRM takes; one that would stay half empty waits once for company."""
    scene.crm.batch_size = 2
    answers = scene.work("m", customers=(1, 2, 3, 4, 5))
    assert [len(call) for call in scene.crm.calls] == [2, 2]
    (held,) = [message for message, answer in answers.items() if isinstance(answer, CoalesceError)]
    again = replace(change_message(held, key_of(5)), header=MessageHeader(coalesced=1))
    crowd = [change_message(f"n{number}", key_of(number)) for number in (1, 2)]
    assert set(scene.mirroring().work([again, *crowd], FakeContext()).values()) == {None}
    assert [len(call) for call in scene.crm.calls] == [2, 2, 1]


def test_few_do_not_wait(scene: Tabled) -> None:
    """Without a crowd nobody waits for company: a single change is mirrored at once."""
    scene.crm.batch_size = 10
    assert set(scene.work("m", customers=(1, 2, 3)).values()) == {None}
    assert [len(call) for call in scene.crm.calls] == [3]


def test_a_refusal_is_a_state(scene: Tabled) -> None:
    """A refused member's message is done; it is tried again when the member changes, and not before."""
    scene.tell(tier_name="Gold")
    scene.crm.outcomes[KEY] = CrmOutcome(state="refused", reason="owned_by_other")
    assert scene.work("m1") == {"m1": None}
    assert scene.work("m2") == {"m2": None}
    assert len(scene.crm.calls) == 1
    scene.crm.outcomes.clear()
    scene.tell(tier_name="Silver")
    scene.work("m3")
    assert scene.tier() == "Silver"


def test_unreadable_and_foreign_messages(scene: Tabled) -> None:
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


def test_a_missing_address_is_asked_about(scene: Tabled) -> None:
    """At every message, since the last question may have been lost; a member who could not be asked about waits."""
    scene.asked = FakeOutgoing(refuse={2})
    scene.crm.outcomes[KEY] = CrmOutcome(state="skipped", reason="no_email")
    scene.tell(email=None)
    scene.tell(7002)
    assert scene.work("m", customers=(7001, 7002)) == {"m.7001": None, "m.7002": None}
    assert scene.work("m2") == {"m2": None}
    assert [load(RecheckRequest, sent.body) for sent in scene.asked.sent] == [
        RecheckRequest(member=KEY, reason="no_email")
    ] * 2
    assert isinstance(scene.work("m3")["m3"], TransientError)
    assert scene.work("m4") == {"m4": None}
