"""Names and phone: written where the target's own field is empty, at creation and by the audit, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from relay.ports.crm import ContactRef
from relay.rules.crm_profile import CrmProfile

from tests.contract.crm import hubspot_setup, klaviyo_setup, salesforce_setup
from tests.contract.crm.hubspot_setup import HubspotTestSetup
from tests.contract.crm.klaviyo_setup import KlaviyoTestSetup
from tests.contract.crm.profiles import key_of, wanted
from tests.contract.crm.salesforce_setup import SalesforceTestSetup


@pytest.fixture
def hubspot() -> Iterator[HubspotTestSetup]:
    """Return the adapter and a fake HubSpot that knows our properties."""
    with hubspot_setup.hubspot() as setup:
        setup.prepare()
        yield setup


@pytest.fixture
def salesforce() -> Iterator[SalesforceTestSetup]:
    """Return the adapter and a fake Salesforce."""
    with salesforce_setup.salesforce() as setup:
        setup.prepare()
        yield setup


@pytest.fixture
def klaviyo() -> Iterator[KlaviyoTestSetup]:
    """Return the adapter and a fake Klaviyo."""
    with klaviyo_setup.klaviyo() as setup:
        yield setup


KEY = key_of(7001)
MIA = replace(wanted(), first_name="Mia", last_name="Keller", phone="+4930123456")
OTHER = replace(wanted(), first_name="Other", last_name="Name", phone="+49301")
OFF = replace(MIA, write_names=())
WITH_KLAVIYO = replace(MIA, write_names=("klaviyo",))


def contact(profile: CrmProfile, contact_id: str | None = None) -> ContactRef:
    """Return the contact of a profile as the audit knows it."""
    return ContactRef(key=profile.key, id=contact_id, email=profile.email)


def hubspot_person(setup: HubspotTestSetup) -> list[str | None]:
    """Return the names and the phone number of the only contact."""
    [held] = setup.fake.portal.contacts.values()
    return [held.get(name) or None for name in ("firstname", "lastname", "phone")]


def test_hubspot_names_a_contact_that_it_makes(hubspot: HubspotTestSetup) -> None:
    """At once, with one call more for the whole batch; a later change of the name is no write."""
    hubspot.crm.upsert([MIA])
    assert hubspot_person(hubspot) == ["Mia", "Keller", "+4930123456"]
    asked = len(hubspot.fake.requests)
    hubspot.crm.upsert([OTHER])
    assert hubspot_person(hubspot) == ["Mia", "Keller", "+4930123456"]
    assert len(hubspot.fake.requests) == asked + 1, "no read and no second write for a contact that is there"


def test_hubspot_leaves_the_merchants_names(hubspot: HubspotTestSetup) -> None:
    """The audit fills what is empty, and what stands there stays."""
    hubspot.crm.upsert([OFF])
    assert hubspot_person(hubspot) == [None] * 3
    [held] = hubspot.fake.portal.contacts.values()
    held["firstname"] = "Amelia"
    hubspot.crm.fill_names([MIA], [contact(MIA)])
    assert hubspot_person(hubspot) == ["Amelia", "Keller", "+4930123456"]
    asked = len(hubspot.fake.requests)
    hubspot.crm.fill_names([OFF], [contact(OFF)])
    assert len(hubspot.fake.requests) == asked, "switched off, nothing is read"


def test_salesforce_fills_what_is_empty(salesforce: SalesforceTestSetup) -> None:
    """A name of Relay's own making counts as empty; the merchant's does not."""
    salesforce.crm.upsert([wanted(7001)])
    [held] = salesforce.fake.org.records.values()
    assert held["LastName"] == "Member 7001"
    salesforce.crm.fill_names([MIA], [contact(MIA)])
    [held] = salesforce.fake.org.records.values()
    assert (held["FirstName"], held["LastName"], held["Phone"]) == ("Mia", "Keller", "+4930123456")
    salesforce.crm.fill_names([OTHER], [contact(OTHER)])
    [held] = salesforce.fake.org.records.values()
    assert (held["FirstName"], held["LastName"]) == ("Mia", "Keller")


def test_salesforce_without_names(salesforce: SalesforceTestSetup) -> None:
    """Switched off, a new contact bears the customer's number alone."""
    salesforce.crm.upsert([OFF])
    [held] = salesforce.fake.org.records.values()
    assert (held.get("FirstName"), held["LastName"]) == (None, "Member 7001")


def klaviyo_person(setup: KlaviyoTestSetup) -> list[object]:
    """Return the names of the only profile."""
    [held] = setup.fake.account.profiles.values()
    return [held.attributes.get(name) for name in ("first_name", "last_name")]


def test_klaviyo_writes_no_name_by_default(klaviyo: KlaviyoTestSetup) -> None:
    """Only where the setting names it: to a new profile, and to an empty field of another."""
    klaviyo.crm.upsert([MIA])
    assert klaviyo_person(klaviyo) == [None, None]
    held = klaviyo.crm.upsert([WITH_KLAVIYO])[KEY]
    assert klaviyo_person(klaviyo) == [None, None], "an existing profile is the audit's"
    klaviyo.crm.fill_names([WITH_KLAVIYO], [contact(WITH_KLAVIYO, held.id)])
    assert klaviyo_person(klaviyo) == ["Mia", "Keller"]
    other = replace(OTHER, write_names=("klaviyo",))
    klaviyo.crm.fill_names([other], [contact(other, held.id)])
    assert klaviyo_person(klaviyo) == ["Mia", "Keller"]


def _member(number: int, phone: str) -> CrmProfile:
    return replace(wanted(number), first_name=f"Mia {number}", last_name="Keller", phone=phone)


@pytest.mark.parametrize("multi_status", [True, False])
def test_hubspot_refuses_a_phone_number(*, multi_status: bool) -> None:
    """A number that the merchant's rule refuses costs that contact its number, and the others of the call nothing."""
    members = [_member(number, "0301/23" if number == 3 else f"30{number}") for number in range(6)]
    with hubspot_setup.hubspot(multi_status=multi_status) as setup:
        setup.prepare()
        setup.fake.portal.definitions["phone"]["type"] = "number"
        assert {each.state for each in setup.crm.upsert(members).values()} == {"mirrored"}
        held = {each["firstname"]: each.get("phone") for each in setup.fake.portal.contacts.values()}
    assert held == {f"Mia {number}": None if number == 3 else f"30{number}" for number in range(6)}


@pytest.mark.parametrize("multi_status", [True, False])
def test_hubspots_audit_fills_the_names_of_all_others(*, multi_status: bool) -> None:
    """The audit names them likewise, with a bounded number of calls."""
    members = [_member(number, "0301/23" if number == 40 else f"30{number}") for number in range(100)]
    with hubspot_setup.hubspot(multi_status=multi_status) as setup:
        setup.prepare()
        setup.crm.upsert([replace(each, write_names=()) for each in members])
        setup.fake.portal.definitions["phone"]["type"] = "number"
        asked = len(setup.fake.requests)
        setup.crm.fill_names(members, [contact(each) for each in members])
        held = {each.get("firstname"): each.get("phone") for each in setup.fake.portal.contacts.values()}
        assert len(held) == 100, "each has its name"
        assert sum(phone is None for phone in held.values()) <= 7
        assert len(setup.fake.requests) - asked <= 11


def test_salesforce_refuses_a_phone_number(salesforce: SalesforceTestSetup) -> None:
    """A new record lacks the number that is refused, and nothing else; so does one that the audit names."""
    columns = salesforce.fake.org.columns
    columns["Phone"] = replace(columns["Phone"], length=5)
    members = [_member(1, "30123"), _member(2, "030/1234567")]
    assert {each.state for each in salesforce.crm.upsert(members).values()} == {"mirrored"}
    records = list(salesforce.fake.org.records.values())
    assert [(each["FirstName"], each.get("Phone")) for each in records] == [
        ("Mia 1", "30123"),
        ("Mia 2", None),
    ]
    third = _member(3, "030/1234567")
    salesforce.crm.upsert([replace(third, write_names=())])
    salesforce.crm.fill_names([third], [contact(third)])
    *_, held = salesforce.fake.org.records.values()
    assert (held["FirstName"], held["LastName"], held.get("Phone")) == ("Mia 3", "Keller", None)


def test_salesforce_refuses_a_last_name(salesforce: SalesforceTestSetup) -> None:
    """The customer's number takes its place; where that is refused too, the member waits, and no call repeats itself."""
    columns = salesforce.fake.org.columns
    columns["LastName"] = replace(columns["LastName"], length=11)
    assert salesforce.crm.upsert([replace(MIA, last_name="Keller-Sommer")])[KEY].state == "mirrored"
    [held] = salesforce.fake.org.records.values()
    assert held["LastName"] == "Member 7001"
    columns["LastName"] = replace(columns["LastName"], length=5)
    outcome = salesforce.crm.upsert([wanted(7002)])[key_of(7002)]
    assert (outcome.state, outcome.reason) == ("waiting", "string_too_long LastName")


def test_salesforce_requires_a_phone_number(salesforce: SalesforceTestSetup) -> None:
    """What is not known cannot be written: the member waits, and the field is named."""
    columns = salesforce.fake.org.columns
    columns["Phone"] = replace(columns["Phone"], required=True)
    outcome = salesforce.crm.upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason) == ("waiting", "required_field_missing Phone")
