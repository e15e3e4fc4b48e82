"""A merchant can edit the key of a contact by hand: the member keeps its contact, and no second one has its fields."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final

import pytest
from relay.crm.claimed_write import SyncResult
from relay.ports.crm import ContactRef, CrmOutcome
from relay.rules.settings import Rules

from tests.contract.crm.hubspot_setup import HubspotTestSetup, hubspot
from tests.contract.crm.in_memory_sync import InMemorySync
from tests.contract.crm.klaviyo_setup import KlaviyoTestSetup, klaviyo
from tests.contract.crm.profiles import key_of, wanted
from tests.contract.crm.salesforce_setup import SalesforceTestSetup, salesforce
from tests.contract.crm.setups import CrmTestSetup

MakeSetup = Callable[[], AbstractContextManager[CrmTestSetup]]

KEY: Final = key_of(7001)
MIA: Final = "mia@example.com"
NEW: Final = "new@example.com"

HARMLESS: Final = ("", f" {KEY} ", KEY.upper())
"""Edits after which the contact is still no other member's."""


def _state(result: SyncResult) -> str:
    return result.state if isinstance(result, CrmOutcome) else str(result)


def _with_our_fields(setup: CrmTestSetup) -> list[tuple[str | None, str | None]]:
    """Return key and address of each contact that has a field of a membership."""
    return [(each.get("key"), each.get("email")) for each in setup.contacts() if each.get("tier_name")]


@pytest.mark.parametrize("email", [MIA, NEW])
@pytest.mark.parametrize("edited", HARMLESS)
def test_edited_key(setup: CrmTestSetup, edited: str, email: str) -> None:
    """The contact gets the key back, with every address; Klaviyo's profiles go by their addresses."""
    sync = InMemorySync(setup.crm)
    setup.seed(email=MIA, merchants_note="met at the fair")
    sync.write(7001, email=MIA, tier_name="Gold")
    setup.edit_key(KEY, edited)
    assert sync.write(7001, email=email, tier_name="Silver").state == "mirrored"
    assert _with_our_fields(setup) == [(KEY, email)]
    assert sync.sync_state(7001).previous_contacts == frozenset()
    shown = setup.shown(KEY)
    assert shown is not None
    assert shown["tier_name"] == "Silver"
    if setup.crm.identified_by == "key":
        assert shown["merchants_note"] == "met at the fair"


@pytest.mark.parametrize("edited", HARMLESS)
def test_clearing_an_edited_key(setup: CrmTestSetup, edited: str) -> None:
    """A contact whose key was edited or emptied is found by its id, and loses our fields."""
    setup.seed(email=wanted().email or "", merchants_note="met at the fair")
    outcome = setup.crm.upsert([wanted(tier_name="Gold")])[KEY]
    setup.edit_key(KEY, edited)
    contact = ContactRef(key=KEY, id=outcome.id, email=wanted().email)
    assert setup.crm.clear([contact])[KEY].state == "mirrored"
    assert _with_our_fields(setup) == []
    assert [each["merchants_note"] for each in setup.contacts()] == ["met at the fair"]


@pytest.mark.parametrize("previous", [True, False])
@pytest.mark.parametrize("make", [hubspot, klaviyo, salesforce])
@pytest.mark.parametrize("key", [key_of(7002), "other.myshopify.com:1"])
def test_a_contact_under_another_key_is_not_cleared(make: MakeSetup, key: str, *, previous: bool) -> None:
    """Whoever has the contact now keeps its fields."""
    with make() as setup:
        setup.prepare()
        outcome = setup.crm.upsert([wanted(tier_name="Gold")])[KEY]
        setup.edit_key(KEY, key)
        contact = ContactRef(key=KEY, id=outcome.id, email=wanted().email, previous=previous)
        assert setup.crm.clear([contact])[KEY].state == "skipped"
        assert _with_our_fields(setup) == [(key, wanted().email)]


@pytest.mark.parametrize("make", [hubspot, salesforce])
def test_a_key_of_no_member(make: MakeSetup) -> None:
    """A key of this shop that no member has, a slip of the hand, locks no member out and makes no second contact."""
    with make() as setup:
        setup.prepare()
        sync = InMemorySync(setup.crm)
        sync.write(7001, email=MIA, tier_name="Gold")
        setup.edit_key(KEY, key_of(70011))
        assert sync.write(7001, email=NEW, tier_name="Silver").state == "mirrored"
        assert _with_our_fields(setup) == [(KEY, NEW)]


@pytest.mark.parametrize("make", [hubspot, salesforce])
def test_a_key_of_another_member(make: MakeSetup) -> None:
    """A contact that the merchant gave to another active member stays that one's; this one gets its own."""
    with make() as setup:
        setup.prepare()
        sync = InMemorySync(setup.crm)
        sync.write(7001, email=MIA, tier_name="Gold")
        sync.update(7002, email="ben@example.com", tier_name="Gold")
        setup.edit_key(KEY, key_of(7002))
        assert sync.write(7001, email=NEW, tier_name="Silver").state == "mirrored"
        assert sorted(_with_our_fields(setup)) == [(KEY, NEW), (key_of(7002), MIA)]


def test_a_contact_that_hubspot_may_make_again() -> None:
    """Where contacts may be made again none is read before: a second one is made, and the first one loses our fields."""
    with hubspot() as setup:
        setup.prepare()
        sync = InMemorySync(setup.crm)
        sync.members.rules = Rules(remake_contacts=("hubspot",))
        sync.write(7001, email=MIA, tier_name="Gold")
        setup.edit_key(KEY, "")
        assert sync.write(7001, email=NEW, tier_name="Silver").state == "mirrored"
        assert _with_our_fields(setup) == [(KEY, NEW)]


def test_a_free_contact_at_the_address() -> None:
    """A Salesforce member whose key was emptied keeps its own record, though a free one has its address too."""
    with salesforce() as setup:
        setup.prepare()
        sync = InMemorySync(setup.crm)
        sync.write(7001, email=MIA, tier_name="Gold")
        own = sync.sync_state(7001).id
        setup.edit_key(KEY, "")
        setup.seed(email=MIA)
        outcome = sync.write(7001, email=MIA, tier_name="Silver")
        assert (outcome.state, outcome.id) == ("mirrored", own)
        assert _with_our_fields(setup) == [(KEY, MIA)]


def test_two_members_of_one_former_record() -> None:
    """A record that two sync states name becomes the first one's, in one call as one by one."""
    with salesforce() as setup:
        setup.prepare()
        sync = InMemorySync(setup.crm)
        own = sync.write(7001, email=MIA, tier_name="Gold").id
        sync.write(7002, email="ben@example.com", tier_name="Gold")
        setup.delete(key_of(7002))
        setup.edit_key(KEY, "")
        sync.sync_states.states[key_of(7002)] = replace(sync.sync_state(7002), id=own)
        sync.update(7001, email=MIA, tier_name="Silver")
        sync.update(7002, email="ben@example.com", tier_name="Silver")
        assert [_state(each) for each in sync.send(7001, 7002).values()] == ["mirrored", "mirrored"]
        assert sorted(_with_our_fields(setup)) == [(KEY, MIA), (key_of(7002), "ben@example.com")]


def test_an_edited_address_leaves_no_second_contact(setup: CrmTestSetup) -> None:
    """A merchant who edits the address on a contact, and the key, makes no copy of the membership."""
    sync = InMemorySync(setup.crm)
    sync.write(7001, email=MIA, tier_name="Gold")
    edit_address(setup, MIA, "edited@example.com")
    setup.edit_key(KEY, "")
    assert sync.write(7001, email=MIA, tier_name="Silver").state == "mirrored"
    assert _with_our_fields(setup) == [(KEY, MIA)]


def edit_address(setup: CrmTestSetup, email: str, other: str) -> None:
    """Change the address of a contact by hand."""
    if isinstance(setup, HubspotTestSetup):
        contacts = [(each, "email") for each in setup.fake.portal.contacts.values()]
    elif isinstance(setup, KlaviyoTestSetup):
        contacts = [(each.attributes, "email") for each in setup.fake.account.profiles.values()]
    else:
        assert isinstance(setup, SalesforceTestSetup)
        contacts = [(each, "Email") for each in setup.fake.org.records.values()]
    for held, name in contacts:
        if held.get(name) == email:
            held[name] = other
