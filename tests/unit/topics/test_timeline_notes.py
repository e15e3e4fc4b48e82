"""Notes for the CRM: amounts in the currency's unit, moments in one format, names from one list."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from relay.model.messages import EventEffects, MemberChanged, dump, load, notes_in
from relay.model.timeline_events import COMMON_PROPERTIES, TIMELINE_EVENTS, properties_of
from relay.rules.timeline import in_minor_units, note

from tests.contract.crm.profiles import AT, member


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("24.99", "USD", 2499),
        ("500", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("0.30000000000000004", "EUR", 30),
        ("1E+40", "USD", 10**42),
    ],
)
def test_the_smallest_unit(amount: str, currency: str, minor: int) -> None:
    """Not every currency has cents, and no amount is too long."""
    assert in_minor_units(Decimal(amount), currency) == minor
    made = note("r", "Store Credit Changed", member(), amount=Decimal(amount), currency=currency)
    assert made.properties["amount_minor"] == minor


def test_an_amount_without_a_currency_has_no_smallest_unit() -> None:
    """980 may be yen, and then 98,000 is a hundred times too much."""
    made = note("r", "Store Credit Changed", member(), amount=Decimal(980), currency=None)
    assert made.properties["amount"] == 980
    assert "amount_minor" not in made.properties


@pytest.mark.parametrize(
    ("amount", "rounded"), [("0.30000000000000004", "0.3"), ("1.234", "1.234"), ("1E+40", "1E+40")]
)
def test_an_amount_has_three_decimals_at_most(amount: str, rounded: str) -> None:
    """Digits beyond the third decimal come from adding up."""
    made = note("r", "Store Credit Changed", member(), amount=Decimal(amount), delta=Decimal(amount))
    assert made.properties["amount"] == made.properties["delta"] == Decimal(rounded)


def test_moments_and_days() -> None:
    """They become texts in the format that every CRM reads: UTC with `Z`, and plain days."""
    at = datetime.fromisoformat("2026-11-22T12:00:00+02:00")
    made = note("r", "Store Credit Expiring", member(), expires_at=at, renews_on=date(2026, 12, 5))
    assert made.properties["expires_at"] == "2026-11-22T10:00:00.000Z"
    assert made.properties["renews_on"] == "2026-12-05"
    assert at == AT


def test_amounts_survive_the_way_to_a_crm() -> None:
    """In the queue an amount is a text; after reading it is a number again, and a name stays a text."""
    gold = member(tier_name="24.99")
    made = note("r", "Store Credit Changed", gold, amount=Decimal("0.10"), delta=Decimal(-5), reason="7")
    event_effects = EventEffects(event_id="e1", topic="t", at=AT, effects=(made,))
    received = load(MemberChanged, dump(MemberChanged(member=gold.key, events=(event_effects,))))
    [(note_id, change, _, sent)] = notes_in([received])
    assert (note_id, change) == ("e1.r", received)
    assert sent == made
    assert [type(sent.properties[name]) for name in ("amount", "delta", "tier_name", "reason")] == [
        Decimal,
        Decimal,
        str,
        str,
    ]


def test_names_are_the_contract() -> None:
    """Flows start by these names: none is changed or removed, and a new one is added here too.

    Each event may have the common properties.
    """
    assert TIMELINE_EVENTS == (
        "Membership Joined",
        "Membership Tier Changed",
        "Membership Payment Failed",
        "Membership Payment Recovered",
        "Store Credit Changed",
        "Store Credit Expiring",
        "Store Credit Expired",
        "Membership Cancellation Pending",
        "Membership Cancelled",
        "Membership Rejoined",
        "Renewal Upcoming",
        "Trial Ending",
        "Member Ordered",
        "Membership Referral Completed",
    )
    assert all(properties_of(name).keys() >= COMMON_PROPERTIES.keys() for name in TIMELINE_EVENTS)
    assert properties_of("Member Ordered").keys() == COMMON_PROPERTIES.keys()
