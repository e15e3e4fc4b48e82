"""The name of each canonical field at HubSpot, its definition there, and how its values are written.

Internal names (`membership_…`) are a contract with the merchant's lists and workflows and never change. Of the native
properties only `email` is written; names, phone and consent belong to the merchant.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from relay.model.fields import Value, ValueKind
from relay.model.formats import number_text, sendable_text, utc_text
from relay.rules.crm_profile import CRM_FIELDS, CrmField, CrmProfile, PersonField

GROUP: Final = "inveterate_membership"
GROUP_LABEL: Final = "Inveterate membership"
KEY: Final = "membership_key"
"""The unique property that identifies contacts in an upsert. HubSpot allows no partial upserts by `email`."""

_NATIVE: Final = {"email": "email"}

_NAMED: Final = {
    "key": KEY,
    "tier_name": "membership_tier",
    "previous_tier_name": "membership_previous_tier",
    "fee_amount": "membership_fee",
    "fee_currency": "membership_currency",
    "billing_interval": "membership_interval",
    "credits_earned_total": "membership_credits_earned",
    "credits_expiring_amount": "membership_credits_expiring",
}
"""Fields whose name at HubSpot is not `membership_` and the canonical one."""

PROPERTIES: Final[dict[str, str]] = {
    name: _NATIVE.get(name) or _NAMED.get(name) or f"membership_{name}" for name in CRM_FIELDS
}
"""HubSpot's name of each canonical field."""

PERSON_FIELDS: Final[Mapping[PersonField, str]] = {
    "first_name": "firstname",
    "last_name": "lastname",
    "phone": "phone",
}
"""HubSpot's own properties of a person."""

PERSON: Final = (*_NATIVE.values(), *PERSON_FIELDS.values())
"""HubSpot's own properties that Relay writes; an erasure empties them on a contact that Relay made."""

OURS: Final = tuple(theirs for name, theirs in PROPERTIES.items() if name not in _NATIVE)
"""The properties that Relay defines."""

_TYPES: Final[dict[ValueKind, tuple[str, str]]] = {
    ValueKind.TEXT: ("string", "text"),
    ValueKind.MONEY: ("number", "number"),
    ValueKind.COUNT: ("number", "number"),
    ValueKind.FLAG: ("bool", "booleancheckbox"),
    ValueKind.MOMENT: ("datetime", "date"),
    ValueKind.DAY: ("date", "date"),
}

_LONG: Final = frozenset({"cancel_reason"})
"""Texts of more than a line, which people write."""


def properties_of(profile: CrmProfile) -> dict[str, str]:
    """Return all properties of a contact; every value is a string, and an empty string clears the property."""
    return {PROPERTIES[name]: encode(value) for name, value in profile.values.items()}


def encode(value: Value) -> str:
    """Return a value as HubSpot reads it.

    Numbers plain, flags `true` or `false`, days as `2026-02-05` (HubSpot keeps them as midnight UTC),
    moments in UTC with milliseconds and `Z`.
    """
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return number_text(value)
        case datetime():
            return utc_text(value)
        case date():
            return value.isoformat()
        case _:
            return sendable_text(str(value))


def definitions() -> list[dict[str, Any]]:
    """Return the definitions of our properties, as HubSpot's property API takes them."""
    return [
        _definition(name, theirs, CRM_FIELDS[name])
        for name, theirs in PROPERTIES.items()
        if name not in _NATIVE
    ]


def _definition(name: str, theirs: str, crm_field: CrmField) -> dict[str, Any]:
    kind, field = ("enumeration", "select") if crm_field.choices else _TYPES[crm_field.kind]
    definition: dict[str, Any] = {
        "name": theirs,
        "label": label(theirs),
        "type": kind,
        "fieldType": "textarea" if name in _LONG else field,
        "groupName": GROUP,
    }
    if theirs == KEY:
        definition["hasUniqueValue"] = True  # cannot be changed after the property exists
    if crm_field.choices:
        definition["options"] = _options({choice: label(choice) for choice in crm_field.choices})
    elif kind == "bool":
        definition["options"] = _options({"true": "Yes", "false": "No"})
    return definition


def _options(labels: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"value": value, "label": text, "displayOrder": number, "hidden": False}
        for number, (value, text) in enumerate(labels.items())
    ]


def label(name: str) -> str:
    """Return the label of a property: "Membership credit balance" for `membership_credit_balance`."""
    return name.replace("_", " ").capitalize()
