"""An erasure in every CRM: our fields and the key go everywhere, the person only from a contact that Relay made.

What Relay made is what the CRM's own answer said, noted in the sync state. A contact that the merchant had keeps its
address and its names, whatever the setting `erase_contacts` says.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from relay.crm.claimed_write import SyncResult, is_current
from relay.ports.crm import CrmOutcome
from relay.rules.settings import ErasedContacts, Rules

from tests.contract.crm.in_memory_sync import InMemorySync
from tests.contract.crm.profiles import AT, key_of
from tests.contract.crm.setups import CrmTestSetup

MIA = {
    "email": "mia@example.com",
    "first_name": "Mia",
    "last_name": "Keller",
    "phone": "+4930123456",
    "tier_name": "Gold",
}
PERSON = ("mia@example.com", "Mia", "Keller", "+4930123456", "Gold")
SETTINGS = ("clear", "delete")


def sync_with(setup: CrmTestSetup, erase_contacts: ErasedContacts = "clear") -> InMemorySync:
    """Return the sync of an adapter, with the setting and with names for every CRM that takes them."""
    sync = InMemorySync(setup.crm)
    names = ("hubspot", "klaviyo", "salesforce")
    sync.members.rules = Rules(erase_contacts=erase_contacts, write_names=names)
    return sync


def erase(sync: InMemorySync) -> SyncResult:
    """Erase the member and send the change; return its result."""
    sync.update(7001, erased_at=AT + timedelta(hours=1))
    return sync.send(7001)[key_of(7001)]


def test_erased_on_a_contact_that_relay_made(setup: CrmTestSetup) -> None:
    """The address, the names and the phone number go with our fields; the contact stays, and nothing is left to do."""
    sync = sync_with(setup)
    assert sync.write(7001, **MIA).state == "mirrored"
    result = erase(sync)
    assert isinstance(result, CrmOutcome)
    assert result.state in {"skipped", "mirrored"}
    assert not [text for text in PERSON if text in setup.texts()]
    assert len(setup.contacts()) == 1
    state = sync.sync_state(7001)
    assert (state.email, state.made_contacts) == (None, frozenset())
    assert is_current(state, sync.profile(7001)), "no later message tries it again"


@pytest.mark.parametrize("setting", SETTINGS)
def test_erased_on_a_contact_of_the_merchant(setup: CrmTestSetup, setting: ErasedContacts) -> None:
    """Our fields and the key go; what the merchant had stays, also where erased contacts are to be deleted."""
    setup.seed(email="mia@example.com", merchants_note="met at the fair")
    sync = sync_with(setup, setting)
    assert sync.write(7001, email="mia@example.com", tier_name="Gold").state == "mirrored"
    erase(sync)
    assert setup.contacts() == [{"email": "mia@example.com", "merchants_note": "met at the fair"}]
    assert sync.sync_state(7001).email is None


def test_erase_contacts_delete(setup: CrmTestSetup) -> None:
    """The contact that Relay made is deleted; a bin, where there is one, holds nothing of the person."""
    sync = sync_with(setup, "delete")
    sync.write(7001, **MIA)
    sync.write(7002, email="other@example.com")
    erase(sync)
    assert [contact["email"] for contact in setup.contacts()] == ["other@example.com"]
    assert not [text for text in PERSON if text in setup.texts()]
    sync.update(7001, erased_at=AT + timedelta(hours=1), tier_name="Silver")
    sync.send(7001)
    assert len(setup.contacts()) == 1, "a later change of an erased member makes no contact"


@pytest.mark.parametrize("setting", SETTINGS)
def test_erased_after_a_move(setup: CrmTestSetup, setting: ErasedContacts) -> None:
    """A contact that Relay made and the member has left loses the person as well; the merchant's keeps its own."""
    setup.seed(email="new@example.com", merchants_note="met at the fair")
    sync = sync_with(setup, setting)
    sync.write(7001, **MIA)
    assert sync.write(7001, **{**MIA, "email": "new@example.com"}).state == "mirrored"
    assert "mia@example.com" in setup.texts(), (
        "no erasure yet: the address stays on the contact that was left"
    )
    erase(sync)
    assert not [text for text in PERSON if text in setup.texts()]
    kept = [contact for contact in setup.contacts() if contact]
    assert kept == [{"email": "new@example.com", "merchants_note": "met at the fair"}]


def test_deletion_refused(setup: CrmTestSetup) -> None:
    """A contact that may not be deleted is empty all the same; this member alone waits, and the next try deletes it."""
    sync = sync_with(setup, "delete")
    sync.write(7001, **MIA)
    setup.fail("deletion_refused")
    result = erase(sync)
    assert isinstance(result, CrmOutcome)
    assert result.state == "waiting"
    assert result.reason.startswith("not_cleared_")
    assert not [text for text in PERSON if text in setup.texts()]
    assert len(setup.contacts()) == 1
    sync.send(7001)
    assert setup.contacts() == []


@pytest.mark.parametrize("setting", SETTINGS)
def test_joined_again_after_an_erasure(setup: CrmTestSetup, setting: ErasedContacts) -> None:
    """A person who joins again is mirrored, under the same address."""
    sync = sync_with(setup, setting)
    sync.write(7001, **MIA)
    erase(sync)
    assert sync.write(7001, **MIA).state == "mirrored"
    shown = setup.shown(key_of(7001))
    assert shown is not None
    assert (shown["email"], shown["tier_name"]) == ("mia@example.com", "Gold")
