"""Calls to Salesforce under a session of the client-credentials flow, and what their answers mean to everybody.

An answer that concerns single members is returned. One that closes the door to all of them, for now or
until somebody mends a setting, is raised as `ClosedError`:

401                       the session has ended: a new one is asked for, once
403 REQUEST_LIMIT_EXCEEDED  the whole org's calls of 24 hours are used up: asked again every quarter of an hour
403 otherwise, 404        the user may not, or object or version are not there
400 INVALID_FIELD         a field of ours is not defined, or hidden from the user
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from relay.adapters.crm_http import (
    FROM_A_GATEWAY,
    AccessToken,
    ClosedError,
    CrmHttpClient,
    changing_nothing,
    json_of,
    told,
    wait_of,
)
from relay.errors import MisconfiguredError
from relay.ports.crm import CrmOutcome

if TYPE_CHECKING:
    import httpx

PATIENCE: Final = 12.0
"""Seconds after which no further call of one batch is started; the last may take ten more."""

DAILY_SECONDS: Final = 900.0
"""The limit rolls over 24 hours and no answer says when it frees: the longest that a queue can put off."""

LOCK_SECONDS: Final = 5.0
BUSY_SECONDS: Final = 30.0

_WAITS: Final = {
    "REQUEST_LIMIT_EXCEEDED": DAILY_SECONDS,
    "SERVER_UNAVAILABLE": BUSY_SECONDS,
    "UNABLE_TO_LOCK_ROW": LOCK_SECONDS,
}

UNKNOWN: Final = {
    "INVALID_FIELD": "unknown_property",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "unknown_property",
    "INVALID_TYPE": "unknown_object",
}
"""What is not defined, or hidden from our user, concerns every member alike."""

_FOR_SINGLE_MEMBERS: Final = frozenset({300, 400, 413})
_OBJECT: Final = re.compile(r"Contact|Account|[A-Za-z][A-Za-z0-9_]*__c")
_VERSION: Final = re.compile(r"[1-9][0-9]{1,2}\.0")
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z_]{2,59}")


@dataclass(frozen=True, slots=True)
class Org:
    """Where the merchant's Salesforce is (its My Domain), what members are there, and which version is spoken.

    `object_name` is `Contact`, `Account` (person accounts) or an object of the merchant's own, whose name
    field must be an auto number.
    """

    url: str
    object_name: str = "Contact"
    version: str = "65.0"

    def __post_init__(self) -> None:
        """Refuse what could not be part of a path or a question."""
        object.__setattr__(self, "url", self.url.rstrip("/"))
        if not _OBJECT.fullmatch(self.object_name):
            raise MisconfiguredError("no object that members can be", setting="SALESFORCE_OBJECT")
        if not _VERSION.fullmatch(self.version):
            raise MisconfiguredError("not a version of Salesforce's API", setting="SALESFORCE_VERSION")


@dataclass(frozen=True, slots=True)
class SalesforceReply:
    """An answer: its status, and its JSON (None where it is none)."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Session:
    """What the client credentials were exchanged for: a token, and the address where it holds."""

    url: str
    token: str = field(repr=False)


@dataclass(slots=True)
class SalesforceClient:
    """Salesforce's REST API. `secret` holds `{"client_id": …, "client_secret": …}` as JSON."""

    org: Org
    secret: AccessToken
    wire: CrmHttpClient
    _session: Session | None = field(default=None, repr=False)

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        until: float,
        query: Mapping[str, str] | None = None,
    ) -> SalesforceReply:
        """Make one request below `/services/data/vXX.X`, unless the time `until` (monotonic) has passed.

        Raises:
            ClosedError: for an answer, or the lack of one, that concerns everybody.

        """
        reply = self._ask(method, path, body, query, until)
        if reply.status_code == HTTPStatus.UNAUTHORIZED:
            # It was refused before anything was done, so it may be repeated under a new session; once.
            self._session = None
            reply = self._ask(method, path, body, query, until)
        return self._judge(reply)

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
        until: float,
    ) -> httpx.Response:
        session = self._session = self._session or self._log_in(until)
        _check_time(until)
        return self.wire.send(
            method,
            f"{session.url}/services/data/v{self.org.version}{path}",
            params=query,
            json=body,
            headers={"Authorization": f"Bearer {session.token}"},
        )

    def _log_in(self, until: float) -> Session:
        _check_time(until)
        form = {"grant_type": "client_credentials", **self._credentials()}
        with changing_nothing():
            reply = self.wire.send("POST", f"{self.org.url}/services/oauth2/token", data=form)
        body = json_of(reply)
        if reply.is_success and isinstance(body, Mapping) and body.get("access_token"):
            return Session(self._instance(body.get("instance_url")), str(body["access_token"]))
        if reply.is_server_error or reply.status_code in {HTTPStatus.TOO_MANY_REQUESTS, *FROM_A_GATEWAY}:
            raise ClosedError(CrmOutcome(state="retry", reason="no_session", retry_after=wait_of(reply)))
        self.secret.forget()
        word = body.get("error") if isinstance(body, Mapping) else None
        reason = word if isinstance(word, str) and _CODE.fullmatch(word) else f"http_{reply.status_code}"
        raise ClosedError(CrmOutcome(state="unauthorised", reason=reason))

    def _credentials(self) -> dict[str, str]:
        try:
            known = json.loads(told(self.secret))
            return {name: str(known[name]) for name in ("client_id", "client_secret")}
        except (ValueError, TypeError, KeyError):
            self.secret.forget()
            # The error's text would quote the secret.
            raise ClosedError(CrmOutcome(state="unauthorised", reason="secret_is_no_credentials")) from None

    def _instance(self, told_url: object) -> str:
        """Return where the session holds: an address of no lesser kind than ours, or ours."""
        scheme = self.org.url.partition("://")[0]
        if isinstance(told_url, str) and told_url.startswith((f"{scheme}://", "https://")):
            return told_url.rstrip("/")
        return self.org.url

    def _judge(self, reply: httpx.Response) -> SalesforceReply:
        body, status = json_of(reply), reply.status_code
        words = list(codes(body))
        code = words[0].lower() if words else f"http_{status}"
        unknown = [UNKNOWN[word] for word in words if word in UNKNOWN]
        if unknown:
            raise ClosedError(CrmOutcome(state="unauthorised", reason=unknown[0]))
        if reply.is_success or status in _FOR_SINGLE_MEMBERS:
            return SalesforceReply(status, body)
        limited = "REQUEST_LIMIT_EXCEEDED" in words
        if status in {401, 403, 404} and not limited:
            self._session = None
            self.secret.forget()
            raise ClosedError(CrmOutcome(state="unauthorised", reason=code))
        asked = wait_of(reply)
        raise ClosedError(
            CrmOutcome(
                state="retry",
                reason=code,
                retry_after=wait_for(words) if asked is None else asked,
                unanswered=status in FROM_A_GATEWAY,
            )
        )


def codes(body: object) -> Iterator[str]:
    """Yield Salesforce's own words for what is wrong, never a message, which has values.

    Top-level errors have an `errorCode`; those of one record in a collection have a `statusCode`.
    """
    for error in body if isinstance(body, list) else ():
        if isinstance(error, Mapping):
            word = error.get("errorCode") or error.get("statusCode")
            if isinstance(word, str) and _CODE.fullmatch(word):
                yield word


def wait_for(words: list[str]) -> float | None:
    """Return how long to wait for what these words name, where no answer says."""
    return max((_WAITS[word] for word in words if word in _WAITS), default=None)


def _check_time(until: float) -> None:
    if time.monotonic() > until:
        raise ClosedError(CrmOutcome(state="retry", reason="out_of_time", retry_after=1.0))
