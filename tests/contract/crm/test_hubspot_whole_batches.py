"""HubSpot may refuse a whole batch for one record, in spite of trace ids: halves lead to the same outcomes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.crm.hubspot_setup import HubspotTestSetup, hubspot
from tests.contract.crm.profiles import key_of, wanted


@pytest.fixture
def setup() -> Iterator[HubspotTestSetup]:
    """Return the adapter and a fake HubSpot that reports no errors by record."""
    with hubspot(multi_status=False) as setup:
        setup.prepare()
        yield setup


def test_identity_conflict(setup: HubspotTestSetup) -> None:
    """The member whose address is taken gets the existing contact; all others are written."""
    setup.seed(email="member-3@example.com")
    outcomes = setup.crm.upsert([wanted(number) for number in range(7)])
    assert {outcome.state for outcome in outcomes.values()} == {"mirrored"}
    assert len(setup.contacts()) == 7


def test_partial(setup: HubspotTestSetup) -> None:
    """The member at fault is refused; all others are written."""
    outcomes = setup.crm.upsert(
        [wanted(number, email="odd" if number == 2 else f"{number}@example.com") for number in range(5)]
    )
    assert [key for key, outcome in outcomes.items() if outcome.state != "mirrored"] == [key_of(2)]
    assert len(setup.contacts()) == 4


def test_the_schema_is_defined_once(setup: HubspotTestSetup) -> None:
    """A second call defines nothing; a property that the merchant deletes is defined again."""
    assert setup.crm.ensure_schema() == []
    del setup.fake.portal.definitions["membership_tier"]
    assert setup.crm.ensure_schema(dry_run=True) == ["membership_tier"]
    assert setup.crm.upsert([wanted(tier_name="Gold")])[key_of(7001)].state == "mirrored"
