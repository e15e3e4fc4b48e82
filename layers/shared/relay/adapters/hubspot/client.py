"""Calls HubSpot, and tells an answer about single members from one about all of them.

An answer that concerns single members (`_FOR_SINGLE_MEMBERS`) is returned. Any other concerns all of them and is raised
as `CrmUnavailableError`: 401 and 403 until the credentials are corrected (`unauthorised`), 429 and 5xx for now (`retry`).
`CircuitGuard.record_outcomes` in `crm/run.py` decides what follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from relay.adapters.http import (
    GATEWAY_STATUSES,
    CrmHttpClient,
    CrmUnavailableError,
    SecretSource,
    read_object,
    read_secret,
    retry_after,
)
from relay.ports.crm import CrmOutcome

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True)
class HubspotPaths:
    """The paths of contacts, their property definitions, event occurrences and event definitions."""

    contacts: str
    properties: str
    events: str
    definitions: str


DEFAULT_VERSION: Final = "2026-09"

PATHS: Final[dict[str, HubspotPaths]] = {
    "v3": HubspotPaths(
        "/crm/v3/objects/contacts",
        "/crm/v3/properties/contacts",
        "/events/v3/send",
        "/events/v3/event-definitions",
    ),
    "2026-03": HubspotPaths(
        "/crm/objects/2026-03/contacts",
        "/crm/properties/2026-03/contacts",
        "/events/2026-03/send",
        "/events/2026-03/event-definitions",
    ),
    "2026-09": HubspotPaths(
        "/crm/objects/2026-09/contacts",
        "/crm/properties/2026-09/contacts",
        "/events/custom/2026-09/send",
        "/events/custom/2026-09/event-definitions",
    ),
}
"""By version of the API. A table and not a template: the version moves about within the path, and events have a prefix of
their own in each. Versions v1 to v4 end in September 2027."""

_FOR_SINGLE_MEMBERS: Final = frozenset({200, 201, 204, 207, 400, 404, 409, 413, 422})
_LOCKED_SECONDS: Final = 2.0
_POLICY_SECONDS: Final = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 900.0}
"""How long to wait without a `Retry-After`. The day ends at midnight in the account's zone, which Relay does not know: a
daily limit is tried again every quarter of an hour, the longest delay of a queue."""

_KNOWN_CODES: Final = frozenset(
    {*_POLICY_SECONDS, "MISSING_SCOPES", "INVALID_AUTHENTICATION", "EXPIRED_AUTHENTICATION"}
)


@dataclass(frozen=True, slots=True)
class HubspotReply:
    """An answer: its status, and its JSON (an empty object if it is none)."""

    status: int
    body: Mapping[str, Any]


@dataclass(slots=True)
class HubspotClient:
    """HubSpot's API with one token, in one version."""

    base_url: str
    token: SecretSource
    http: CrmHttpClient
    paths: HubspotPaths

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> HubspotReply:
        """Make one request.

        Raises:
            CrmUnavailableError: the answer, or the lack of one, concerns every member.

        """
        headers = {"Authorization": f"Bearer {read_secret(self.token)}"}
        reply = self.http.send(method, f"{self.base_url}{path}", json=body, headers=headers)
        status = reply.status_code
        # A 404 concerns a single member only for the member's own contact: every other path must exist.
        if status in _FOR_SINGLE_MEMBERS and (status != HTTPStatus.NOT_FOUND or method == "PATCH"):
            return HubspotReply(status, read_object(reply))
        if status in {401, 403}:
            self.token.forget()
            raise CrmUnavailableError(CrmOutcome(state="unauthorised", reason=_code(reply)))
        raise CrmUnavailableError(
            CrmOutcome(
                state="retry",
                reason=_code(reply),
                retry_after=_wait(reply),
                unanswered=status in GATEWAY_STATUSES,
            )
        )


def _code(reply: httpx.Response) -> str:
    """Return HubSpot's policy or category if it is a known one, else the status; never a part of the message."""
    body = read_object(reply)
    for code in (body.get("policyName"), body.get("category")):
        if code in _KNOWN_CODES:
            return str(code).lower()
    return f"http_{reply.status_code}"


def _wait(reply: httpx.Response) -> float | None:
    """Return the seconds to wait: what the answer asks for, otherwise what its policy means."""
    asked = retry_after(reply)
    if reply.status_code == HTTPStatus.LOCKED:
        return max(asked or 0.0, _LOCKED_SECONDS)
    if asked is not None:
        return asked
    return _POLICY_SECONDS.get(str(read_object(reply).get("policyName")))
