"""Whose fault Klaviyo's answers are, by its codes and statuses (`adapters/fault_table.py`)."""

from __future__ import annotations

from typing import Final

from relay.adapters.fault_table import Fault, FaultTable

_ERRORS: Final = "https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling"
_VERSIONS: Final = "https://developers.klaviyo.com/en/docs/api_versioning_and_deprecation_policy"
_IMPORT: Final = "https://developers.klaviyo.com/en/reference/create_or_update_profile"
_EDGE: Final = "https://github.com/klaviyo/klaviyo-api-python/issues/84"

REVISION: Final = "KlaviyoRevision"

FAULTS: Final[FaultTable] = {
    # this member
    "invalid /data/attributes/email": Fault(
        "member", "https://github.com/segmentio/action-destinations/pull/3792"
    ),
    "invalid_email": Fault("member", _IMPORT),
    "owned_by_other": Fault("member", "ours: the profile is under another shop's key"),
    "contact_deleted": Fault(
        "member", "ours: the merchant deleted the profile, and no setting says to make it again"
    ),
    # what the merchant can mend, or an unknown fault
    "invalid": Fault("waits", _ERRORS),
    "duplicate_profile": Fault("waits", "https://github.com/klaviyo/klaviyo-api-node/issues/75"),
    "identity_conflict": Fault("waits", _IMPORT),
    "http_400": Fault("waits", _ERRORS),
    "http_409": Fault("waits", _ERRORS),
    "http_413": Fault("waits", _ERRORS),
    "http_422": Fault("waits", _ERRORS),
    # not now
    "throttled": Fault("later", _ERRORS),
    "http_423": Fault("later", _ERRORS),
    "http_429": Fault("later", _ERRORS),
    "edge": Fault("later", _EDGE),
    # settings
    "not_authenticated": Fault("setting", _ERRORS),
    "authentication_failed": Fault("setting", _ERRORS),
    "permission_denied": Fault("setting", _ERRORS),
    "http_401": Fault("setting", _ERRORS),
    "http_403": Fault("setting", _ERRORS),
    "http_410": Fault("setting", "https://github.com/PipedreamHQ/pipedream/issues/13034", REVISION),
    "http_404": Fault("setting", _VERSIONS, REVISION),
    "invalid_revision": Fault("setting", _VERSIONS, REVISION),
}
