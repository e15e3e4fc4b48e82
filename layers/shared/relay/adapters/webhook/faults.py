"""Whose fault a receiver's answers are, by their statuses (`adapters/fault_table.py`).

The receiver is the merchant's own, so its answer counts whatever its body is. No status is one member's own fault: a
receiver that answers 400 to everything during a faulty deployment would lose every member of that hour.
"""

from __future__ import annotations

from typing import Final

from relay.adapters.fault_table import Fault, FaultTable

_STATUSES: Final = "https://www.rfc-editor.org/rfc/rfc9110#section-15"
_STANDARD: Final = (
    "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"
)

URL: Final = "WebhookUrl"

FAULTS: Final[FaultTable] = {
    # The signature or the secret.
    "http_401": Fault("setting", _STATUSES),
    "http_403": Fault("setting", _STATUSES),
    # The address: a redirect is not followed, it would send members to an address that the merchant did not set.
    "http_301": Fault("setting", _STANDARD, URL),
    "http_302": Fault("setting", _STANDARD, URL),
    "http_303": Fault("setting", _STANDARD, URL),
    "http_307": Fault("setting", _STANDARD, URL),
    "http_308": Fault("setting", _STANDARD, URL),
    "http_404": Fault("setting", _STATUSES, URL),
    "http_405": Fault("setting", _STATUSES, URL),
    "http_410": Fault("setting", _STANDARD, URL),
    # Not now.
    "http_408": Fault("later", _STATUSES),
    "http_423": Fault("later", _STATUSES, wait=2.0),
    "http_425": Fault("later", "https://www.rfc-editor.org/rfc/rfc8470#section-5.2", wait=2.0),
    "http_429": Fault("later", "https://www.rfc-editor.org/rfc/rfc6585#section-4", wait=10.0),
    # A refusal of this message: the receiver may be at fault as well as the member.
    "http_400": Fault("waits", "https://github.com/hyperdxio/hyperdx/pull/2534"),
    "http_409": Fault("waits", _STATUSES),
    "http_413": Fault("waits", _STATUSES),
    "http_415": Fault("waits", _STATUSES),
    "http_422": Fault("waits", _STATUSES),
}
