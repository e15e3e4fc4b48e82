"""The CRM is compared with the truth field by field; fields whose event never arrived are listed apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from local_stack.crm_diff import FieldDifference, compare_crm

KEY = "acme.myshopify.com:1"


def member(unheard: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    return {"key": KEY, "customer_id": "1", "fields": fields, "unheard": list(unheard)}


def differences(truth: Mapping[str, Any], **contact: str) -> tuple[FieldDifference, ...]:
    return compare_crm([truth], {KEY: contact}).differences


def test_equal_is_equal() -> None:
    """Fields are compared under the CRM's names; None equals an absent property, and 25 equals 25.00."""
    truth = member(tier_name="Gold", credit_balance="25", pending_cancel_at=None, failed_attempts=2)
    held = {
        "membership_tier": "Gold",
        "membership_credit_balance": "25.00",
        "membership_failed_attempts": "2",
    }
    assert differences(truth, **held) == ()


@pytest.mark.parametrize(
    ("truth", "held"),
    [("Gold", "Silver"), ("Gold", ""), (None, "Silver"), ("Gold", "gold")],
)
def test_a_field_that_differs_is_named(truth: str | None, held: str) -> None:
    """Another value, a missing one and one that should be cleared are named with both values."""
    found = differences(member(tier_name=truth), membership_tier=held)
    assert found == (FieldDifference("1", "tier_name", truth or "", held),)


def test_a_member_without_a_contact_is_a_difference() -> None:
    """A missing contact is reported like a wrong field."""
    assert compare_crm([member(tier_name="Gold")], {}).differences == (
        FieldDifference("1", "contact", "a member", ""),
    )


def test_a_field_whose_event_never_arrived_is_listed_apart() -> None:
    """Only the field whose newest event never reached Relay is excused; other fields are not."""
    truth = member(("tier_name",), tier_name="Gold", status="active")
    found = compare_crm([truth], {KEY: {"membership_tier": "Silver", "membership_status": "cancelled"}})
    assert [one.field for one in found.unheard] == ["tier_name"]
    assert [one.field for one in found.differences] == ["status"]


@pytest.mark.parametrize(("arrived", "faults"), [(True, 1), (False, 0)])
def test_a_missing_contact_is_excused_only_if_no_event_arrived(*, arrived: bool, faults: int) -> None:
    """One event that arrived suffices for a contact."""
    unheard = ("status", "tier_name")[: 1 if arrived else 2]
    found = compare_crm([member(unheard, status="active", tier_name="Gold")], {})
    assert len(found.differences) == faults
    assert len(found.unheard) == 1 - faults


def test_fields_of_relays_own_are_not_compared() -> None:
    """When Relay last received or sent something is no fact about the member."""
    assert differences(member(last_event_at="2026-01-01T00:00:00.000Z", last_failure_at="x")) == ()


@pytest.mark.parametrize(
    ("contact", "faults"), [(None, 0), ({"membership_tier": "Gold"}, 0), ({"email": "ada@example.com"}, 1)]
)
def test_an_erased_member_has_no_address(contact: dict[str, str] | None, faults: int) -> None:
    """It may have no contact, or one without an address; the address itself is not shown in the difference."""
    erased = {**member(email=None, tier_name="Gold"), "erased": True}
    found = compare_crm([erased], {KEY: contact} if contact else {}).differences
    assert len(found) == faults
    assert "ada@" not in str(found)
