"""Whose fault HubSpot's answers are, by its codes and statuses (`adapters/fault_table.py`)."""

from __future__ import annotations

from typing import Final

from relay.adapters.fault_table import Fault, FaultTable

_ERRORS: Final = "https://developers.hubspot.com/docs/api-reference/error-handling"
_LIMITS: Final = "https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines"
_VALUES: Final = "https://developers.hubspot.com/changelog/upcoming-increased-validation-for-contact-updates-made-through-apis"
_REQUIRED: Final = "https://developers.hubspot.com/changelog/crm-api-write-validation-enforcement"
_VERSIONS: Final = "https://developers.hubspot.com/docs/api-reference/legacy/migration-guide"
_UPSERT: Final = (
    "https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/batch/upsert-contacts"
)
_EDGE: Final = "an answer without HubSpot's own body comes from the edge before it (RFC 9110, 15.5)"

VERSION: Final = "HubSpotVersion"

FAULTS: Final[FaultTable] = {
    # this member
    "invalid_email": Fault(
        "member", "https://github.com/HubspotCommunity/hubspot-ruby/issues/231", one_record=True
    ),
    "owned_by_other": Fault("member", "ours: the contact is under another shop's key"),
    "contact_deleted": Fault(
        "member", "ours: the merchant deleted the contact, and no setting says to make it again"
    ),
    # definitions
    "property_doesnt_exist": Fault("definition", _ERRORS),
    "invalid_option": Fault("definition", "https://github.com/gregorspan/csc-frodx/issues/21"),
    # what the merchant can mend
    "required_property": Fault("waits", _REQUIRED, one_record=True),
    "required_properties_missing": Fault("waits", _REQUIRED, one_record=True),
    "missing_required_property": Fault("waits", _REQUIRED, one_record=True),
    "conflicting_unique_value": Fault("waits", _UPSERT, one_record=True),
    "invalid_number": Fault("waits", _VALUES, one_record=True),
    "invalid_date": Fault("waits", _VALUES, one_record=True),
    "invalid_datetime": Fault("waits", _VALUES, one_record=True),
    "invalid_bool": Fault("waits", _VALUES, one_record=True),
    "invalid_string": Fault("waits", _VALUES, one_record=True),
    "invalid_long": Fault("waits", _VALUES, one_record=True),
    "invalid_integer": Fault("waits", _VALUES, one_record=True),
    "validation_error": Fault("waits", _ERRORS, one_record=True),
    "object_already_exists": Fault("waits", _ERRORS, one_record=True),
    "conflict": Fault("waits", _ERRORS, one_record=True),
    "bad_request": Fault("waits", _ERRORS, one_record=True),
    "limit_exceeded": Fault("waits", _LIMITS),
    "http_413": Fault("waits", _ERRORS, one_record=True),
    # not now
    "rate_limits": Fault("later", _LIMITS),
    "secondly": Fault("later", _LIMITS, wait=1.0),
    "ten_secondly_rolling": Fault("later", _LIMITS, wait=10.0),
    # The day ends at midnight in the account's zone, which Relay does not know: the longest delay of a queue.
    "daily": Fault("later", _LIMITS, wait=900.0),
    "locked": Fault("later", _ERRORS, wait=2.0),
    "http_423": Fault("later", _ERRORS, wait=2.0),
    "internal_error": Fault("later", _ERRORS),
    "server_error": Fault("later", _ERRORS),
    "timeout": Fault("later", _ERRORS),
    "service_unavailable": Fault("later", _ERRORS),
    "http_429": Fault("later", _LIMITS),
    "edge": Fault("later", _EDGE),
    # settings
    "invalid_authentication": Fault("setting", _ERRORS),
    "expired_authentication": Fault("setting", _ERRORS),
    "missing_scopes": Fault("setting", _ERRORS),
    "http_401": Fault("setting", _ERRORS),
    "http_403": Fault("setting", _ERRORS),
    "http_404": Fault("setting", _VERSIONS, VERSION),
    "http_410": Fault("setting", _VERSIONS, VERSION),
}
