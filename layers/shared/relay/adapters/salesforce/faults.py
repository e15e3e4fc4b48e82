"""Whose fault Salesforce's answers are, by its codes and statuses (`adapters/fault_table.py`)."""

from __future__ import annotations

from typing import Final

from relay.adapters.fault_table import Fault, FaultTable

_CODES: Final = "https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm"
_REST: Final = "https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm"
_OAUTH: Final = "https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flow_errors.htm"
_RFC_OAUTH: Final = "https://www.rfc-editor.org/rfc/rfc6749#section-5.2"
_RETRY_LOGIN: Final = "https://github.com/amazon-connect/amazon-connect-salesforce-lambda/issues/43"
_UNKNOWN_VERSION: Final = "https://github.com/restforce/restforce/issues/160"
_LIFE: Final = "https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/api_rest_eol.htm"
_LIMITS: Final = "https://github.com/mautic/mautic/issues/5006"
_EDGE: Final = "an answer without Salesforce's own body comes from the edge before it (RFC 9110, 15.5)"

OBJECT: Final = "SalesforceObject"
URL: Final = "SalesforceUrl"
VERSION: Final = "SalesforceVersion"

DAILY_SECONDS: Final = 900.0
"""The limit is of the last 24 hours and no answer says when calls are possible again: the longest delay of a queue."""

LOCK_SECONDS: Final = 5.0
BUSY_SECONDS: Final = 30.0

FAULTS: Final[FaultTable] = {
    # this member
    "invalid_email_address": Fault("member", "https://github.com/datacite/datacite/issues/1595"),
    "malformed_id": Fault("member", _CODES),
    "string_too_long": Fault("member", _CODES),
    "number_outside_valid_range": Fault("member", _CODES),
    "owned_by_other": Fault("member", "ours: the record is under another shop's key"),
    "contact_deleted": Fault(
        "member", "ours: the merchant deleted the record, and no setting says to make it again"
    ),
    # definitions
    "invalid_field": Fault("setting", _CODES, OBJECT),
    "invalid_field_for_insert_update": Fault("setting", _CODES, OBJECT),
    "invalid_type": Fault("setting", _CODES, OBJECT),
    "invalid_or_null_for_restricted_picklist": Fault("definition", _CODES),
    # what the merchant can mend
    "required_field_missing": Fault(
        "waits", "https://github.com/neuralab/woocommerce-salesforce-integration/issues/6"
    ),
    "field_custom_validation_exception": Fault("waits", _CODES),
    "field_integrity_exception": Fault("waits", _CODES),
    "field_filter_validation_exception": Fault("waits", _CODES),
    "duplicates_detected": Fault("waits", "https://github.com/SalesforceFoundation/NPSP/issues/2475"),
    "duplicate_external_id": Fault("waits", "https://github.com/restforce/restforce/issues/243"),
    "multiple_records_found": Fault("waits", "https://github.com/restforce/restforce/issues/243"),
    "identity_conflict": Fault("waits", "https://github.com/restforce/restforce/issues/243"),
    "duplicate_value": Fault("waits", "https://github.com/forcedotcom/SFDX-Data-Move-Utility/issues/573"),
    "cannot_insert_update_activate_entity": Fault("waits", _CODES),
    "insufficient_access_on_cross_reference_entity": Fault("waits", _CODES),
    "insufficient_access_or_readonly": Fault("waits", _CODES),
    "storage_limit_exceeded": Fault("waits", _LIMITS),
    "limit_exceeded": Fault("waits", _LIMITS),
    "json_parser_error": Fault("waits", _REST, one_record=True),
    "http_413": Fault("waits", _REST, one_record=True),
    # not now
    "unable_to_lock_row": Fault("later", "https://github.com/jsforce/jsforce/issues/1018", wait=LOCK_SECONDS),
    "server_unavailable": Fault("later", _CODES, wait=BUSY_SECONDS),
    "request_limit_exceeded": Fault(
        "later", "https://github.com/airbytehq/airbyte/issues/8690", wait=DAILY_SECONDS
    ),
    "request_running_too_long": Fault("later", _CODES, wait=BUSY_SECONDS),
    "query_timeout": Fault("later", _CODES, wait=BUSY_SECONDS),
    "entity_is_deleted": Fault("later", _CODES, wait=LOCK_SECONDS),
    "unknown_error": Fault("later", _RETRY_LOGIN, wait=BUSY_SECONDS),
    "rate_limit_exceeded": Fault("later", _OAUTH, wait=BUSY_SECONDS),
    "server_error": Fault("later", _RFC_OAUTH, wait=BUSY_SECONDS),
    "temporarily_unavailable": Fault("later", _RFC_OAUTH, wait=BUSY_SECONDS),
    "edge": Fault("later", _EDGE),
    # settings
    "invalid_client": Fault("setting", _OAUTH),
    "invalid_client_id": Fault("setting", _OAUTH),
    "invalid_grant": Fault("setting", _OAUTH),
    "invalid_client_credentials": Fault("setting", _OAUTH),
    "invalid_app_access": Fault("setting", _OAUTH),
    "invalid_request": Fault("setting", _RFC_OAUTH),
    "invalid_scope": Fault("setting", _RFC_OAUTH),
    "unauthorized_client": Fault("setting", _RFC_OAUTH),
    "unsupported_grant_type": Fault("setting", _RFC_OAUTH),
    "access_denied": Fault("setting", _OAUTH),
    "inactive_user": Fault("setting", _OAUTH),
    "inactive_org": Fault("setting", _OAUTH, URL),
    "api_disabled_for_org": Fault("setting", _REST),
    "api_currently_disabled": Fault("setting", _REST),
    "insufficient_access": Fault("setting", _REST),
    "invalid_session_id": Fault("setting", _REST),
    "http_401": Fault("setting", _REST),
    "http_403": Fault("setting", _REST),
    # An object that is not there is told as `invalid_type` by the query before every write; only its description is a path.
    "not_found": Fault("setting", _UNKNOWN_VERSION, VERSION),
    "http_404": Fault("setting", _UNKNOWN_VERSION, VERSION),
    "object_not_found": Fault("setting", _REST, OBJECT),
    "unsupported_api_version": Fault("setting", _LIFE, VERSION),
    "http_410": Fault("setting", _LIFE, VERSION),
}
