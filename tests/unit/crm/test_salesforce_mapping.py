"""Salesforce's names, its JSON of values, and the fields that an administrator defines."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from relay.adapters.salesforce.mapping import cut, decode, definitions, encode, fields_of, names
from relay.model.fields import Value

from tests.contract.crm.profiles import wanted


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("tier_name", None, None),
        ("tier_name", "", None),
        ("high_value", None, False),
        ("high_value", True, True),
        ("failed_attempts", 3, 3),
        ("credit_balance", Decimal("24.90"), 24.9),
        ("credit_balance", Decimal("99999999999.99"), 99999999999.99),
        ("next_payment_on", date(2026, 2, 5), "2026-02-05"),
        (
            "joined_at",
            datetime(2026, 11, 22, 10, tzinfo=timezone(timedelta(hours=2))),
            "2026-11-22T08:00:00.000Z",
        ),
        ("tier_name", "half \ud83e", "half ?"),
        ("tier_id", "t" * 70, "t" * 64),
        ("cancel_reason", "x" * 300, "x" * 255),
    ],
)
def test_encode(name: str, value: Value, written: object) -> None:
    """Values are JSON's own types; null clears, an unknown checkbox is false, a text is cut to its field."""
    assert encode(name, value) == written


def test_a_text_is_cut_between_characters() -> None:
    """A character outside the basic plane counts twice, and is never halved."""
    assert cut("ab🥇c", 3) == "ab"
    assert cut("ab🥇c", 4) == "ab🥇"


@pytest.mark.parametrize(
    ("name", "held", "text"),
    [
        ("credit_balance", Decimal("9.0"), "9"),
        ("credit_balance", 0, "0"),
        ("joined_at", "2026-11-22T10:00:00.000+0000", "2026-11-22T10:00:00.000Z"),
        ("joined_at", "some day", "some day"),
        ("high_value", False, None),
        ("high_value", True, "true"),
        ("tier_name", None, None),
    ],
)
def test_decode(name: str, held: object, text: str | None) -> None:
    """Salesforce's values are read as the texts of what was written."""
    assert decode(name, held) == text


def test_definitions() -> None:
    """Each field of ours is defined with Salesforce's types and lengths; only the key is an external id."""
    defined = {each.name: each for each in definitions("Contact")}
    assert defined.keys() == set(names("Contact").values()) - {"Email"}
    assert [name for name, each in defined.items() if each.external_id] == ["Membership_Key__c"]
    assert all(
        len(name.removesuffix("__c")) <= 40 and len(each.label) <= 40 for name, each in defined.items()
    )
    kinds = {name: (each.type, each.length, each.digits, each.decimals) for name, each in defined.items()}
    assert kinds["Membership_Key__c"] == ("Text", 255, 0, 0)
    assert kinds["Membership_Shopify_Id__c"] == ("Text", 32, 0, 0)
    assert kinds["Membership_Status__c"] == ("Picklist", 0, 0, 0)
    assert kinds["Membership_Credit_Balance__c"] == ("Number", 0, 15, 3)
    assert kinds["Membership_Failed_Attempts__c"] == ("Number", 0, 3, 0)
    assert kinds["Membership_Rejoin_Count__c"] == ("Number", 0, 6, 0)
    assert kinds["Membership_Referrals_Count__c"] == ("Number", 0, 9, 0)
    assert kinds["Membership_Next_Payment_On__c"] == ("Date", 0, 0, 0)
    assert kinds["Membership_High_Value__c"] == ("Checkbox", 0, 0, 0)
    assert {each.name: each.type for each in definitions("Member__c")}["Membership_Email__c"] == "Email"


def test_names_and_consent_are_the_merchants() -> None:
    """No write contains a person's name, phone or consent."""
    assert {name for name in fields_of(wanted(), "Contact") if not name.startswith("Membership_")} == {
        "Email"
    }
