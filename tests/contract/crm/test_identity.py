"""One member is one contact, whatever is repeated, late or moved; and another member's contact is never taken."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from relay.crm.sync import CrmSync
from relay.ports.crm import CrmOutcome
from relay.ports.members import MemberRecord

from tests.contract.crm.in_memory_sync import InMemorySync
from tests.contract.crm.profiles import AT, SHOP, key_of, member, wanted
from tests.contract.crm.setups import CrmTestSetup
from tests.support.crm_fakes import FakeSyncStates, change_message
from tests.support.port_fakes import FakeContext, FakeMembers

KEY = key_of(7001)


def test_duplicate(setup: CrmTestSetup) -> None:
    """A member twice in one call, and again in a second one, is one contact."""
    for _ in range(2):
        outcomes = setup.crm.upsert([wanted(tier_name="Gold"), wanted(tier_name="Gold")])
        assert outcomes[KEY].state == "mirrored"
    assert len(setup.contacts()) == 1


def test_out_of_order(setup: CrmTestSetup) -> None:
    """The message of an older event, after that of a newer one, leaves the newer state in the CRM."""
    members = FakeMembers({KEY: MemberRecord(member=member(credit_balance=Decimal(5)))})
    crm_sync = CrmSync(
        shop=SHOP,
        crm=setup.crm,
        members=members,
        sync_states=FakeSyncStates(),
        clock=lambda: AT,
        credential="SECRET",
        observe=lambda key, outcome: None,
    )
    older, newer = change_message("older", KEY), change_message("newer", KEY)
    members.records[KEY] = MemberRecord(
        member=member(7001, AT + timedelta(minutes=1), credit_balance=Decimal(9)), version=2
    )
    for message in (newer, older):
        assert crm_sync.work([message], FakeContext()) == {message.id: None}
    shown = setup.shown(KEY)
    assert shown is not None
    assert shown["credit_balance"] == "9"


def test_email_change(setup: CrmTestSetup) -> None:
    """A new address moves with the member: one contact is under its key, and has the new address."""
    members = InMemorySync(setup.crm)
    members.write(7001, email="old@example.com")
    assert members.write(7001, email="new@example.com").state == "mirrored"
    assert [contact["email"] for contact in setup.contacts() if contact.get("key") == KEY] == [
        "new@example.com"
    ]
    assert members.sync_state(7001).previous_contacts == frozenset()


def test_email_change_to_an_address_in_use(setup: CrmTestSetup) -> None:
    """The contact with the new address becomes the member's; the previous one keeps none of its fields."""
    members = InMemorySync(setup.crm)
    members.write(7001, email="old@example.com", tier_name="Gold")
    setup.seed(email="new@example.com", merchants_note="met at the fair")
    assert members.write(7001, email="new@example.com", tier_name="Gold").state == "mirrored"
    previous, present = setup.contacts()
    assert previous == {"email": "old@example.com"}
    assert present["key"] == KEY
    assert present["tier_name"] == "Gold"
    assert present["merchants_note"] == "met at the fair"
    assert members.sync_state(7001).previous_contacts == frozenset()


def test_no_email(setup: CrmTestSetup) -> None:
    """A member without an address is skipped, with the reason; the others of the call are written."""
    outcomes = setup.crm.upsert([wanted(email=None), wanted(7002)])
    assert outcomes[KEY] == CrmOutcome(state="skipped", reason="no_email")
    assert outcomes[key_of(7002)].state == "mirrored"
    assert len(setup.contacts()) == 1


def test_identity_conflict(setup: CrmTestSetup) -> None:
    """A contact that the merchant has under the address becomes the member's; the others are written."""
    setup.seed(email="member-7001@example.com", merchants_note="met at the fair")
    outcomes = setup.crm.upsert([wanted(), wanted(7002)])
    assert [outcomes[key].state for key in (KEY, key_of(7002))] == ["mirrored", "mirrored"]
    assert len(setup.contacts()) == 2
    shown = setup.shown(KEY)
    assert shown is not None
    assert shown["merchants_note"] == "met at the fair"


def test_owned_by_other(setup: CrmTestSetup) -> None:
    """A contact under another shop's key is never taken; the member is refused, the contact untouched."""
    theirs = {"email": "member-7001@example.com", "key": "other.myshopify.com:1", "tier_name": "Theirs"}
    setup.seed(**theirs)
    outcome = setup.crm.upsert([wanted(tier_name="Ours")])[KEY]
    assert (outcome.state, outcome.reason) == ("refused", "owned_by_other")
    assert setup.contacts() == [theirs]


def test_secondary_address(setup: CrmTestSetup) -> None:
    """An address that is another one of the member's contact stays that: everything else is written."""
    setup.crm.upsert([wanted(email="primary@example.com")])
    setup.add_address("primary@example.com", "second@example.com")
    assert setup.crm.upsert([wanted(email="second@example.com", tier_name="Gold")])[KEY].state == "mirrored"
    [contact] = setup.contacts()
    assert (contact["email"], contact["tier_name"]) == ("primary@example.com", "Gold")
