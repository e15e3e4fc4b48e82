"""What to do about a member that a CRM does not hold, by the reason that its sync state names."""

from __future__ import annotations

from typing import Final

_CORRECT: Final = "correct the address in Shopify"
_ADDRESSES: Final = frozenset(
    {"", "email", "Email", "PersonEmail", "Membership_Email__c", "/data/attributes/email"}
)
"""The fields that hold the member's address, and none named."""

_FIELD: Final = "the CRM takes less in the field that it names: change the field or the rule there"

_ADVICE: Final = {
    "owned_by_other": "another shop has this contact: give the member another address, or clear the key there",
    "contact_deleted": "restore the contact in the CRM, or name the CRM in the rules' remake_contacts; then relay mirror retry",
    "email_held_by_member": "another member has this address: correct one of the two in Shopify",
    "email_held_by_contact": "another contact has this address: merge the two in the CRM",
    "identity_conflict": "several contacts match: merge them in the CRM",
    "invalid_email": _CORRECT,
    "invalid_email_address": _CORRECT,
    "invalid": _CORRECT,
    "required_property": "fill the property in the CRM, or require it no more",
    "required_field_missing": "fill the field in the CRM, or require it no more",
    "field_custom_validation_exception": "the CRM's validation rule forbids it: change the rule",
    "duplicates_detected": "a duplicate rule forbids it: merge the contacts, or allow duplicates (docs/salesforce.md)",
    "storage_limit_exceeded": "make room in the CRM",
    "limit_exceeded": "make room in the CRM",
    "property_limit_reached": "delete properties in the CRM, or take a larger plan; then relay mirror prepare",
    "properties_not_made": "relay mirror prepare",
    "invalid_option": "relay mirror prepare",
    "permission_denied": "allow the credential to delete, or erase_contacts: clear (docs/privacy.md); the contact is empty",
    "insufficient_access": "allow Relay's user to delete, or erase_contacts: clear; the contact is empty",
    "delete_failed": "delete the contact in the CRM, it is empty: something there still refers to it",
    "duplicate_value": "another contact has the value of the field that it names: merge the two in the CRM",
    "string_too_long": _FIELD,
    "number_outside_valid_range": _FIELD,
    "search_refused": "look at KlaviyoRevision: Klaviyo refuses every search",
    "silent_2xx": "nothing: it is tried again",
}
_OTHERWISE: Final = "look at the reason in the CRM, then relay mirror retry"


def advice(reason: str) -> str:
    """Return what to do about a reason: its code decides, and whether it names another field than the address."""
    code, _, named = reason.removeprefix("not_cleared_").partition(" ")
    if code.startswith("http_"):
        return "look at the receiver's log, then relay mirror retry"
    known = _ADVICE.get(code, _OTHERWISE)
    return _FIELD if known == _CORRECT and named not in _ADDRESSES else known
