"""Calls Salesforce in a session of the client-credentials flow, and tells answers about single members from others.

An answer that concerns single members is returned. An answer that concerns all of them, for now or until a setting is
corrected, is raised as `CrmUnavailableError`:

401                         the session has ended: a new one is requested, once
403 REQUEST_LIMIT_EXCEEDED  the whole org's calls of 24 hours are used up: tried again every quarter of an hour
403 otherwise, 404          the user lacks the right, or the object or version does not exist
400 INVALID_FIELD           a field of ours is not defined, or hidden from the user
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from relay.adapters.http import (
    GATEWAY_STATUSES,
    CrmHttpClient,
    CrmUnavailableError,
    SecretSource,
    read_json,
    read_secret,
    retry_after,
    without_effect,
)
from relay.errors import MisconfiguredError
from relay.ports.crm import CrmOutcome

if TYPE_CHECKING:
    import httpx

TIME_LIMIT: Final = 12.0
"""Seconds after which no further call of one batch is started; the last may take ten more."""

DAILY_SECONDS: Final = 900.0
"""The limit is of the last 24 hours and no answer says when calls are possible again: the longest delay of a queue."""

LOCK_SECONDS: Final = 5.0
BUSY_SECONDS: Final = 30.0

_WAIT_SECONDS: Final = {
    "REQUEST_LIMIT_EXCEEDED": DAILY_SECONDS,
    "SERVER_UNAVAILABLE": BUSY_SECONDS,
    "UNABLE_TO_LOCK_ROW": LOCK_SECONDS,
}

UNKNOWN: Final = {
    "INVALID_FIELD": "unknown_property",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "unknown_property",
    "INVALID_TYPE": "unknown_object",
}
"""A field or object that is not defined, or hidden from our user, concerns every member alike."""

_FOR_SINGLE_MEMBERS: Final = frozenset({300, 400, 413})
_OBJECT: Final = re.compile(r"Contact|Account|[A-Za-z][A-Za-z0-9_]*__c")
_VERSION: Final = re.compile(r"[1-9][0-9]{1,2}\.0")
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z_]{2,59}")


@dataclass(frozen=True, slots=True)
class SalesforceOrg:
    """The merchant's Salesforce: its My Domain, the object that members become, and the API's version.

    `object_name` is `Contact`, `Account` (person accounts) or an object of the merchant's own, whose name field must be
    an auto number.
    """

    url: str
    object_name: str = "Contact"
    version: str = "65.0"

    def __post_init__(self) -> None:
        """Reject names that cannot be part of a path or a query."""
        object.__setattr__(self, "url", self.url.rstrip("/"))
        if not _OBJECT.fullmatch(self.object_name):
            raise MisconfiguredError("not an object that members can become", setting="SALESFORCE_OBJECT")
        if not _VERSION.fullmatch(self.version):
            raise MisconfiguredError("not a version of Salesforce's API", setting="SALESFORCE_VERSION")


@dataclass(frozen=True, slots=True)
class SalesforceReply:
    """An answer: its status, and its JSON (None if it is none)."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class SalesforceSession:
    """The token that the client credentials were exchanged for, and the address that accepts it."""

    url: str
    token: str = field(repr=False)


@dataclass(slots=True)
class SalesforceClient:
    """Salesforce's REST API. `secret` holds `{"client_id": …, "client_secret": …}` as JSON."""

    org: SalesforceOrg
    secret: SecretSource
    http: CrmHttpClient
    _session: SalesforceSession | None = field(default=None, repr=False)

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
            CrmUnavailableError: the answer, or the lack of one, concerns every member.

        """
        reply = self._send(method, path, body, query, until)
        if reply.status_code == HTTPStatus.UNAUTHORIZED:
            # The request was rejected before it had any effect, so it may be repeated in a new session; once.
            self._session = None
            reply = self._send(method, path, body, query, until)
        return self._read(reply)

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
        until: float,
    ) -> httpx.Response:
        session = self._session = self._session or self._log_in(until)
        _check_time(until)
        return self.http.send(
            method,
            f"{session.url}/services/data/v{self.org.version}{path}",
            params=query,
            json=body,
            headers={"Authorization": f"Bearer {session.token}"},
        )

    def _log_in(self, until: float) -> SalesforceSession:
        _check_time(until)
        form = {"grant_type": "client_credentials", **self._credentials()}
        with without_effect():
            reply = self.http.send("POST", f"{self.org.url}/services/oauth2/token", data=form)
        body = read_json(reply)
        if reply.is_success and isinstance(body, Mapping) and body.get("access_token"):
            return SalesforceSession(self._instance(body.get("instance_url")), str(body["access_token"]))
        if reply.is_server_error or reply.status_code in {HTTPStatus.TOO_MANY_REQUESTS, *GATEWAY_STATUSES}:
            raise CrmUnavailableError(
                CrmOutcome(state="retry", reason="no_session", retry_after=retry_after(reply))
            )
        self.secret.forget()
        code = body.get("error") if isinstance(body, Mapping) else None
        reason = code if isinstance(code, str) and _CODE.fullmatch(code) else f"http_{reply.status_code}"
        raise CrmUnavailableError(CrmOutcome(state="unauthorised", reason=reason))

    def _credentials(self) -> dict[str, str]:
        try:
            credentials = json.loads(read_secret(self.secret))
            return {name: str(credentials[name]) for name in ("client_id", "client_secret")}
        except (ValueError, TypeError, KeyError):
            self.secret.forget()
            # The error's text would quote the secret.
            raise CrmUnavailableError(
                CrmOutcome(state="unauthorised", reason="secret_is_no_credentials")
            ) from None

    def _instance(self, url: object) -> str:
        """Return the address of the session: the one in the answer if its scheme is ours or https, else ours."""
        scheme = self.org.url.partition("://")[0]
        if isinstance(url, str) and url.startswith((f"{scheme}://", "https://")):
            return url.rstrip("/")
        return self.org.url

    def _read(self, reply: httpx.Response) -> SalesforceReply:
        body, status = read_json(reply), reply.status_code
        found = list(codes(body))
        code = found[0].lower() if found else f"http_{status}"
        unknown = [UNKNOWN[each] for each in found if each in UNKNOWN]
        if unknown:
            raise CrmUnavailableError(CrmOutcome(state="unauthorised", reason=unknown[0]))
        if reply.is_success or status in _FOR_SINGLE_MEMBERS:
            return SalesforceReply(status, body)
        limited = "REQUEST_LIMIT_EXCEEDED" in found
        if status in {401, 403, 404} and not limited:
            self._session = None
            self.secret.forget()
            raise CrmUnavailableError(CrmOutcome(state="unauthorised", reason=code))
        asked = retry_after(reply)
        raise CrmUnavailableError(
            CrmOutcome(
                state="retry",
                reason=code,
                retry_after=wait_for(found) if asked is None else asked,
                unanswered=status in GATEWAY_STATUSES,
            )
        )


def codes(body: object) -> Iterator[str]:
    """Yield Salesforce's codes of errors; never a message, which quotes values.

    Top-level errors have an `errorCode`; those of one record in a collection have a `statusCode`.
    """
    for error in body if isinstance(body, list) else ():
        if isinstance(error, Mapping):
            code = error.get("errorCode") or error.get("statusCode")
            if isinstance(code, str) and _CODE.fullmatch(code):
                yield code


def wait_for(found: list[str]) -> float | None:
    """Return the seconds to wait after these codes, if the answer does not say."""
    return max((_WAIT_SECONDS[code] for code in found if code in _WAIT_SECONDS), default=None)


def _check_time(until: float) -> None:
    if time.monotonic() > until:
        raise CrmUnavailableError(CrmOutcome(state="retry", reason="out_of_time", retry_after=1.0))
