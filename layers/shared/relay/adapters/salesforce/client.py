"""Calls Salesforce in a session of the client-credentials flow, and tells answers about single members from others.

An answer that concerns single members is returned. An answer that concerns all of them, for now or until a setting is
corrected, is raised as `CrmUnavailableError`, by the table in `faults.py`. After a 401 the session has ended: a new one is
requested, once. An answer without Salesforce's own body comes from the edge before it, and says nothing of records or
credentials; only a 401 and a 410 do so with any body.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from relay.adapters.fault_table import Fault, fault_of
from relay.adapters.http import (
    GATEWAY_STATUSES,
    CrmHttpClient,
    CrmUnavailableError,
    SecretSource,
    edge_page,
    is_foreign_success,
    read_json,
    read_secret,
    retry_after,
    without_effect,
)
from relay.adapters.salesforce.faults import FAULTS, OBJECT, URL, VERSION
from relay.errors import MisconfiguredError
from relay.ports.crm import CrmOutcome

if TYPE_CHECKING:
    import httpx

TIME_LIMIT: Final = 12.0
"""Seconds after which no further call of one batch is started; the last may take ten more."""

UNKNOWN_PARTS: Final = {
    "invalid_field": "unknown_property",
    "invalid_field_for_insert_update": "unknown_property",
    "invalid_type": "unknown_object",
}
"""A field or object that is not defined, or hidden from our user, concerns every member alike."""

_MULTIPLE_CHOICES: Final = 300
_FOR_SINGLE_MEMBERS: Final = frozenset({_MULTIPLE_CHOICES, 400, 413})
_OTHER_SERVER: Final = frozenset({301, 308, 404, 410})
_OBJECTS: Final = "/sobjects/"
_OBJECT: Final = re.compile(r"Contact|Account|[A-Za-z][A-Za-z0-9_]*__c")
_VERSION: Final = re.compile(r"[1-9][0-9]{1,2}\.0")
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z_]{2,59}")
_FIELD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_WITH_ANY_BODY: Final = frozenset({401, 410, 429})
"""Statuses that mean the same whatever the body is."""

_OLDEST_VERSION: Final = 31
"""Salesforce ended versions 21 to 30 in 2025, and those before earlier."""


@dataclass(frozen=True, slots=True)
class SalesforceOrg:
    """The merchant's Salesforce: its My Domain, the object that members become, and the API's version.

    With `allow_duplicates`, the merchant's duplicate rules that only warn do not stop a write. `object_name` is `Contact`, `Account` (person accounts) or an object of the merchant's own, whose name field must be
    an auto number.
    """

    url: str
    object_name: str = "Contact"
    version: str = "65.0"
    allow_duplicates: bool = False

    def __post_init__(self) -> None:
        """Reject names that cannot be part of a path or a query."""
        object.__setattr__(self, "url", self.url.rstrip("/"))
        if not _OBJECT.fullmatch(self.object_name):
            raise MisconfiguredError("not an object that members can become", setting=OBJECT)
        if not _VERSION.fullmatch(self.version):
            raise MisconfiguredError("not a version of Salesforce's API", setting=VERSION)
        if float(self.version) < _OLDEST_VERSION:
            raise MisconfiguredError("Salesforce has ended this version of its API", setting=VERSION)


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
        return self._read(reply, path)

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
            headers={"Authorization": f"Bearer {session.token}", **self._duplicate_rules()},
        )

    def _duplicate_rules(self) -> dict[str, str]:
        """Return the header by which a rule that only warns a person does not stop a write."""
        return {"Sforce-Duplicate-Rule-Header": "allowSave=true"} if self.org.allow_duplicates else {}

    def _log_in(self, until: float) -> SalesforceSession:
        _check_time(until)
        form = {"grant_type": "client_credentials", **self._credentials()}
        with without_effect():
            reply = self.http.send("POST", f"{self.org.url}/services/oauth2/token", data=form)
        body = read_json(reply)
        if reply.is_success and isinstance(body, Mapping) and body.get("access_token"):
            return SalesforceSession(self._instance(body.get("instance_url")), str(body["access_token"]))
        raise CrmUnavailableError(self._no_session(reply, body))

    def _no_session(self, reply: httpx.Response, body: object) -> CrmOutcome:
        """Return what an answer without a token means. A code that is not known is no reason to blame the credentials."""
        code = body.get("error") if isinstance(body, Mapping) else None
        own = code is not None or reply.status_code == HTTPStatus.UNAUTHORIZED
        reason = code.lower() if isinstance(code, str) and _CODE.fullmatch(code) else ""
        other_server = reply.status_code in _OTHER_SERVER or (reply.is_success and body is not None)
        if not own and other_server:
            # No server of Salesforce's answers like this: the address is another one's. A page with 200 or a redirect
            # for a while is what an edge shows during maintenance.
            return CrmOutcome(state="unauthorised", reason=f"http_{reply.status_code}", setting=URL)
        fault = fault_of(FAULTS, [reason, f"http_{reply.status_code}"])
        if reply.is_server_error or not own or fault.blames != "setting":
            known = fault.blames == "later"
            later = fault if known else FAULTS["edge"]
            return later.outcome(reason if known else "no_session", asked=retry_after(reply))
        if not fault.setting:
            self.secret.forget()
        return fault.outcome(reason or f"http_{reply.status_code}")

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

    def _read(self, reply: httpx.Response, path: str) -> SalesforceReply:
        body, status = read_json(reply), reply.status_code
        if is_foreign_success(reply):
            raise edge_page(f"http_{status}")
        found = list(codes(body))
        unknown = [UNKNOWN_PARTS[each] for each in found if each in UNKNOWN_PARTS]
        own = isinstance(body, list) and any(isinstance(each, Mapping) for each in body)
        for_single = status in _FOR_SINGLE_MEMBERS and (own or status == _MULTIPLE_CHOICES)
        if not unknown and (reply.is_success or for_single):
            return SalesforceReply(status, body)
        if status == HTTPStatus.NOT_FOUND and path.startswith(_OBJECTS):
            found = ["object_not_found"]
        fault = self._fault(found, status, own=own)
        reason = unknown[0] if unknown else found[0] if found else f"http_{status}"
        outcome = fault.outcome(reason, asked=retry_after(reply))
        if outcome.state == "unauthorised" and not outcome.setting:
            self._session = None
            self.secret.forget()
        raise CrmUnavailableError(replace(outcome, unanswered=status in GATEWAY_STATUSES))

    def _fault(self, found: Sequence[str], status: int, *, own: bool) -> Fault:
        if not own and status not in _WITH_ANY_BODY:
            return FAULTS["edge"]
        fault = fault_of(FAULTS, [*found, f"http_{status}"])
        # A status that has nothing to do with members never makes one wait for two weeks.
        return FAULTS["edge"] if fault.blames == "waits" else fault


def codes(body: object) -> Iterator[str]:
    """Yield Salesforce's codes of errors in lower case; never a message, which quotes values.

    Top-level errors have an `errorCode`; those of one record in a collection have a `statusCode`. A lock that a trigger
    met is in the message alone, by its code.
    """
    for error in body if isinstance(body, list) else ():
        if isinstance(error, Mapping):
            code = error.get("errorCode") or error.get("statusCode")
            if isinstance(code, str) and _CODE.fullmatch(code):
                yield code.lower()
            if "UNABLE_TO_LOCK_ROW" in str(error.get("message", "")) and code != "UNABLE_TO_LOCK_ROW":
                yield "unable_to_lock_row"


def fields_named(body: object) -> Iterator[str]:
    """Yield the fields that errors name; nothing that is no name of a field."""
    for error in body if isinstance(body, list) else ():
        named = error.get("fields") if isinstance(error, Mapping) else None
        yield from (name for name in named or () if isinstance(name, str) and _FIELD.fullmatch(name))


def _check_time(until: float) -> None:
    if time.monotonic() > until:
        raise CrmUnavailableError(CrmOutcome(state="retry", reason="out_of_time", retry_after=1.0))
