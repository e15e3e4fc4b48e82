"""Calls to Klaviyo: one request, and what its answer means to everybody whom it might have served.

An answer that concerns one profile, event or job is returned. One that closes the door to all of them,
for now or until somebody mends the key, is raised as `ClosedError`. Nothing is tried again here, but a
connection that could not be made: patience is the queue's.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from relay.adapters.crm_http import (
    FROM_A_GATEWAY,
    AccessToken,
    ClosedError,
    CrmHttpClient,
    changing_nothing,
    object_of,
    objects,
    told,
    wait_of,
)
from relay.adapters.klaviyo import exact_json
from relay.ports.crm import CrmOutcome

if TYPE_CHECKING:
    import httpx

IMPORT: Final = "/api/profile-import"
JOBS: Final = "/api/profile-bulk-import-jobs"

_MAY_MISS: Final = re.compile(rf"{IMPORT}|{JOBS}/[^/]+")
"""The paths at which a 404 is about a profile, or a job. Elsewhere it says that the revision knows no such path."""

MEDIA_TYPE: Final = "application/vnd.api+json"

_FOR_ONE: Final = frozenset({200, 201, 202, 204, 400, 409, 413, 422})
_STEADY_SECONDS: Final = 60.0
"""Klaviyo counts in windows of a second and of a minute: after a minute, whichever it was is over."""

_LOCKED_SECONDS: Final = 2.0
_MOST_PAGES: Final = 200
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{2,59}")
_POINTER: Final = re.compile(r"/data[A-Za-z0-9_/ -]{1,90}")


@dataclass(frozen=True, slots=True)
class KlaviyoReply:
    """An answer: its status, and its JSON (an empty object where it is none)."""

    status: int
    body: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether Klaviyo took it."""
        return self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def code(self) -> str:
        """Klaviyo's word for what is wrong, with where; nothing of its sentences, which quote values."""
        words = (str(error.get("code", "")) for error in objects(self.body, "errors"))
        word = next((word.lower() for word in words if _CODE.fullmatch(word)), f"http_{self.status}")
        return " ".join([word, *(pointer for pointer in self.pointers[:1] if _POINTER.fullmatch(pointer))])

    @property
    def pointers(self) -> list[str]:
        """Which parts of the request the errors are about."""
        told = [inner(error, "source").get("pointer") for error in objects(self.body, "errors")]
        return [pointer for pointer in told if isinstance(pointer, str)]


@dataclass(slots=True)
class KlaviyoClient:
    """Klaviyo's API with one private key, in one revision."""

    base_url: str
    token: AccessToken
    revision: str
    wire: CrmHttpClient
    _spent: dict[str, float] = field(default_factory=dict, repr=False)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> KlaviyoReply:
        """Ask for something. Errors as in `post`."""
        return self._call("GET", path, params=params)

    def post(self, path: str, data: Mapping[str, Any]) -> KlaviyoReply:
        """Send something.

        Raises:
            ClosedError: for an answer, or the lack of one, that concerns everybody.

        """
        return self._call("POST", path, content=exact_json.dumps({"data": data}))

    def _call(self, method: str, path: str, **request: Any) -> KlaviyoReply:
        self._keep_the_limit(path)
        answer = self._send(method, path, **request)
        self._note_the_limit(path, answer)
        reply = KlaviyoReply(answer.status_code, object_of(answer))
        missed = reply.status == HTTPStatus.NOT_FOUND and _MAY_MISS.fullmatch(path)
        if reply.status in _FOR_ONE or missed:
            return reply
        if reply.status in {401, 403}:
            self.token.forget()
            raise ClosedError(CrmOutcome(state="unauthorised", reason=reply.code))
        raise ClosedError(
            CrmOutcome(
                state="retry",
                reason=reply.code,
                retry_after=_wait(answer),
                unanswered=reply.status in FROM_A_GATEWAY and method != "GET",
            )
        )

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {
            "Authorization": f"Klaviyo-API-Key {told(self.token)}",
            "revision": self.revision,
            "Accept": MEDIA_TYPE,
            "Content-Type": MEDIA_TYPE,
        }
        with changing_nothing() if method == "GET" else nullcontext():
            return self.wire.send(method, f"{self.base_url}{path}", headers=headers, **request)

    def _keep_the_limit(self, path: str) -> None:
        """Make no call that Klaviyo has said would be one too many in this minute."""
        left = self._spent.pop(path, 0.0) - time.monotonic()
        if left > 0:
            self._spent[path] = time.monotonic() + left
            raise ClosedError(CrmOutcome(state="retry", reason="rate_limit_reached", retry_after=left))

    def _note_the_limit(self, path: str, answer: httpx.Response) -> None:
        if answer.headers.get("RateLimit-Remaining") == "0":
            reset = wait_of(answer, "RateLimit-Reset", _STEADY_SECONDS)
            self._spent[path] = time.monotonic() + (_STEADY_SECONDS if reset is None else reset)


def inner(body: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return an object within objects; an empty one where there is none."""
    for name in path:
        found = body.get(name)
        body = found if isinstance(found, Mapping) else {}
    return body


def pages(client: KlaviyoClient, path: str, params: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """Yield the resources of all pages of a listing.

    Raises:
        ClosedError: when a page cannot be had.

    """
    asked: Mapping[str, str] | None = params
    for _ in range(_MOST_PAGES):
        reply = client.get(path, asked)
        if not reply.ok:
            raise ClosedError(CrmOutcome(state="retry", reason=reply.code))
        yield from objects(reply.body, "data")
        following = inner(reply.body, "links").get("next")
        # The link is whole; only its query is followed, so that the key goes nowhere but to our base.
        _, _, query = str(following or "").partition("?")
        if not query:
            return
        path, asked = f"{path.partition('?')[0]}?{query}", None
    raise ClosedError(CrmOutcome(state="retry", reason="listing_without_end"))


def _wait(answer: httpx.Response) -> float | None:
    """Return the seconds to wait that Klaviyo asks for, where that is a sane number; else what the status means."""
    asked = wait_of(answer)
    if asked is not None:
        return asked
    return {423: _LOCKED_SECONDS, 429: _STEADY_SECONDS}.get(answer.status_code)
