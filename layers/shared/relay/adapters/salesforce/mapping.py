"""What each canonical field is called at Salesforce, how it is defined there, and how its values are written.

API names are a contract with the merchant's reports and flows: `Membership_…__c`, and never changed. Only
the object's own e-mail field is written beside them, and a last name where a contact is made: Salesforce
makes none without. Names, phone and consent belong to the merchant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from relay.model.fields import Value, ValueKind
from relay.model.formats import number_text, sendable_text, utc_text
from relay.rules.crm_profile import CRM_FIELDS, CrmProfile

KEY: Final = "Membership_Key__c"
"""The external id by which contacts are upserted."""

_EMAIL: Final = {"Contact": "Email", "Account": "PersonEmail"}
"""The e-mail field of the objects that have one; any other object gets a field of ours."""

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
"""Those whose name at Salesforce is not simply `Membership_` and the canonical one."""

_LENGTHS: Final = {
    "shopify_customer_id": 32,
    "tier_id": 64,
    "fee_currency": 16,
    "billing_interval": 64,
    "last_decline_code": 64,
}
_LONGEST: Final = 255

_DIGITS: Final = {"failed_attempts": 3, "attempts_left": 3, "rejoin_count": 6, "referrals_count": 9}

_TYPES: Final = {
    ValueKind.TEXT: "Text",
    ValueKind.MONEY: "Number",
    ValueKind.COUNT: "Number",
    ValueKind.FLAG: "Checkbox",
    ValueKind.MOMENT: "DateTime",
    ValueKind.DAY: "Date",
}


@dataclass(frozen=True, slots=True)
class Definition:
    """A field as Salesforce's metadata names its parts; `length` is a text's, `digits` stand before the point."""

    name: str
    label: str
    type: str
    length: int = 0
    digits: int = 0
    decimals: int = 0
    choices: tuple[str, ...] = ()
    external_id: bool = False


def names(object_name: str) -> dict[str, str]:
    """Return Salesforce's name of each canonical field, on this object."""
    email = _EMAIL.get(object_name, _OUR_EMAIL)
    return {
        name: email if name == "email" else _NAMED.get(name, f"Membership_{name.title()}__c")
        for name in CRM_FIELDS
    }


def ours(object_name: str) -> dict[str, str]:
    """Return the canonical and Salesforce's names of the fields that we own and clear."""
    return {name: theirs for name, theirs in names(object_name).items() if theirs.endswith("__c")}


def fields_of(profile: CrmProfile, object_name: str) -> dict[str, Any]:
    """Return all fields of a record; null clears."""
    return {theirs: encode(name, profile.values[name]) for name, theirs in names(object_name).items()}


def last_name(profile: CrmProfile) -> str:
    """Return the last name of a contact that is made here, which the merchant may change.

    Not the e-mail address: it may change, and nothing would take it out of the name when the member is
    erased.
    """
    return f"Member {profile.values['shopify_customer_id']}"


def needs_last_name(object_name: str) -> bool:
    """Say whether a new record of this object is a person, who has a last name."""
    return object_name in _EMAIL


def encode(name: str, value: Value) -> str | float | bool | None:
    """Write a value as Salesforce reads it: JSON's own types, moments in UTC with milliseconds and `Z`.

    A checkbox knows no null: what is not known is not ticked. A text is cut to its field: a longer one
    would be refused, and the member's status and balance with it.
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
            return None if value == "" else cut(sendable_text(value), _LENGTHS.get(name, _LONGEST))


def decode(name: str, value: object) -> str | None:
    """Write what Salesforce holds as `encode` would have it, as a text; None for a field without a value."""
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


def shown(profile: CrmProfile) -> Mapping[str, str]:
    """Return what Salesforce shows of a profile that was written: canonical names, fields with a value alone."""
    written = {name: decode(name, encode(name, value)) for name, value in profile.values.items()}
    return {name: value for name, value in written.items() if value is not None}


def cut(text: str, length: int) -> str:
    """Cut a text to so many UTF-16 units, the strictest way of counting, and never within a character."""
    return text.encode("utf-16-le")[: 2 * length].decode("utf-16-le", "ignore")


def definitions(object_name: str) -> list[Definition]:
    """Return the fields that an administrator defines."""
    return [_definition(name, theirs) for name, theirs in ours(object_name).items()]


def _definition(name: str, theirs: str) -> Definition:
    column = CRM_FIELDS[name]
    kind = "Email" if name == "email" else "Picklist" if column.choices else _TYPES[column.kind]
    return Definition(
        name=theirs,
        label=theirs.removesuffix("__c").replace("_", " "),
        type=kind,
        length=_LENGTHS.get(name, _LONGEST) if kind == "Text" else 0,
        digits={ValueKind.MONEY: 16, ValueKind.COUNT: _DIGITS.get(name, 9)}.get(column.kind, 0),
        decimals=2 if column.kind is ValueKind.MONEY else 0,
        choices=column.choices,
        external_id=theirs == KEY,
    )


def _moment(text: str) -> str:
    """Write `2026-11-22T10:00:00.000+0000`, as Salesforce answers, in our notation; what is none stays."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return utc_text(moment)
