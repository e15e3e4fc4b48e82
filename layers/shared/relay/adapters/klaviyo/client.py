"""Calls Klaviyo, and tells an answer about single members from one about all of them.

An answer that concerns one profile, event or job is returned. An answer that concerns all of them, for now or until a
setting is corrected, is raised as `CrmUnavailableError`, by the table in `faults.py`. An answer without Klaviyo's own body
comes from the edge before it, and says nothing of profiles or keys; only a 401 and a 410 do so with any body.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
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
    objects_in,
    read_object,
    read_secret,
    retry_after,
    without_effect,
    write_json,
)
from relay.adapters.klaviyo.faults import FAULTS
from relay.ports.crm import CrmOutcome

if TYPE_CHECKING:
    import httpx

IMPORT: Final = "/api/profile-import"
JOBS: Final = "/api/profile-bulk-import-jobs"
DELETIONS: Final = "/api/data-privacy-deletion-jobs"

_MAY_MISS: Final = re.compile(rf"{IMPORT}|{JOBS}/[^/]+|/api/profiles/[^/]+")
"""The paths at which a 404 concerns a profile or a job. Elsewhere it means that the revision has no such path."""

MEDIA_TYPE: Final = "application/vnd.api+json"

_FOR_ONE: Final = frozenset({400, 409, 413, 422})
_WITH_ANY_BODY: Final = frozenset({401, 410, 423, 429})
"""Statuses that mean the same whatever the body is."""
_STEADY_SECONDS: Final = 60.0
"""Klaviyo counts in windows of a second and of a minute: after a minute, either is over."""

_LOCKED_SECONDS: Final = 2.0
_MAX_PAGES: Final = 200
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{2,59}")
_POINTER: Final = re.compile(r"/data[A-Za-z0-9_/ -]{1,90}")


@dataclass(frozen=True, slots=True)
class KlaviyoReply:
    """An answer: its status, and its JSON (an empty object if it is none)."""

    status: int
    body: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether Klaviyo accepted the request."""
        return self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def code(self) -> str:
        """Klaviyo's code of the error, with its place in the request; no part of its sentences, which quote values."""
        codes = (str(error.get("code", "")) for error in objects_in(self.body, "errors"))
        code = next((code.lower() for code in codes if _CODE.fullmatch(code)), f"http_{self.status}")
        return " ".join([code, *(pointer for pointer in self.pointers[:1] if _POINTER.fullmatch(pointer))])

    @property
    def names_the_revision(self) -> bool:
        """Whether the request was refused for its revision: a header that Klaviyo names in place of a part of the body."""
        sources = (inner(error, "source") for error in objects_in(self.body, "errors"))
        return any("revision" in str(source.get("header", source.get("parameter", ""))) for source in sources)

    @property
    def pointers(self) -> list[str]:
        """The parts of the request that the errors concern."""
        pointers = [inner(error, "source").get("pointer") for error in objects_in(self.body, "errors")]
        return [pointer for pointer in pointers if isinstance(pointer, str)]


@dataclass(slots=True)
class KlaviyoClient:
    """Klaviyo's API with one private key, in one revision."""

    base_url: str
    token: SecretSource
    revision: str
    http: CrmHttpClient
    _exhausted_until: dict[str, float] = field(default_factory=dict, repr=False)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> KlaviyoReply:
        """Read something. Errors as in `post`."""
        return self._call("GET", path, params=params)

    def post(self, path: str, data: Mapping[str, Any]) -> KlaviyoReply:
        """Send something.

        Raises:
            CrmUnavailableError: the answer, or the lack of one, concerns every member.

        """
        return self._call("POST", path, content=write_json({"data": data}))

    def _call(self, method: str, path: str, **request: Any) -> KlaviyoReply:
        self._check_limit(path)
        response = self._send(method, path, **request)
        self._store_limit(path, response)
        if is_foreign_success(response):
            with without_effect() if method == "GET" else nullcontext():
                raise edge_page(f"http_{response.status_code}")
        reply = KlaviyoReply(response.status_code, read_object(response))
        missed = reply.status == HTTPStatus.NOT_FOUND and _MAY_MISS.fullmatch(path)
        own = isinstance(reply.body.get("errors"), list)
        if reply.ok or (own and (missed or reply.status in _FOR_ONE) and not reply.names_the_revision):
            return reply
        fault = _fault(reply, own=own)
        outcome = fault.outcome(reply.code if own else f"http_{reply.status}", asked=_wait(response))
        if outcome.state == "unauthorised" and not outcome.setting:
            self.token.forget()
        unanswered = reply.status in GATEWAY_STATUSES and method != "GET"
        raise CrmUnavailableError(replace(outcome, unanswered=unanswered))

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {
            "Authorization": f"Klaviyo-API-Key {read_secret(self.token)}",
            "revision": self.revision,
            "Accept": MEDIA_TYPE,
            "Content-Type": MEDIA_TYPE,
        }
        with without_effect() if method == "GET" else nullcontext():
            return self.http.send(method, f"{self.base_url}{path}", headers=headers, **request)

    def _check_limit(self, path: str) -> None:
        """Refuse a call that Klaviyo has announced to be one too many in this minute."""
        left = self._exhausted_until.pop(path, 0.0) - time.monotonic()
        if left > 0:
            self._exhausted_until[path] = time.monotonic() + left
            outcome = CrmOutcome(state="retry", reason="rate_limit_reached", retry_after=left)
            raise CrmUnavailableError(outcome)

    def _store_limit(self, path: str, response: httpx.Response) -> None:
        if response.headers.get("RateLimit-Remaining") == "0":
            reset = retry_after(response, "RateLimit-Reset", _STEADY_SECONDS)
            self._exhausted_until[path] = time.monotonic() + (_STEADY_SECONDS if reset is None else reset)


def _fault(reply: KlaviyoReply, *, own: bool) -> Fault:
    """Return the row of an answer that concerns every member."""
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FAULTS["edge"]
    if reply.names_the_revision:
        return FAULTS["invalid_revision"]
    if not own and reply.status not in _WITH_ANY_BODY:
        return FAULTS["edge"]
    fault = fault_of(FAULTS, [f"http_{reply.status}", reply.code])
    # A status that has nothing to do with members never makes one wait for two weeks.
    return FAULTS["edge"] if fault.blames == "waits" else fault


def inner(body: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return an object within objects; an empty one if there is none."""
    for name in path:
        found = body.get(name)
        body = found if isinstance(found, Mapping) else {}
    return body


def pages(client: KlaviyoClient, path: str, params: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """Yield the resources of all pages of a listing.

    Raises:
        CrmUnavailableError: a page cannot be read.

    """
    query: Mapping[str, str] | None = params
    for _ in range(_MAX_PAGES):
        reply = client.get(path, query)
        if not reply.ok:
            raise CrmUnavailableError(CrmOutcome(state="retry", reason=reply.code))
        yield from objects_in(reply.body, "data")
        following = inner(reply.body, "links").get("next")
        # The link is a whole address; only its query is used, so that the key is sent to our base address alone.
        _, _, next_query = str(following or "").partition("?")
        if not next_query:
            return
        path, query = f"{path.partition('?')[0]}?{next_query}", None
    raise CrmUnavailableError(CrmOutcome(state="retry", reason="listing_without_end"))


def _wait(response: httpx.Response) -> float | None:
    """Return the seconds to wait: what the answer asks for, otherwise what its status means."""
    asked = retry_after(response)
    if asked is not None:
        return asked
    return {423: _LOCKED_SECONDS, 429: _STEADY_SECONDS}.get(response.status_code)
