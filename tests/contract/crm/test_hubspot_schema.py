"""HubSpot's properties: defined once, checked, and named if a member cannot be written because of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fakes.hubspot_portal import UNIQUE_AT_MOST
from relay.adapters.hubspot.timeline import definition
from relay.errors import MisconfiguredError
from relay.ports.crm import CrmOutcome

from tests.contract.crm.hubspot_setup import HubspotTestSetup, hubspot
from tests.contract.crm.profiles import key_of, wanted

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
