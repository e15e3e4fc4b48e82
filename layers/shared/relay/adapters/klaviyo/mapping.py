"""What each canonical field is called at Klaviyo, and how its values are written.

Property names are a contract with the merchant's segments and flows: `Membership …`, and never changed.
Inveterate's own link to Klaviyo writes `Inveterate: …`, and whoever wrote those beside it would fight it:
they are written only where the merchant says so, and never as metrics, which would start his flows twice.
The native `email` alone is written beside our properties; names, phone and consent belong to the merchant.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

from relay.model.formats import json_value, number_text
from relay.rules.crm_profile import CRM_FIELDS, CrmProfile

Json: TypeAlias = str | int | Decimal | bool | None
"""A value as it stands in a request or an answer. Numbers are exact: no float is ever made of an amount."""

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
"""Those whose name at Klaviyo is not simply `Membership` and the canonical one in title case."""

PROPERTIES: Final[dict[str, str]] = {
    name: _NAMED.get(name) or f"Membership {name.replace('_', ' ').title()}"
    for name in CRM_FIELDS
    if name != "email"
}
"""Klaviyo's name of each canonical field but the e-mail address, which is an attribute of the profile."""

KEY: Final = PROPERTIES["key"]
"""The property by which we know our profiles again. Klaviyo identifies people by e-mail address and not by it."""

_COMPAT: Final = {
    "Inveterate: Credits": "credit_balance",
    "Inveterate: Date Joined": "joined_at",
    "Inveterate: Referrals Count": "referrals_count",
    "Inveterate: Subscription Status": "status",
    "Inveterate: Tier Name": "tier_name",
}
"""The properties of Inveterate's own link, for merchants who have ended that and keep their segments."""

_THEIR_STATUS: Final = {"cancelled": "cancelled", "none": None}
"""Inveterate's link knows `active` and `cancelled` alone."""


def properties_of(profile: CrmProfile, *, compat: bool = False) -> dict[str, Json]:
    """Return all properties of a profile; None clears."""
    told = {theirs: json_value(profile.values[name]) for name, theirs in PROPERTIES.items()}
    return {**told, **_compat_of(profile)} if compat else told


def names(*, compat: bool = False) -> list[str]:
    """Return the names of all properties that we write."""
    return [*PROPERTIES.values(), *(_COMPAT if compat else ())]


def canonical_of(properties: Mapping[str, Any], email: str | None) -> dict[str, str]:
    """Return what a profile holds of our fields, by canonical name, as text; without those that have no value."""
    told = {name: properties.get(theirs) for name, theirs in PROPERTIES.items()} | {"email": email}
    # In the canonical order, so that what is read and what was sent can be laid side by side.
    return {name: text(told[name]) for name in CRM_FIELDS if told[name] is not None}


def text(value: object) -> str:
    """Write what stands in JSON as text: one notation for what we send and what we find."""
    match value:
        case bool():
            return "true" if value else "false"
        case Decimal():
            return number_text(value)
        case _:
            return str(value)


def _compat_of(profile: CrmProfile) -> dict[str, Json]:
    told = {theirs: json_value(profile.values[name]) for theirs, name in _COMPAT.items()}
    joined = profile.values["joined_at"]
    return {
        **told,
        "Inveterate: Date Joined": json_value(joined.date()) if isinstance(joined, datetime) else None,
        "Inveterate: Subscription Status": _THEIR_STATUS.get(str(profile.values["status"]), "active"),
    }
