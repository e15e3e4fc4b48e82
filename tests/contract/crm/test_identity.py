"""One member is one contact, whatever is repeated, late or moved; and nobody else's contact is ever taken."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from relay.crm.sync import CrmSync
from relay.ports.crm import ContactRef, CrmOutcome
from relay.ports.members import MemberRecord
from relay.rules.crm_profile import CrmProfile

from tests.contract.crm.benches import Bench
from tests.contract.crm.profiles import AT, SHOP, key_of, member, wanted
from tests.support.crm_fakes import FakeMirrors, change_message
from tests.support.port_fakes import FakeContext, FakeMembers

KEY = key_of(7001)


def test_duplicate(bench: Bench) -> None:
    """A member twice in one call, and again in a second one, is one contact."""
    for _ in range(2):
        outcomes = bench.crm.upsert([wanted(tier_name="Gold"), wanted(tier_name="Gold")])
        assert outcomes[KEY].state == "mirrored"
    assert len(bench.contacts()) == 1


def test_out_of_order(bench: Bench) -> None:
    """A message about an older event that comes after a newer one's leaves the newer state in the CRM."""
    members = FakeMembers({KEY: MemberRecord(member=member(credit_balance=Decimal(5)))})
    mirroring = CrmSync(
        shop=SHOP,
        crm=bench.crm,
        members=members,
        mirrors=FakeMirrors(),
        clock=lambda: AT,
        credential="SECRET",
        observe=lambda key, outcome: None,
    )
    older, newer = change_message("older", KEY), change_message("newer", KEY)
    members.records[KEY] = MemberRecord(
        member=member(7001, AT + timedelta(minutes=1), credit_balance=Decimal(9)), version=2
    )
    for message in (newer, older):
        assert mirroring.work([message], FakeContext()) == {message.id: None}
    shown = bench.shown(KEY)
    assert shown is not None
    assert shown["credit_balance"] == "9"


def test_email_change(bench: Bench) -> None:
    """A new address moves with the member: one contact bears its key, and that has the new address."""
    former = bench.crm.upsert([wanted(email="old@example.com")])[KEY]
    assert _moved(bench, former, wanted(email="new@example.com")).state == "mirrored"
    assert [contact["email"] for contact in bench.contacts() if contact.get("key") == KEY] == [
        "new@example.com"
    ]


def test_email_change_to_an_address_in_use(bench: Bench) -> None:
    """The contact with the new address takes the member over; the former one keeps nothing of it."""
    home = bench.crm.upsert([wanted(email="old@example.com", tier_name="Gold")])[KEY]
    bench.seed(email="new@example.com", merchants_note="met at the fair")
    outcome = _moved(bench, home, wanted(email="new@example.com", tier_name="Gold"))
    assert outcome.state == "mirrored"
    former, present = bench.contacts()
    assert former == {"email": "old@example.com"}
    assert present["key"] == KEY
    assert present["tier_name"] == "Gold"
    assert present["merchants_note"] == "met at the fair"


def _moved(bench: Bench, former: CrmOutcome, profile: CrmProfile) -> CrmOutcome:
    """Write a member under a new address, as `crm_sync` does: the former contact is cleared where the CRM needs it."""
    if bench.crm.homes_by == "email":
        cleared = bench.crm.clear([ContactRef(key=KEY, id=former.id, email="old@example.com")])
        assert cleared[KEY].state == "mirrored"
    return bench.crm.upsert([profile])[KEY]


def test_no_email(bench: Bench) -> None:
    """A member without an address is skipped and says so; the others of the call are written."""
    outcomes = bench.crm.upsert([wanted(email=None), wanted(7002)])
    assert outcomes[KEY] == CrmOutcome(state="skipped", reason="no_email")
    assert outcomes[key_of(7002)].state == "mirrored"
    assert len(bench.contacts()) == 1


def test_identity_conflict(bench: Bench) -> None:
    """A contact that the merchant already has under the address becomes the member's; the others are written."""
    bench.seed(email="member-7001@example.com", merchants_note="met at the fair")
    outcomes = bench.crm.upsert([wanted(), wanted(7002)])
    assert [outcomes[key].state for key in (KEY, key_of(7002))] == ["mirrored", "mirrored"]
    assert len(bench.contacts()) == 2
    shown = bench.shown(KEY)
    assert shown is not None
    assert shown["merchants_note"] == "met at the fair"


def test_owned_by_other(bench: Bench) -> None:
    """A contact under another shop's key is never taken; the member is refused, the contact untouched."""
    theirs = {"email": "member-7001@example.com", "key": "other.myshopify.com:1", "tier_name": "Theirs"}
    bench.seed(**theirs)
    outcome = bench.crm.upsert([wanted(tier_name="Ours")])[KEY]
    assert (outcome.state, outcome.reason) == ("refused", "owned_by_other")
    assert bench.contacts() == [theirs]
