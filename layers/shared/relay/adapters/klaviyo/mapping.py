"""The name of each canonical field at Klaviyo, and how its values are written.

Property names (`Membership …`) are a contract with the merchant's segments and flows and never change. Inveterate's own
link to Klaviyo writes `Inveterate: …`, and a second writer of those would be in conflict with it: Relay writes them only
if the merchant says so, and never as metrics, which would start the merchant's flows twice. Of the native attributes
only `email` is written; names, phone and consent belong to the merchant.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

from relay.model.formats import json_value, number_text
from relay.rules.crm_profile import CRM_FIELDS, CrmProfile

Json: TypeAlias = str | int | Decimal | bool | None
"""A value in a request or an answer. Numbers are exact: an amount never becomes a float."""

_NAMED: Final = {
    "shopify_customer_id": "Membership Shopify ID",
    "tier_id": "Membership Tier ID",
    "tier_name": "Membership Tier",
    "previous_tier_name": "Membership Previous Tier",
    "next_payment_on": "Membership Next Payment",
    "fee_amount": "Membership Fee",
    "fee_currency": "Membership Currency",
    "billing_interval": "Membership Interval",
    "credits_earned_total": "Membership Credits Earned",
    "credits_expiring_amount": "Membership Credits Expiring",
    "referrals_count": "Membership Referrals",
    "mirror_updated_at": "Membership Updated At",
}
"""Fields whose name at Klaviyo is not `Membership` and the canonical one in title case."""

PROPERTIES: Final[dict[str, str]] = {
    name: _NAMED.get(name) or f"Membership {name.replace('_', ' ').title()}"
    for name in CRM_FIELDS
    if name != "email"
}
"""Klaviyo's name of each canonical field but the e-mail address, which is an attribute of the profile."""

KEY: Final = PROPERTIES["key"]
"""The property that marks our profiles. Klaviyo itself identifies people by e-mail address."""

_COMPAT: Final = {
    "Inveterate: Credits": "credit_balance",
    "Inveterate: Date Joined": "joined_at",
    "Inveterate: Referrals Count": "referrals_count",
    "Inveterate: Subscription Status": "status",
    "Inveterate: Tier Name": "tier_name",
}
"""The properties of Inveterate's own link, for merchants that ended the link and keep their segments."""

_THEIR_STATUS: Final = {
    **dict.fromkeys(("active", "trialing", "past_due", "pending_cancellation"), "active"),
    "cancelled": "cancelled",
}
"""Inveterate's link knows only `active` and `cancelled`; of an unknown status it says nothing."""


def properties_of(profile: CrmProfile, *, compat: bool = False) -> dict[str, Json]:
    """Return all properties of a profile; None clears."""
    properties = {theirs: json_value(profile.values[name]) for name, theirs in PROPERTIES.items()}
    return {**properties, **_compat_of(profile)} if compat else properties


def names(*, compat: bool = False) -> list[str]:
    """Return the names of all properties that Relay writes."""
    return [*PROPERTIES.values(), *(_COMPAT if compat else ())]


def canonical_of(properties: Mapping[str, Any], email: str | None) -> dict[str, str]:
    """Return what a profile holds of our fields, by canonical name, as text; only fields with a value."""
    values = {name: properties.get(theirs) for name, theirs in PROPERTIES.items()} | {"email": email}
    # In the canonical order, so that what was read and what was sent can be compared line by line.
    return {name: text(values[name]) for name in CRM_FIELDS if values[name] is not None}


def text(value: object) -> str:
    """Return a JSON value as text, the same for what is sent and what is read."""
    match value:
        case bool():
            return "true" if value else "false"
        case Decimal():
            return number_text(value)
        case _:
            return str(value)


def _compat_of(profile: CrmProfile) -> dict[str, Json]:
    properties = {theirs: json_value(profile.values[name]) for theirs, name in _COMPAT.items()}
    joined = profile.values["joined_at"]
    return {
        **properties,
        "Inveterate: Date Joined": json_value(joined.date()) if isinstance(joined, datetime) else None,
        "Inveterate: Subscription Status": _THEIR_STATUS.get(str(profile.values["status"])),
    }
