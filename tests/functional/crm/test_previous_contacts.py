"""A new address, a deleted address, and what a CRM refuses to clear: no previous contact keeps a member's fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from relay.crm.waiting import retry_change
from relay.errors import TransientError
from relay.ports.crm import ContactRef, CrmOutcome
from relay.ports.members import MemberRecord

from tests.contract.crm.profiles import key_of, member
from tests.functional.crm.crm_setups import KEY, CrmSetup
from tests.support.crm_fakes import FakeCrm, KilledError, change_message


def test_the_previous_contact_is_cleared_afterwards() -> None:
    """If e-mail identifies members, a new address leaves no field of the member on the previous contact.

    The new one is written before: a refusal of either call leaves a contact that holds the member.
    """
    setup = CrmSetup()
    setup.update_member(email="old@example.com")
    assert setup.work() == [None]
    assert setup.crm.cleared == []
    setup.update_member(email="new@example.com")
    assert setup.work() == [None]
    assert setup.crm.cleared == [
        ContactRef(key=KEY, id="contact of old at example.com", email="old@example.com")
    ]
    assert len(setup.crm.calls) == 2
    assert setup.sync_states.states[KEY].email == "new@example.com"


def test_a_clearing_that_fails_is_tried_again_as_a_clearing() -> None:
    """The new contact is written once; what the previous one still holds is noted until it is clear."""
    setup = CrmSetup()
    setup.update_member(email="old@example.com")
    setup.work()
    setup.update_member(email="new@example.com")
    setup.crm.clear_outcomes[KEY] = CrmOutcome(state="retry", reason="http_503")
    assert isinstance(setup.work()[0], TransientError)
    assert len(setup.crm.calls) == 2
    assert setup.sync_states.states[KEY].previous_contacts == {"contact of old at example.com"}
    setup.crm.clear_outcomes.clear()
    setup.clock.forward(10)
    assert setup.work() == [None]
    assert len(setup.crm.calls) == 2, "the member itself is not written again"
    assert setup.crm.cleared[-1] == ContactRef(key=KEY, id="contact of old at example.com", previous=True)
    assert setup.sync_states.states[KEY].previous_contacts == frozenset()


def test_with_keys_nothing_is_cleared() -> None:
    """If the key identifies members, an upsert moves the contact."""
    setup = CrmSetup(crm=FakeCrm(identified_by="key"))
    setup.update_member(email="old@example.com")
    setup.work()
    setup.update_member(email="new@example.com")
    assert setup.work() == [None]
    assert setup.crm.cleared == []


@pytest.mark.parametrize("by", ["key", "email"])
def test_an_address_that_is_gone(by: str) -> None:
    """After an erasure the CRM holds no field of the member."""
    setup = CrmSetup(crm=FakeCrm(identified_by="email" if by == "email" else "key"))
    setup.update_member(email="old@example.com")
    setup.work()
    setup.crm.outcomes[KEY] = CrmOutcome(state="skipped", reason="no_email")
    setup.update_member(email=None)
    assert setup.work() == [None]
    assert [contact.email for contact in setup.crm.cleared] == ["old@example.com"]
    assert setup.crm.held == {}
    setup.update_member(email=None, tier_name="Gold")
    setup.work()
    assert len(setup.crm.cleared) == 1, "what is gone is not cleared again"


@pytest.mark.parametrize("by", ["key", "email"])
def test_a_refusal_to_clear_is_not_final(by: str) -> None:
    """An erased member does not change again: what a CRM refused to clear waits, and is tried again."""
    setup = CrmSetup(crm=FakeCrm(identified_by="email" if by == "email" else "key"))
    setup.update_member(email="old@example.com")
    setup.work()
    setup.update_member(email=None)
    setup.crm.outcomes[KEY] = CrmOutcome(state="skipped", reason="no_email")
    setup.crm.clear_outcomes[KEY] = CrmOutcome(state="refused", reason="http_400")
    assert setup.work() == [None], "its message is done: a state that the status shows, and no dead letter"
    known = setup.sync_states.states[KEY]
    assert (known.state, known.reason, known.digest) == ("waiting", "not_cleared_http_400", None)
    setup.crm.clear_outcomes.clear()
    assert setup.work(replace(change_message("again", KEY), body=retry_change(KEY).body)) == [None]
    assert setup.crm.held == {}
    assert setup.sync_states.states[KEY].state == "skipped"
    cleared = len(setup.crm.cleared)
    setup.work()
    assert len(setup.crm.cleared) == cleared, "what is gone is not cleared again"


@pytest.mark.parametrize("by", ["key", "email"])
def test_an_erasure_after_a_crash(by: str) -> None:
    """An invocation killed after the first call for a member leaves a trace by which the contact is cleared."""
    setup = CrmSetup(crm=FakeCrm(identified_by="email" if by == "email" else "key"))
    setup.update_member(email="old@example.com")

    def killed() -> None:
        raise KilledError

    setup.crm.after.append(killed)
    with pytest.raises(KilledError):
        setup.work()
    assert setup.crm.held.keys() == {KEY}
    setup.clock.forward(130)
    setup.update_member(email=None)
    setup.crm.outcomes[KEY] = CrmOutcome(state="skipped", reason="no_email")
    assert setup.work() == [None]
    assert setup.crm.held == {}


def test_with_keys_a_contact_is_cleared_once() -> None:
    """All stored addresses lead to the same contact."""
    setup = CrmSetup(crm=FakeCrm(identified_by="key"))
    setup.update_member(email="old@example.com")
    setup.work()
    setup.update_member(email="new@example.com")
    setup.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="http_500", member_only=True)
    setup.work()
    setup.update_member(email=None)
    setup.crm.outcomes[KEY] = CrmOutcome(state="skipped", reason="no_email")
    assert setup.work() == [None]
    assert [contact.key for contact in setup.crm.cleared] == [KEY]


def test_an_address_that_changes_on_the_way_is_not_written() -> None:
    """Only an address that the claim has stored is written: so a dead invocation leaves a trace of it."""
    setup = CrmSetup()
    setup.update_member(email="first@example.com")
    claim_members = setup.sync_states.claim

    def claim(members: Sequence[str], **how: object) -> object:
        setup.update_member(email="second@example.com")
        return claim_members(members, **how)  # type: ignore[arg-type]  # passed on

    setattr(setup.sync_states, "claim", claim)  # noqa: B010 - the fake is a dataclass
    assert isinstance(setup.work()[0], TransientError)
    assert setup.crm.calls == []
    setattr(setup.sync_states, "claim", claim_members)  # noqa: B010 - likewise
    assert setup.work() == [None]
    assert setup.crm.held[KEY].email == "second@example.com"


def test_a_backfills_member_is_marked() -> None:
    """Without jobs, a member that only a back-fill names is sent with that mark; one that a change names too is not."""
    setup = CrmSetup(crm=FakeCrm(identified_by="key"))
    other = key_of(7002)
    setup.update_member()
    setup.members.records[other] = MemberRecord(member=member(7002), version=1)
    messages = [change_message(f"backfill.{key}", key, backfill=True) for key in (KEY, other)]
    assert setup.work(*messages, change_message("m", KEY)) == [None] * 3
    assert {key: held.backfill for key, held in setup.crm.held.items()} == {KEY: False, other: True}
