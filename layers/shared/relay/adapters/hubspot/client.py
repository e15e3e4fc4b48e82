"""Calls to HubSpot: one request, and what its answer means to everybody in it.

An answer that concerns single members (200, 207, 400, 409) is returned. One that closes the door to all
of them, for now or until somebody mends the credentials, is raised as `ClosedError`. Nothing is tried
again here, but a connection that could not be made: patience is the queue's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from relay.errors import MisconfiguredError, TransientError
from relay.ports import Outcome

if TYPE_CHECKING:
    import httpx

_CONNECT_SECONDS: Final = 2.0
READ_SECONDS: Final = 8.0

_FOR_SINGLE_MEMBERS: Final = frozenset({200, 201, 204, 207, 400, 404, 409, 413, 422})
_FROM_A_GATEWAY: Final = frozenset({408, 502, 504, 520, 522, 523, 524})
"""Answers of somebody in between: HubSpot itself may still be at work."""

_LOCKED_SECONDS: Final = 2.0
_POLICY_SECONDS: Final = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 900.0}
"""How long to wait where no `Retry-After` says. The day ends at the account's midnight, which we do not
know: a daily limit is asked again every quarter of an hour, the longest that a queue can put off."""

_LONGEST_WAIT: Final = 86_400.0


class Token(Protocol):
    """A secret that can be read anew."""

    def value(self) -> str:
        """Return it."""
        ...

    def forget(self) -> None:
        """Read it anew next time."""
        ...


class ClosedError(Exception):
    """Nobody gets through; `outcome` is that of every member in the request."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status, and its JSON (an empty object where it is none)."""

    status: int
    body: Mapping[str, Any]


@dataclass(slots=True)
class HubspotClient:
    """HubSpot's API with one token. `transport` stands in for the network in tests."""

    base_url: str
    token: Token
    transport: httpx.BaseTransport | None = None
    read_seconds: float = READ_SECONDS
    _http: httpx.Client | None = field(default=None, repr=False)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """Make one request.

        Raises:
            ClosedError: for an answer, or the lack of one, that concerns everybody.

        """
        reply = self._send(method, path, body)
        status = reply.status_code
        # The one 404 that concerns a single member is that of its own contact: any other path must be there.
        if status in _FOR_SINGLE_MEMBERS and (status != HTTPStatus.NOT_FOUND or method == "PATCH"):
            return Reply(status, _json(reply))
        if status in {401, 403}:
            self.token.forget()
            raise ClosedError(Outcome(state="unauthorised", reason=_code(reply, f"http_{status}")))
        raise ClosedError(
            Outcome(
                state="retry",
                reason=_code(reply, f"http_{status}"),
                retry_after=_wait(reply),
                unanswered=status in _FROM_A_GATEWAY,
            )
        )

    def close(self) -> None:
        """End the connections; the next call makes new ones."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        import httpx

        try:
            headers = {"Authorization": f"Bearer {self.token.value()}"}
        except MisconfiguredError as error:
            raise ClosedError(Outcome(state="unauthorised", reason="no_token")) from error
        except TransientError as error:
            raise ClosedError(Outcome(state="retry", reason="token_not_read")) from error
        try:
            return self._client().request(method, path, json=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ClosedError(Outcome(state="retry", reason="unreachable")) from error
        except httpx.TransportError as error:
            reason = "timeout" if isinstance(error, httpx.TimeoutException) else "broken_off"
            raise ClosedError(Outcome(state="retry", reason=reason, unanswered=True)) from error
        except httpx.HTTPError as error:
            raise ClosedError(Outcome(state="retry", reason="unreadable", unanswered=True)) from error

    def _client(self) -> httpx.Client:
        import httpx

        if self._http is None:
            self._http = httpx.Client(
                base_url=self.base_url,
                timeout=httpx.Timeout(self.read_seconds, connect=_CONNECT_SECONDS),
                # Only a connection that was not made is tried again: no request can have been heard.
                transport=self.transport or httpx.HTTPTransport(retries=1),
            )
        return self._http


def _json(reply: httpx.Response) -> Mapping[str, Any]:
    try:
        body = reply.json()
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return body if isinstance(body, Mapping) else {}


def _code(reply: httpx.Response, otherwise: str) -> str:
    """Return HubSpot's word for it: a policy or category from a known list, and nothing of the message."""
    body = _json(reply)
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
    try:
        asked = float(reply.headers.get("Retry-After", ""))
    except ValueError:
        asked = -1.0
    if 0 <= asked <= _LONGEST_WAIT:
        return asked
    if reply.status_code == HTTPStatus.LOCKED:
        return _LOCKED_SECONDS
    return _POLICY_SECONDS.get(str(_json(reply).get("policyName")))
