"""Calls HubSpot, and tells an answer about single members from one about all of them.

An answer that concerns single members (`_FOR_SINGLE_MEMBERS`) is returned. Any other concerns all of them and is raised
as `CrmUnavailableError`, by the table in `faults.py`: until a setting is corrected (`unauthorised`), or for now (`retry`).
An answer without HubSpot's own body comes from the edge before it, and says nothing of members or credentials; only a 401
and a 410 do so with any body.
`CircuitGuard.record_outcomes` in `crm/run.py` decides what follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from relay.adapters.fault_table import UNKNOWN, fault_of
from relay.adapters.http import (
    GATEWAY_STATUSES,
    CrmHttpClient,
    CrmUnavailableError,
    SecretSource,
    edge_page,
    is_foreign_success,
    read_object,
    read_secret,
    retry_after,
)
from relay.adapters.hubspot.faults import FAULTS

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
their own in each."""

ENDS: Final[dict[str, date | None]] = {"v3": date(2027, 9, 1), "2026-03": date(2027, 9, 1), "2026-09": None}
"""When HubSpot ends a version: v1 to v4 in September 2027 (the legacy migration guide), a dated one eighteen months after
its date. The end of the newest is not announced."""

_FOR_SINGLE_MEMBERS: Final = frozenset({200, 201, 204, 207, 400, 404, 409, 413, 422})
_REDIRECTS: Final = 300
_LOCKED_SECONDS: Final = 2.0
_OWN: Final = frozenset({"category", "correlationId", "errors", "policyName", "errorType"})
"""HubSpot's own error bodies have at least one of these."""

_WITH_ANY_BODY: Final = frozenset({401, 410, 423, 429})
"""Statuses that mean the same whatever the body is."""


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
        body = read_object(reply)
        own = bool(_OWN & body.keys())
        if is_foreign_success(reply):
            raise edge_page(f"http_{status}")
        # A 404 concerns a single member only for the member's own contact: every other path must exist.
        if status < _REDIRECTS or (
            own and status in _FOR_SINGLE_MEMBERS and (status != HTTPStatus.NOT_FOUND or method == "PATCH")
        ):
            return HubspotReply(status, body)
        codes = [*_codes(body), f"http_{status}"]
        if status == HTTPStatus.GONE:
            codes.reverse()  # whatever else it says
        is_known = own or status in _WITH_ANY_BODY
        later = status >= HTTPStatus.INTERNAL_SERVER_ERROR or not is_known
        fault = FAULTS["edge"] if later else fault_of(FAULTS, codes)
        known = [code for code in codes if code in FAULTS]
        reason = f"http_{status}" if later else known[0] if known else f"http_{status}"
        outcome = fault.outcome(reason, asked=_asked(reply))
        if outcome.state == "unauthorised" and not outcome.setting:
            self.token.forget()
        if fault is UNKNOWN:
            # A status that has nothing to do with members never makes one wait for two weeks.
            outcome = replace(outcome, state="retry")
        raise CrmUnavailableError(replace(outcome, unanswered=status in GATEWAY_STATUSES))


def _codes(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield HubSpot's policy and category, in lower case; never a part of the message."""
    for name in ("policyName", "category"):
        if isinstance(body.get(name), str):
            yield str(body[name]).lower()


def _asked(reply: httpx.Response) -> float | None:
    """Return the wait that an answer asks for; at least two seconds for a lock."""
    asked = retry_after(reply)
    if reply.status_code == HTTPStatus.LOCKED:
        return max(asked or 0.0, _LOCKED_SECONDS)
    return asked
