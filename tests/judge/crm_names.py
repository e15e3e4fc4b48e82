"""The names under which a CRM holds the canonical fields (crm.md part 6), and a CRM's contact read back by them."""

from __future__ import annotations

from typing import Any

CANONICAL = (
    "status",
    "payment_status",
    "tier_id",
    "tier_name",
    "previous_tier_name",
    "tier_type",
    "joined_at",
    "first_joined_at",
    "tier_changed_at",
    "next_payment_on",
    "fee_amount",
    "fee_currency",
    "credit_balance",
    "failed_attempts",
    "attempts_left",
    "pending_cancel_at",
    "cancelled_at",
    "cancel_type",
    "referrals_count",
    "last_order_at",
    "high_value",
    "trial_ends_at",
    "last_payment_at",
    "recovered_at",
    "rejoined_at",
    "payment_method_updated_at",
    "credits_expired_at",
    "rejoin_count",
    "last_credit_delta",
    "last_expired_amount",
    "revenue",
    "last_credit_reason",
)
# Where a CRM's name is not the canonical one: the table's own words.
_SHORT = {
    "tier_name": "tier",
    "previous_tier_name": "previous_tier",
    "fee_amount": "fee",
    "fee_currency": "currency",
}
_SHORTER = {"next_payment_on": "next_payment", "referrals_count": "referrals"}


def _title(name: str, joint: str) -> str:
    return joint.join(
        "ID" if word == "id" and joint == " " else word.capitalize() for word in name.split("_")
    )


HUBSPOT = {f"membership_{_SHORT.get(name, name)}": name for name in CANONICAL}
KLAVIYO = {f"Membership {_title((_SHORT | _SHORTER).get(name, name), ' ')}": name for name in CANONICAL}
# Where the table has no name for Salesforce, docs/salesforce.md has the canonical one.
SALESFORCE = {f"Membership_{_title(_SHORT.get(name, name), '_')}__c": name for name in CANONICAL}


def profile(contact: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return the canonical fields that a contact's properties hold."""
    return {names[key]: value for key, value in contact.items() if key in names}
