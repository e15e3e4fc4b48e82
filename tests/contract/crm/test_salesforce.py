"""Salesforce alone: sessions, fields that an administrator defines, and addresses that identify no contact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from fakes.fault_queue import Fault
from fakes.local_server import serve
from fakes.salesforce import FakeSalesforce
from fakes.salesforce_org import SalesforceOrg as FakeOrg
from relay.adapters.salesforce import Salesforce, SalesforceOrg
from relay.adapters.salesforce.mapping import definitions
from relay.errors import MisconfiguredError
from relay.ports.crm import ContactRef, CrmOutcome

from tests.contract.crm.profiles import AT, key_of, wanted
from tests.contract.crm.salesforce_setup import CREDENTIALS, SalesforceTestSetup, define_fields, salesforce
from tests.contract.crm.tokens import FixedToken

KEY = key_of(7001)
FIRST = "member-7001@example.com"


@pytest.fixture
def bare() -> Iterator[SalesforceTestSetup]:
    """Return an org without our fields."""
    with salesforce() as setup:
        yield setup


@pytest.fixture
def setup(bare: SalesforceTestSetup) -> SalesforceTestSetup:
    """Return an org with our fields."""
    bare.prepare()
    return bare


def test_members_wait_for_the_administrator(bare: SalesforceTestSetup) -> None:
    """Without our fields no member is written, and none is refused: all wait, and arrive once the fields exist."""
    outcomes = bare.crm.upsert([wanted(7001), wanted(7002)])
    assert set(outcomes.values()) == {
        CrmOutcome(state="unauthorised", reason="unknown_property", setting="SalesforceObject")
    }
    assert not bare.contacts()
    bare.prepare()
    assert bare.crm.upsert([wanted()])[KEY].state == "mirrored"


def test_what_is_missing_is_named(bare: SalesforceTestSetup) -> None:
    """A dry run lists the fields; without it an error asks to deploy them; then nothing is missing."""
    assert len(bare.crm.ensure_schema(dry_run=True)) == len(definitions("Contact"))
    with pytest.raises(MisconfiguredError, match="Membership_Tier__c") as caught:
        bare.crm.ensure_schema()
    assert caught.value.setting == "SalesforceObject"
    bare.prepare()
    assert bare.crm.ensure_schema() == []
    bare.crm.check()


def test_a_key_that_is_not_unique_is_not_written(setup: SalesforceTestSetup) -> None:
    """A key field that is no unique external id is an administrator's to correct."""
    columns = setup.fake.org.columns
    columns["Membership_Key__c"] = replace(columns["Membership_Key__c"], unique=False)
    with pytest.raises(MisconfiguredError, match="membership_key_is_not_unique"):
        setup.crm.ensure_schema(dry_run=True)


def test_an_ended_session_is_renewed(setup: SalesforceTestSetup) -> None:
    """A session that ends in the middle of the work costs no member."""
    setup.crm.upsert([wanted()])
    setup.fake.end_sessions()
    assert setup.crm.upsert([wanted(tier_name="Gold")])[KEY].state == "mirrored"
    assert sum("token" in asked["path"] for asked in setup.fake.requests) == 2


def test_a_known_member_costs_two_calls(setup: SalesforceTestSetup) -> None:
    """Two hundred members whose contacts are as Relay left them cost one query and one write."""
    members = [wanted(number) for number in range(200)]
    setup.crm.upsert(members)
    before = len(setup.fake.requests)
    assert {each.state for each in setup.crm.upsert(members).values()} == {"mirrored"}
    assert [asked["path"].rpartition("/")[2] for asked in setup.fake.requests[before:]] == [
        "query",
        "Membership_Key__c",
    ]


def test_several_contacts_with_the_address(setup: SalesforceTestSetup) -> None:
    """It is unknown which of them is the member: it waits, and nothing is written."""
    for _ in range(2):
        setup.seed(email=FIRST)
    assert setup.crm.upsert([wanted()])[KEY] == CrmOutcome(state="waiting", reason="identity_conflict")
    assert setup.contacts() == [{"email": FIRST}, {"email": FIRST}]


def test_several_contacts_with_the_key(setup: SalesforceTestSetup) -> None:
    """An org whose key was not unique may have it twice: the member waits, like after a 300, and nothing is written."""
    columns = setup.fake.org.columns
    columns["Membership_Key__c"] = replace(columns["Membership_Key__c"], unique=False)
    for number in range(2):
        setup.seed(email=f"{number}@example.com", key=KEY)
    assert setup.crm.upsert([wanted()])[KEY] == CrmOutcome(state="waiting", reason="identity_conflict")


def test_a_member_keeps_its_contact_at_an_ambiguous_address(setup: SalesforceTestSetup) -> None:
    """A new address that several contacts have, or one of another shop, is written to the member's own contact."""
    setup.crm.upsert([wanted(email="old@example.com")])
    setup.seed(email=FIRST, key="other.myshopify.com:1")
    setup.seed(email="two@example.com")
    setup.seed(email="two@example.com")
    for email in (FIRST, "two@example.com"):
        assert setup.crm.upsert([wanted(email=email)])[KEY].state == "mirrored"
        shown = setup.shown(KEY)
        assert shown is not None
        assert shown["email"] == email
    assert {"email": FIRST, "key": "other.myshopify.com:1"} in setup.contacts()


def test_two_members_and_one_contact(setup: SalesforceTestSetup) -> None:
    """Of two new members with one address, the first gets the contact and the other a new one, together and one by one."""
    setup.seed(email=FIRST)
    both = [wanted(7001), wanted(7002, email=FIRST)]
    for _ in range(2):
        assert {each.state for each in setup.crm.upsert(both).values()} == {"mirrored"}
        for each in both:
            assert setup.crm.upsert([each])[each.key].state == "mirrored"
    assert sorted(contact["key"] for contact in setup.contacts()) == sorted(each.key for each in both)


def test_a_member_keeps_its_contact_beside_a_free_one(setup: SalesforceTestSetup) -> None:
    """An address is not unique: the member's own contact gets it, and the merchant's other one is not touched."""
    setup.crm.upsert([wanted(email="old@example.com")])
    setup.seed(email=FIRST, merchants_note="met at the fair")
    assert setup.crm.upsert([wanted()])[KEY].state == "mirrored"
    own, other = setup.contacts()
    assert (own["key"], own["email"]) == (KEY, FIRST)
    assert other == {"email": FIRST, "merchants_note": "met at the fair"}


def test_a_key_with_blanks_around_it(setup: SalesforceTestSetup) -> None:
    """A contact whose key was edited by hand is still the member's, and gets the key as it is."""
    setup.seed(email=FIRST, key=f" {KEY} ")
    assert setup.crm.upsert([wanted(tier_name="Gold")])[KEY].state == "mirrored"
    [contact] = setup.contacts()
    assert (contact["key"], contact["tier_name"]) == (KEY, "Gold")


def test_a_duplicate_rule_that_warns() -> None:
    """A member waits for a rule of the merchant's, with the reason; a setting says that a warning stops nothing."""
    for allowed in (False, True):
        fake = FakeSalesforce(org=FakeOrg(duplicate_rule=True))
        define_fields(fake)
        fake.org.create({"LastName": "Doe", "Email": FIRST, "Membership_Key__c": key_of(1)})
        with serve(fake.app()) as base_url:
            org = SalesforceOrg(base_url, allow_duplicates=allowed)
            crm = Salesforce(org, FixedToken(CREDENTIALS))
            outcome = crm.upsert([wanted()])[KEY]
            crm.close()
        waiting = CrmOutcome(state="waiting", reason="duplicates_detected")
        assert outcome.state == "mirrored" if allowed else outcome == waiting


def test_a_refusal_names_the_field(setup: SalesforceTestSetup) -> None:
    """A field that an administrator requires is named: only the merchant knows what belongs there."""
    columns = setup.fake.org.columns
    columns["Region__c"] = replace(columns["FirstName"], required=True)
    assert setup.crm.upsert([wanted()])[KEY] == CrmOutcome(
        state="waiting", reason="required_field_missing Region__c"
    )


def test_a_new_contact_bears_the_members_name(setup: SalesforceTestSetup) -> None:
    """Names are written to a new contact alone; one without a last name gets the customer's number."""
    setup.crm.upsert([replace(wanted(), first_name="Mia", last_name="Keller")])
    setup.crm.upsert([replace(wanted(), first_name="Other", last_name="Name")])
    setup.crm.upsert([wanted(7002)])
    names = [(each.get("FirstName"), each["LastName"]) for each in setup.fake.org.records.values()]
    assert names == [("Mia", "Keller"), (None, "Member 7002")]


def test_a_lock_within_a_trigger(setup: SalesforceTestSetup) -> None:
    """A lock that a trigger met is told with the trigger's code, and passes like any other."""
    setup.fake.faults.waiting.append(
        Fault(
            path="/composite/",
            record_code="CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            record_message="Trigger: System.DmlException: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access",
        )
    )
    outcome = setup.crm.upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason, outcome.member_only) == ("retry", "unable_to_lock_row", True)


def test_a_hostile_address_is_a_literal(setup: SalesforceTestSetup) -> None:
    """An address with quotes is a text in our query: it finds only itself."""
    setup.seed(email="innocent@example.com")
    email = "o'x')OR(Email!='@example.com"
    assert setup.crm.upsert([wanted(email=email)])[KEY].state == "mirrored"
    assert [contact["email"] for contact in setup.contacts()] == ["innocent@example.com", email]


def test_long_answers_are_read_to_the_end(setup: SalesforceTestSetup) -> None:
    """An answer in parts is read part by part."""
    members = [wanted(number) for number in range(10)]
    setup.crm.upsert(members)
    setup.fake.page = 3
    assert {each.state for each in setup.crm.upsert(members).values()} == {"mirrored"}
    assert len(setup.contacts()) == 10


def test_what_was_written_is_what_is_read(setup: SalesforceTestSetup) -> None:
    """Reading finds exactly the expected fields; members that the org lacks are missing."""
    profile = wanted(
        tier_name="Gold “früher”" + "x" * 300,
        credit_balance=Decimal("24.90"),
        joined_at=AT,
        next_payment_on=date(2026, 12, 5),
        referrals_count=0,
    )
    setup.crm.upsert([profile])
    held = setup.crm.read([ContactRef(key=KEY), ContactRef(key=key_of(7002))])
    assert held == {KEY: setup.crm.expected_fields(profile)}
    assert held[KEY]["credit_balance"] == "24.9"
    assert held[KEY]["joined_at"] == "2026-11-22T10:00:00.000Z"


def test_clearing_a_contact(setup: SalesforceTestSetup) -> None:
    """Our fields are removed from the member's contact, and nothing else; another member's contact is skipped."""
    setup.seed(email=FIRST, merchants_note="met at the fair")
    setup.crm.upsert([wanted(tier_name="Gold")])
    outcomes = setup.crm.clear(
        [ContactRef(key=KEY, id=_id(setup)), ContactRef(key=key_of(7002), id=_id(setup))]
    )
    assert (outcomes[KEY].state, outcomes[key_of(7002)].state) == ("mirrored", "skipped")
    assert setup.contacts() == [{"email": FIRST, "merchants_note": "met at the fair"}]


def test_an_object_of_the_merchants_own() -> None:
    """Members can be records of a custom object, which has no last name and gets an e-mail field of ours."""
    fake = FakeSalesforce(org=FakeOrg("Member__c"))
    define_fields(fake)
    with serve(fake.app()) as base_url:
        crm = Salesforce(SalesforceOrg(f"{base_url}/", "Member__c"), FixedToken(CREDENTIALS))
        assert crm.upsert([wanted()])[KEY].state == "mirrored"
        assert crm.ensure_schema() == []
        crm.close()
    [record] = fake.org.records.values()
    assert (record["Membership_Key__c"], record["Membership_Email__c"]) == (KEY, FIRST)


def _id(setup: SalesforceTestSetup) -> str:
    return next(iter(setup.fake.org.records))
