"""The names that crm.md part 6 and docs/salesforce.md write out, looked up one by one."""

from __future__ import annotations

import pytest

from tests.judge.crm_names import CANONICAL, HUBSPOT, KLAVIYO, SALESFORCE, profile

WRITTEN = [
    ("tier_name", "membership_tier", "Membership Tier", "Membership_Tier__c"),
    ("tier_id", "membership_tier_id", "Membership Tier ID", "Membership_Tier_Id__c"),
    (
        "next_payment_on",
        "membership_next_payment_on",
        "Membership Next Payment",
        "Membership_Next_Payment_On__c",
    ),
    ("fee_amount", "membership_fee", "Membership Fee", "Membership_Fee__c"),
    ("fee_currency", "membership_currency", None, None),
    (
        "credit_balance",
        "membership_credit_balance",
        "Membership Credit Balance",
        "Membership_Credit_Balance__c",
    ),
    ("joined_at", "membership_joined_at", "Membership Joined At", "Membership_Joined_At__c"),
    ("referrals_count", None, "Membership Referrals", "Membership_Referrals_Count__c"),
    ("rejoin_count", "membership_rejoin_count", "Membership Rejoin Count", None),
    ("high_value", None, "Membership High Value", None),
    ("last_credit_reason", None, "Membership Last Credit Reason", "Membership_Last_Credit_Reason__c"),
]


@pytest.mark.parametrize(("name", "hubspot", "klaviyo", "salesforce"), WRITTEN)
def test_a_name_that_is_written_out(
    name: str, hubspot: str | None, klaviyo: str | None, salesforce: str | None
) -> None:
    """Each name stands in the table of crm.md under the canonical one."""
    for table, written in ((HUBSPOT, hubspot), (KLAVIYO, klaviyo), (SALESFORCE, salesforce)):
        assert written is None or table[written] == name


def test_no_two_fields_share_a_name() -> None:
    """Every canonical field has a name of its own in each CRM."""
    assert len(HUBSPOT) == len(KLAVIYO) == len(SALESFORCE) == len(CANONICAL)


def test_a_contact_is_read_back() -> None:
    """What is not the membership's is left out."""
    assert profile({"Membership Fee": 49, "Favourite Colour": "red"}, KLAVIYO) == {"fee_amount": 49}
