"""The name of each canonical field at Salesforce, its definition there, and how its values are written.

API names (`Membership_…__c`) are a contract with the merchant's reports and flows and never change. Of the object's own
fields only e-mail is written, and the names of a new contact. Names of an existing one, phone and consent belong to the
merchant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from relay.model.fields import Value, ValueKind
from relay.model.formats import number_text, sendable_text, utc_text
from relay.rules.crm_profile import CRM_FIELDS, CrmProfile, PersonField

KEY: Final = "Membership_Key__c"
"""The external id that identifies contacts in an upsert."""

_EMAIL: Final = {"Contact": "Email", "Account": "PersonEmail"}
"""The e-mail field of the objects that have one; any other object gets a field of ours."""

LAST_NAME: Final = "LastName"

_PERSON: Final[Mapping[PersonField, tuple[str, int]]] = {
    "first_name": ("FirstName", 40),
    "last_name": (LAST_NAME, 80),
    "phone": ("Phone", 40),
}
"""The objects' own fields of a person, and how much they hold."""

PERSON_FIELDS: Final = tuple(theirs for theirs, _ in _PERSON.values())

_OUR_EMAIL: Final = "Membership_Email__c"

_NAMED: Final = {
    "shopify_customer_id": "Membership_Shopify_Id__c",
    "tier_name": "Membership_Tier__c",
    "previous_tier_name": "Membership_Previous_Tier__c",
    "fee_amount": "Membership_Fee__c",
    "fee_currency": "Membership_Currency__c",
    "billing_interval": "Membership_Interval__c",
    "credits_earned_total": "Membership_Credits_Earned__c",
    "credits_expiring_amount": "Membership_Credits_Expiring__c",
}
"""Fields whose name at Salesforce is not `Membership_` and the canonical one."""

_MAX_LENGTHS: Final = {
    "shopify_customer_id": 32,
    "tier_id": 64,
    "fee_currency": 16,
    "billing_interval": 64,
    "last_decline_code": 64,
}
_DEFAULT_MAX_LENGTH: Final = 255

_DIGITS: Final = {"failed_attempts": 3, "attempts_left": 3, "rejoin_count": 6, "referrals_count": 9}

_MONEY_DIGITS: Final = 15
_MONEY_DECIMALS: Final = 3
"""Salesforce holds 18 digits in all. Dinars have three behind the point; no amount has more than 15 before it."""

_TYPES: Final = {
    ValueKind.TEXT: "Text",
    ValueKind.MONEY: "Number",
    ValueKind.COUNT: "Number",
    ValueKind.FLAG: "Checkbox",
    ValueKind.MOMENT: "DateTime",
    ValueKind.DAY: "Date",
}


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """A field, with the names of Salesforce's metadata. `length` is of a text, `digits` are those before the point."""

    name: str
    label: str
    type: str
    length: int = 0
    digits: int = 0
    decimals: int = 0
    choices: tuple[str, ...] = ()
    external_id: bool = False


def names(object_name: str) -> dict[str, str]:
    """Return Salesforce's name of each canonical field on this object."""
    email = _EMAIL.get(object_name, _OUR_EMAIL)
    return {
        name: email if name == "email" else _NAMED.get(name, f"Membership_{name.title()}__c")
        for name in CRM_FIELDS
    }


def ours(object_name: str) -> dict[str, str]:
    """Return the names of the fields that Relay owns and clears: Salesforce's by canonical name."""
    return {name: theirs for name, theirs in names(object_name).items() if theirs.endswith("__c")}


def fields_of(profile: CrmProfile, object_name: str) -> dict[str, Any]:
    """Return all fields of a record; null clears."""
    return {theirs: encode(name, profile.values[name]) for name, theirs in names(object_name).items()}


def person_names(profile: CrmProfile) -> dict[str, str]:
    """Return the names of a new contact, which the merchant may change: the member's; a last name is required.

    Without one it is not the e-mail address: that may change, and would stay in the name when the member is erased.
    """
    return {LAST_NAME: placeholder_name(str(profile.values["shopify_customer_id"]))} | known_person(profile)


def known_person(profile: CrmProfile) -> dict[str, str]:
    """Return what is known of the member's names and phone, in the object's own fields, and may be written."""
    return {
        _PERSON[name][0]: cut(sendable_text(value), _PERSON[name][1]).strip()
        for name, value in profile.person("salesforce").items()
    }


def placeholder_name(customer_id: str) -> str:
    """Return the last name of a contact whose member has none."""
    return f"Member {customer_id}"


def needs_last_name(object_name: str) -> bool:
    """Return whether a new record of this object is a person and needs a last name."""
    return object_name in _EMAIL


def encode(name: str, value: Value) -> str | float | bool | None:
    """Return a value as Salesforce reads it: JSON's own types, moments in UTC with milliseconds and `Z`.

    A checkbox has no null: unknown becomes false. A text is cut to its field's length: a longer one would be refused, and
    the member's status and balance with it.
    """
    match value:
        case None:
            return False if CRM_FIELDS[name].kind is ValueKind.FLAG else None
        case bool():
            return value
        case int() | Decimal():
            return float(value)  # JSON's edge: a cent survives it up to 15 digits, more than the field holds
        case datetime():
            return utc_text(value)
        case date():
            return value.isoformat()
        case str():
            return (
                None
                if value == ""
                else cut(sendable_text(value), _MAX_LENGTHS.get(name, _DEFAULT_MAX_LENGTH))
            )


def decode(name: str, value: object) -> str | None:
    """Return Salesforce's value as the text of what `encode` writes; None for a field without a value."""
    match value:
        case None | False | "":
            return None
        case True:
            return "true"
        case int() | float() | Decimal():
            return number_text(Decimal(str(value)))
        case str() if CRM_FIELDS[name].kind is ValueKind.MOMENT:
            return _moment(value)
        case _:
            return str(value)


def expected_fields(profile: CrmProfile) -> Mapping[str, str]:
    """Return what `Salesforce.read` finds after this profile was written: by canonical name, only fields with a value."""
    written = {name: decode(name, encode(name, value)) for name, value in profile.values.items()}
    return {name: value for name, value in written.items() if value is not None}


def cut(text: str, length: int) -> str:
    """Return a text cut to `length` UTF-16 units, the strictest way of counting, and never within a character."""
    return text.encode("utf-16-le")[: 2 * length].decode("utf-16-le", "ignore")


def definitions(object_name: str) -> list[FieldDefinition]:
    """Return the fields that an administrator defines."""
    return [_definition(name, theirs) for name, theirs in ours(object_name).items()]


def _definition(name: str, theirs: str) -> FieldDefinition:
    crm_field = CRM_FIELDS[name]
    kind = "Email" if name == "email" else "Picklist" if crm_field.choices else _TYPES[crm_field.kind]
    return FieldDefinition(
        name=theirs,
        label=theirs.removesuffix("__c").replace("_", " "),
        type=kind,
        length=_MAX_LENGTHS.get(name, _DEFAULT_MAX_LENGTH) if kind == "Text" else 0,
        digits={ValueKind.MONEY: _MONEY_DIGITS, ValueKind.COUNT: _DIGITS.get(name, 9)}.get(crm_field.kind, 0),
        decimals=_MONEY_DECIMALS if crm_field.kind is ValueKind.MONEY else 0,
        choices=crm_field.choices,
        external_id=theirs == KEY,
    )


def _moment(text: str) -> str:
    """Return a moment of Salesforce's (`2026-11-22T10:00:00.000+0000`) as `encode` writes it; any other text unchanged."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return utc_text(moment)
