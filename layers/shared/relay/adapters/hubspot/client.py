"""Calls to HubSpot: one request, and what its answer means to everybody in it.

An answer that concerns single members (200, 207, 400, 409) is returned. One that closes the door to all
of them, for now or until somebody mends the credentials, is raised as `ClosedError`. Nothing is tried
again here, but a connection that could not be made: patience is the queue's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from relay.adapters.crm_http import (
    FROM_A_GATEWAY,
    AccessToken,
    ClosedError,
    CrmHttpClient,
    object_of,
    told,
    wait_of,
)
from relay.ports.crm import CrmOutcome

if TYPE_CHECKING:
    import httpx

_FOR_SINGLE_MEMBERS: Final = frozenset({200, 201, 204, 207, 400, 404, 409, 413, 422})
_LOCKED_SECONDS: Final = 2.0
_POLICY_SECONDS: Final = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 900.0}
"""How long to wait where no `Retry-After` says. The day ends at the account's midnight, which we do not
know: a daily limit is asked again every quarter of an hour, the longest that a queue can put off."""


@dataclass(frozen=True, slots=True)
class HubspotReply:
    """An answer: its status, and its JSON (an empty object where it is none)."""

    status: int
    body: Mapping[str, Any]


@dataclass(slots=True)
class HubspotClient:
    """HubSpot's API with one token."""

    base_url: str
    token: AccessToken
    wire: CrmHttpClient

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> HubspotReply:
        """Make one request.

        Raises:
            ClosedError: for an answer, or the lack of one, that concerns everybody.

        """
        headers = {"Authorization": f"Bearer {told(self.token)}"}
        reply = self.wire.send(method, f"{self.base_url}{path}", json=body, headers=headers)
        status = reply.status_code
        # The one 404 that concerns a single member is that of its own contact: any other path must be there.
        if status in _FOR_SINGLE_MEMBERS and (status != HTTPStatus.NOT_FOUND or method == "PATCH"):
            return HubspotReply(status, object_of(reply))
        if status in {401, 403}:
            self.token.forget()
            raise ClosedError(CrmOutcome(state="unauthorised", reason=_code(reply, f"http_{status}")))
        raise ClosedError(
            CrmOutcome(
                state="retry",
                reason=_code(reply, f"http_{status}"),
                retry_after=_wait(reply),
                unanswered=status in FROM_A_GATEWAY,
            )
        )


def _code(reply: httpx.Response, otherwise: str) -> str:
    """Return HubSpot's word for it: a policy or category from a known list, and nothing of the message."""
    body = object_of(reply)
    for word in (body.get("policyName"), body.get("category")):
        if word in _POLICY_SECONDS or word in {
            "MISSING_SCOPES",
            "INVALID_AUTHENTICATION",
            "EXPIRED_AUTHENTICATION",
        }:
            return str(word).lower()
    return otherwise


def _wait(reply: httpx.Response) -> float | None:
    """Return the seconds to wait that HubSpot asks for, where that is a sane number; else what its policy means."""
    asked = wait_of(reply)
    if reply.status_code == HTTPStatus.LOCKED:
        return max(asked or 0.0, _LOCKED_SECONDS)
    if asked is not None:
        return asked
    return _POLICY_SECONDS.get(str(object_of(reply).get("policyName")))
