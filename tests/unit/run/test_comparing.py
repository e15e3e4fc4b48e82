"""Whether the CRM is what is true: each field that differs is named, and what nobody was told of stands apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from relay_cli.comparing import Difference, compare

KEY = "acme.myshopify.com:1"


def member(unheard: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    return {"key": KEY, "customer_id": "1", "fields": fields, "unheard": list(unheard)}


def differences(truth: Mapping[str, Any], **contact: str) -> tuple[Difference, ...]:
    return compare([truth], {KEY: contact}).differences


def test_equal_is_equal() -> None:
    """Each field under the name that the CRM has for it; nothing is an absent property; 25 is 25.00."""
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
    """Another value, a missing one, one that should be cleared: with the truth and what is there instead."""
    found = differences(member(tier_name=truth), membership_tier=held)
    assert found == (Difference("1", "tier_name", truth or "", held),)


def test_a_member_without_a_contact_is_a_difference() -> None:
    """Nobody is left out of the comparison by not being there."""
    assert compare([member(tier_name="Gold")], {}).differences == (
        Difference("1", "contact", "a member", ""),
    )


def test_what_nobody_was_told_of_stands_apart() -> None:
    """A field whose newest report reached nobody is no fault, and its neighbours are."""
    truth = member(("tier_name",), tier_name="Gold", status="active")
    found = compare([truth], {KEY: {"membership_tier": "Silver", "membership_status": "cancelled"}})
    assert [one.field for one in found.unheard] == ["tier_name"]
    assert [one.field for one in found.differences] == ["status"]


@pytest.mark.parametrize(("heard", "faults"), [(True, 1), (False, 0)])
def test_a_missing_contact_is_excused_only_if_nothing_was_heard(*, heard: bool, faults: int) -> None:
    """One event that arrived is enough for a contact."""
    unheard = ("status", "tier_name")[: 1 if heard else 2]
    found = compare([member(unheard, status="active", tier_name="Gold")], {})
    assert len(found.differences) == faults
    assert len(found.unheard) == 1 - faults


def test_what_only_we_can_say_is_not_compared() -> None:
    """When something was last heard of or sent is no fact about the member."""
    assert differences(member(last_event_at="2026-01-01T00:00:00.000Z", last_failure_at="x")) == ()
