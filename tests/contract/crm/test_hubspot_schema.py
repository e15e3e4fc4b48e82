"""HubSpot's properties: made once, verified, and named where they stand in a member's way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fakes.hubspot_portal import UNIQUE_AT_MOST
from relay.adapters.hubspot.timeline import definition
from relay.errors import MisconfiguredError, TransientError
from relay.ports.crm import CrmOutcome

from tests.contract.crm.hubspot_bench import HubspotBench, hubspot
from tests.contract.crm.profiles import key_of, wanted

KEY = key_of(7001)


@pytest.fixture
def bare() -> Iterator[HubspotBench]:
    """Return a portal that has never heard of us."""
    with hubspot() as bench:
        yield bench


def _property(name: str, **more: Any) -> dict[str, Any]:
    text = {"label": "By hand", "type": "string", "fieldType": "text", "groupName": "contactinformation"}
    return {"name": name, **text, **more}


def test_a_property_of_another_type_is_named(bare: HubspotBench) -> None:
    """What the merchant made by our name and another type is his to mend: it is named, and nobody is refused for it."""
    bare.standin.portal.define(_property("membership_credit_balance"))
    with pytest.raises(MisconfiguredError, match="membership_credit_balance_is_no_number"):
        bare.crm.check()
    outcome = bare.crm.upsert([wanted()])[KEY]
    assert outcome == CrmOutcome(state="unauthorised", reason="membership_credit_balance_is_no_number")


def test_a_property_that_is_there_is_no_failure(bare: HubspotBench) -> None:
    """One that is there already, in the same type, is as good as made."""
    bare.standin.portal.define(_property("membership_tier_id"))
    assert "membership_tier_id" not in bare.crm.ensure_schema()
    assert bare.crm.ensure_schema() == []


def test_a_property_that_cannot_be_made_is_not_reported_as_made(bare: HubspotBench) -> None:
    """A portal that has no room for a further unique property says so within a success."""
    for number in range(UNIQUE_AT_MOST):
        bare.standin.portal.define(_property(f"unique_{number}", hasUniqueValue=True))
    with pytest.raises(TransientError, match="properties_not_made"):
        bare.crm.ensure_schema()


def test_a_property_that_the_merchant_requires_is_named(bare: HubspotBench) -> None:
    """Since 2026-09 rules for required properties hold for the API too: the member is refused, the property told."""
    bare.prepare()
    bare.standin.portal.required.add("lastname")
    outcome = bare.crm.upsert([wanted()])[KEY]
    assert outcome == CrmOutcome(state="refused", reason="required_property lastname")


def test_partial_207(bare: HubspotBench) -> None:
    """By its trace id the one at fault is known at once: no second call is made to find it."""
    bare.prepare()
    bare.crm.upsert([wanted(7001), wanted(7002, email="not an address"), wanted(7003)])
    assert bare.writes() == [3]


def test_an_address_that_is_none_is_told_without_quoting_it(bare: HubspotBench) -> None:
    """The reason is HubSpot's code and the property; the message, which quotes the value, stays out."""
    bare.prepare()
    outcome = bare.crm.upsert([wanted(email="not an address")])[KEY]
    assert outcome == CrmOutcome(state="refused", reason="invalid_email email")


def test_an_event_among_many(bare: HubspotBench) -> None:
    """A portal has up to five hundred definitions, and lists them in pages: ours are found wherever they stand."""
    events = bare.standin.portal.events
    for number in range(250):
        events.define({**definition("Membership Joined"), "name": f"aaa_{number}"})
    made = bare.crm.ensure_schema()
    assert "Membership Joined" in made
    assert bare.crm.ensure_schema() == []
