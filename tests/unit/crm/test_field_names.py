"""The name of each canonical field in every CRM: merchants build lists, flows and reports on these names."""

from __future__ import annotations

import re
from typing import Final

from relay.adapters.hubspot.mapping import PROPERTIES as HUBSPOT
from relay.adapters.klaviyo.mapping import PROPERTIES as KLAVIYO
from relay.adapters.salesforce.mapping import names
from relay.model.timeline_events import TIMELINE_EVENTS
from relay.rules.crm_profile import CRM_FIELDS

from tests.support.port_fakes import ROOT

NAMES: Final = (
    ("key", "membership_key", "Membership Key", "Membership_Key__c"),
    ("email", "email", None, "Email"),
    ("shopify_customer_id", "membership_shopify_customer_id", "Membership Shopify ID", "Membership_Shopify_Id__c"),
    ("status", "membership_status", "Membership Status", "Membership_Status__c"),
    ("payment_status", "membership_payment_status", "Membership Payment Status", "Membership_Payment_Status__c"),
    ("tier_id", "membership_tier_id", "Membership Tier ID", "Membership_Tier_Id__c"),
    ("tier_name", "membership_tier", "Membership Tier", "Membership_Tier__c"),
    ("previous_tier_name", "membership_previous_tier", "Membership Previous Tier", "Membership_Previous_Tier__c"),
    ("tier_type", "membership_tier_type", "Membership Tier Type", "Membership_Tier_Type__c"),
    ("joined_at", "membership_joined_at", "Membership Joined At", "Membership_Joined_At__c"),
    ("first_joined_at", "membership_first_joined_at", "Membership First Joined At", "Membership_First_Joined_At__c"),
    ("tier_changed_at", "membership_tier_changed_at", "Membership Tier Changed At", "Membership_Tier_Changed_At__c"),
    ("trial_ends_at", "membership_trial_ends_at", "Membership Trial Ends At", "Membership_Trial_Ends_At__c"),
    ("next_payment_on", "membership_next_payment_on", "Membership Next Payment", "Membership_Next_Payment_On__c"),
    ("fee_amount", "membership_fee", "Membership Fee", "Membership_Fee__c"),
    ("fee_currency", "membership_currency", "Membership Currency", "Membership_Currency__c"),
    ("billing_interval", "membership_interval", "Membership Interval", "Membership_Interval__c"),
    ("last_payment_at", "membership_last_payment_at", "Membership Last Payment At", "Membership_Last_Payment_At__c"),
    ("payment_method_updated_at", "membership_payment_method_updated_at", "Membership Payment Method Updated At", "Membership_Payment_Method_Updated_At__c"),
    ("failed_attempts", "membership_failed_attempts", "Membership Failed Attempts", "Membership_Failed_Attempts__c"),
    ("attempts_left", "membership_attempts_left", "Membership Attempts Left", "Membership_Attempts_Left__c"),
    ("next_attempt_at", "membership_next_attempt_at", "Membership Next Attempt At", "Membership_Next_Attempt_At__c"),
    ("final_attempt_at", "membership_final_attempt_at", "Membership Final Attempt At", "Membership_Final_Attempt_At__c"),
    ("last_decline_code", "membership_last_decline_code", "Membership Last Decline Code", "Membership_Last_Decline_Code__c"),
    ("last_decline_text", "membership_last_decline_text", "Membership Last Decline Text", "Membership_Last_Decline_Text__c"),
    ("manage_url", "membership_manage_url", "Membership Manage Url", "Membership_Manage_Url__c"),
    ("recovered_at", "membership_recovered_at", "Membership Recovered At", "Membership_Recovered_At__c"),
    ("credit_balance", "membership_credit_balance", "Membership Credit Balance", "Membership_Credit_Balance__c"),
    ("credits_earned_total", "membership_credits_earned", "Membership Credits Earned", "Membership_Credits_Earned__c"),
    ("credits_expiring_amount", "membership_credits_expiring", "Membership Credits Expiring", "Membership_Credits_Expiring__c"),
    ("credits_expiring_at", "membership_credits_expiring_at", "Membership Credits Expiring At", "Membership_Credits_Expiring_At__c"),
    ("credits_expired_at", "membership_credits_expired_at", "Membership Credits Expired At", "Membership_Credits_Expired_At__c"),
    ("last_credit_delta", "membership_last_credit_delta", "Membership Last Credit Delta", "Membership_Last_Credit_Delta__c"),
    ("last_credit_reason", "membership_last_credit_reason", "Membership Last Credit Reason", "Membership_Last_Credit_Reason__c"),
    ("last_expired_amount", "membership_last_expired_amount", "Membership Last Expired Amount", "Membership_Last_Expired_Amount__c"),
    ("pending_cancel_at", "membership_pending_cancel_at", "Membership Pending Cancel At", "Membership_Pending_Cancel_At__c"),
    ("cancelled_at", "membership_cancelled_at", "Membership Cancelled At", "Membership_Cancelled_At__c"),
    ("cancel_type", "membership_cancel_type", "Membership Cancel Type", "Membership_Cancel_Type__c"),
    ("cancel_reason", "membership_cancel_reason", "Membership Cancel Reason", "Membership_Cancel_Reason__c"),
    ("rejoined_at", "membership_rejoined_at", "Membership Rejoined At", "Membership_Rejoined_At__c"),
    ("rejoin_count", "membership_rejoin_count", "Membership Rejoin Count", "Membership_Rejoin_Count__c"),
    ("referrals_count", "membership_referrals_count", "Membership Referrals", "Membership_Referrals_Count__c"),
    ("revenue", "membership_revenue", "Membership Revenue", "Membership_Revenue__c"),
    ("last_order_at", "membership_last_order_at", "Membership Last Order At", "Membership_Last_Order_At__c"),
    ("high_value", "membership_high_value", "Membership High Value", "Membership_High_Value__c"),
    ("last_event_at", "membership_last_event_at", "Membership Last Event At", "Membership_Last_Event_At__c"),
    ("mirror_updated_at", "membership_mirror_updated_at", "Membership Updated At", "Membership_Mirror_Updated_At__c"),
)  # fmt: skip
"""Canonical, HubSpot's, Klaviyo's (whose address is no property) and Salesforce's."""


def test_names_are_the_contract() -> None:
    """No name ever changes, in any CRM; a new field is a new row."""
    theirs = names("Contact")
    found = [(name, HUBSPOT[name], KLAVIYO.get(name), theirs[name]) for name in CRM_FIELDS]
    assert found == list(NAMES)
    assert len({hubspot for _, hubspot, *_ in NAMES}) == len(CRM_FIELDS)


def test_no_name_is_the_platforms() -> None:
    """All names but the native e-mail address begin with `membership`, and none is of Inveterate's own link."""
    for _, *each in NAMES:
        assert all(name.lower().startswith(("membership", "email")) for name in each if name)


def test_a_custom_object_has_an_address_field_of_ours() -> None:
    """A person account's e-mail field has another name, and a custom object has none."""
    assert names("Account")["email"] == "PersonEmail"
    assert names("Member__c")["email"] == "Membership_Email__c"


def test_the_docs_have_every_property_and_event() -> None:
    """docs/hubspot.md names all of them, and no other."""
    text = (ROOT / "docs/hubspot.md").read_text()
    listed = re.findall(
        r"^\| `(\w+)` \| .* \|$",
        text.partition("## Custom events")[0].partition("## The prop")[2],
        re.MULTILINE,
    )
    assert listed == list(HUBSPOT.values())
    events = text.partition("dates them:")[2].partition(".")[0]
    named = " ".join(events.split()).split(", ")
    assert named == list(TIMELINE_EVENTS), f"the events differ by {sorted({*named} ^ {*TIMELINE_EVENTS})}"
