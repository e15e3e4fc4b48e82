"""HubSpot's properties: defined once, checked, and named if a member cannot be written because of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fakes.hubspot_errors import HubspotError
from fakes.hubspot_portal import UNIQUE_AT_MOST
from relay.adapters.hubspot.timeline import definition
from relay.errors import MisconfiguredError
from relay.ports.crm import ContactRef, CrmOutcome

from tests.contract.crm.hubspot_setup import HubspotTestSetup, hubspot
from tests.contract.crm.profiles import AT, key_of, wanted

KEY = key_of(7001)


@pytest.fixture
def bare() -> Iterator[HubspotTestSetup]:
    """Return a portal without our properties."""
    with hubspot() as setup:
        yield setup


def _property(name: str, **more: Any) -> dict[str, Any]:
    text = {"label": "By hand", "type": "string", "fieldType": "text", "groupName": "contactinformation"}
    return {"name": name, **text, **more}


def test_a_property_of_another_type_is_named(bare: HubspotTestSetup) -> None:
    """A property with our name and another type is the merchant's to correct: it is named, and no member is refused for it."""
    bare.fake.portal.define(_property("membership_credit_balance"))
    with pytest.raises(MisconfiguredError, match="membership_credit_balance_is_no_number"):
        bare.crm.check()
    outcome = bare.crm.upsert([wanted()])[KEY]
    assert outcome == CrmOutcome(
        state="waiting",
        reason="membership_credit_balance_is_no_number",
        setting="the property membership_credit_balance in HubSpot",
    )


def test_an_existing_property_is_no_failure(bare: HubspotTestSetup) -> None:
    """A property that exists with the same type is as good as defined."""
    bare.fake.portal.define(_property("membership_tier_id"))
    assert "membership_tier_id" not in bare.crm.ensure_schema()
    assert bare.crm.ensure_schema() == []


def test_a_property_that_cannot_be_defined_is_not_reported_as_defined(bare: HubspotTestSetup) -> None:
    """A portal without room for another unique property reports that within a success: the limit is named."""
    for number in range(UNIQUE_AT_MOST):
        bare.fake.portal.define(_property(f"unique_{number}", hasUniqueValue=True))
    with pytest.raises(MisconfiguredError, match="property_limit_reached 1"):
        bare.crm.ensure_schema()


def test_a_property_that_the_merchant_requires_is_named(bare: HubspotTestSetup) -> None:
    """Since 2026-09 required properties hold for the API too: the member waits, and the property is named."""
    bare.prepare()
    bare.fake.portal.required.add("lastname")
    outcome = bare.crm.upsert([wanted()])[KEY]
    assert outcome == CrmOutcome(state="waiting", reason="required_property lastname")


def test_partial_207(bare: HubspotTestSetup) -> None:
    """The trace id names the member at fault: no second call is needed to find it."""
    bare.prepare()
    bare.crm.upsert([wanted(7001), wanted(7002, email="not an address"), wanted(7003)])
    assert bare.writes() == [3]


def test_an_invalid_address_is_not_quoted(bare: HubspotTestSetup) -> None:
    """The reason is HubSpot's code and the property, without the message, which quotes the value."""
    bare.prepare()
    outcome = bare.crm.upsert([wanted(email="not an address")])[KEY]
    assert outcome == CrmOutcome(state="refused", reason="invalid_email email")


def test_an_event_among_many(bare: HubspotTestSetup) -> None:
    """A portal has up to five hundred definitions in pages: ours are found on any page."""
    events = bare.fake.portal.events
    for number in range(250):
        events.define({**definition("Membership Joined"), "name": f"aaa_{number}"})
    made = bare.crm.ensure_schema()
    assert "Membership Joined" in made
    assert bare.crm.ensure_schema() == []


def test_an_option_that_a_newer_version_needs(bare: HubspotTestSetup) -> None:
    """It is added to the portal's property, beside the merchant's own; a dry run names the property and changes nothing."""
    bare.prepare()
    portal = bare.fake.portal
    options = [{"label": "Theirs", "value": "theirs", "displayOrder": 0, "hidden": False}]
    portal.definitions["membership_status"]["options"] = options
    assert bare.crm.ensure_schema(dry_run=True) == ["membership_status"]
    assert portal.definitions["membership_status"]["options"] == options
    assert bare.crm.ensure_schema() == ["membership_status"]
    values = [option["value"] for option in portal.definitions["membership_status"]["options"]]
    assert values[0] == "theirs"
    assert {"active", "past_due"} <= set(values)
    assert bare.crm.ensure_schema() == []


@pytest.mark.parametrize("multi_status", [True, False])
@pytest.mark.parametrize("previous", [True, False])
@pytest.mark.parametrize("gone", ["membership_manage_url", "membership_shopify_customer_id"])
def test_a_property_that_is_gone_stops_no_clearing(gone: str, *, previous: bool, multi_status: bool) -> None:
    """A merchant deleted it, or a newer Relay has not defined it yet: an erased member's contact loses all others."""
    with hubspot(multi_status=multi_status) as setup:
        setup.prepare()
        member = setup.crm.upsert([wanted(tier_name="Gold")])[KEY]
        portal = setup.fake.portal
        del portal.definitions[gone]
        [held] = portal.contacts.values()
        held.pop(gone, None)
        contact = ContactRef(key=KEY, id=member.id, email=wanted().email, previous=previous)
        assert setup.crm.clear([contact])[KEY].state == "mirrored"
        [held] = portal.contacts.values()
        assert not [name for name, value in held.items() if name.startswith("membership_") and value]


@pytest.mark.parametrize("label", ["Past due", "PAST DUE ", "Active"])
def test_an_option_whose_label_the_merchant_uses(bare: HubspotTestSetup, label: str) -> None:
    """HubSpot refuses two options of one label: ours gets another one, and the merchant's stays as it is."""
    bare.prepare()
    theirs = {"label": label, "value": "theirs", "displayOrder": 0, "hidden": False}
    bare.fake.portal.definitions["membership_status"]["options"] = [theirs]
    assert bare.crm.ensure_schema() == ["membership_status"]
    options = bare.fake.portal.definitions["membership_status"]["options"]
    assert options[0] == theirs
    assert {"active", "past_due"} <= {option["value"] for option in options}
    assert bare.crm.upsert([wanted()])[KEY].state == "mirrored"


def test_a_choice_at_its_limit_of_options_is_named(bare: HubspotTestSetup) -> None:
    """The dry run names the property, `prepare` its limit; members wait until the merchant has made room."""
    bare.prepare()
    portal = bare.fake.portal
    portal.definitions["membership_status"]["options"] = [{"label": "Theirs", "value": "theirs"}]
    portal.options_at_most = 3
    assert bare.crm.ensure_schema(dry_run=True) == ["membership_status"]
    with pytest.raises(MisconfiguredError, match="property_limit_reached membership_status"):
        bare.crm.ensure_schema()
    outcome = bare.crm.upsert([wanted(joined_at=AT)])[KEY]
    assert (outcome.state, outcome.reason) == ("waiting", "property_limit_reached membership_status")
    portal.options_at_most = 5000
    assert bare.crm.upsert([wanted()])[KEY].state == "mirrored"


def test_an_option_that_is_missing_is_no_members_fault(bare: HubspotTestSetup) -> None:
    """The member arrives: the option is defined on the way, once."""
    bare.prepare()
    bare.fake.portal.definitions["membership_status"]["options"] = [{"label": "x", "value": "x"}]
    outcomes = bare.crm.upsert([wanted(7001), wanted(7002)])
    assert {outcome.state for outcome in outcomes.values()} == {"mirrored"}


def test_a_plans_limit_of_properties_is_named(bare: HubspotTestSetup) -> None:
    """Members wait for it, with the limit as the reason; none is refused, and none is lost after three days."""
    bare.fake.portal.properties_at_most = 10
    with pytest.raises(MisconfiguredError, match="property_limit_reached") as caught:
        bare.crm.ensure_schema()
    assert caught.value.setting == "HubSpot's properties"
    outcome = bare.crm.upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason.partition(" ")[0]) == ("waiting", "property_limit_reached")
    bare.fake.portal.properties_at_most = 1000
    assert bare.crm.upsert([wanted()])[KEY].state == "mirrored"


def test_an_event_that_grows(bare: HubspotTestSetup) -> None:
    """A property that a newer version sends is added to the event that the portal has."""
    bare.prepare()
    events = bare.fake.portal.events.definitions
    joined = next(each for each in events.values() if each["name"] == "membership_joined")
    whole = joined["propertyDefinitions"]
    joined["propertyDefinitions"] = whole[:2]
    assert bare.crm.ensure_schema(dry_run=True) == ["Membership Joined"]
    bare.crm.ensure_schema()
    assert joined["propertyDefinitions"] == whole


def test_an_event_that_cannot_be_defined(bare: HubspotTestSetup) -> None:
    """It is named, and the events that can be defined are."""
    bare.fake.portal.events.definitions_at_most = 5
    with pytest.raises(MisconfiguredError, match="event_not_defined"):
        bare.crm.ensure_schema()
    assert len(bare.fake.portal.events.definitions) == 5


@pytest.mark.parametrize("own", [True, False])
def test_a_secondary_address(bare: HubspotTestSetup, own: bool) -> None:  # noqa: FBT001 - a table's column
    """Everything but `email` is written: Relay never makes an address the primary one of the merchant's contact."""
    bare.prepare()
    portal = bare.fake.portal
    if own:
        bare.crm.upsert([wanted(email="primary@example.com")])
    else:
        bare.seed(email="primary@example.com", merchants_note="met at the fair")
    [contact] = portal.contacts
    portal.secondary["second@example.com"] = contact
    for _ in range(2):
        outcome = bare.crm.upsert([wanted(email="second@example.com", tier_name="Gold")])[KEY]
        assert (outcome.state, outcome.id) == ("mirrored", contact)
        assert portal.contacts[contact]["email"] == "primary@example.com"
        assert portal.contacts[contact]["membership_tier"] == "Gold"
    assert len(portal.contacts) == 1


def test_a_key_with_blanks_around_it(bare: HubspotTestSetup) -> None:
    """A contact whose key was edited by hand is still the member's, and gets the key as it is."""
    bare.prepare()
    bare.seed(email="member-7001@example.com", key=f" {KEY} ")
    assert bare.crm.upsert([wanted()])[KEY].state == "mirrored"
    [contact] = bare.contacts()
    assert contact["key"] == KEY


@pytest.mark.parametrize("status", [400, 409])
@pytest.mark.parametrize("quoted", ["mia@example.com", '"999 already has that value."@example.com'])
def test_an_address_in_use_told_in_another_sentence(
    bare: HubspotTestSetup, monkeypatch: pytest.MonkeyPatch, status: int, quoted: str
) -> None:
    """The sentence that names the contact after the quoted value leads to it as well, and the value to no contact."""
    bare.prepare()
    bare.seed(email="mia@example.com", merchants_note="met at the fair")
    portal = bare.fake.portal
    check = portal._check_unique

    def refuse(contact: str, name: str, value: object) -> None:
        try:
            check(contact, name, value)  # type: ignore[arg-type]  # as it is called
        except HubspotError:
            [holder] = [each for each, held in portal.contacts.items() if held.get("email") == value]
            raise HubspotError(
                status,
                "VALIDATION_ERROR",
                f"Cannot set propertyName=email, value={quoted} on {contact}. {holder} already has that value.",
                "CONFLICTING_UNIQUE_VALUE",
            ) from None

    monkeypatch.setattr(type(portal), "_check_unique", lambda _, *given: refuse(*given))
    assert bare.crm.upsert([wanted(email="mia@example.com"), wanted(7002)])[KEY].state == "mirrored"
    shown = bare.shown(KEY)
    assert shown is not None
    assert shown["merchants_note"] == "met at the fair"
