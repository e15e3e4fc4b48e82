"""A fake Klaviyo on localhost: profiles, events and import jobs, validated as Klaviyo does, failing on request.

It accepts any private key, or only `key` if one is given; the `revision` must be a released one. Tests and tools
control the fake itself below `/_standin`:

* `GET /_standin/profiles`: `[{"id", "attributes": {…, "properties"}}, …]`; `POST` adds one, as a merchant
  does in Klaviyo (`{"email", "properties", …}`);
* `GET /_standin/events`: the recorded events, and `flows`: the metrics that start a flow;
* `GET /_standin/requests`: `[{"method", "path", "status"}, …]`, oldest first;
* `POST /_standin/faults`: faults of the next requests (`fault_queue.py`); `code` is the code of the error;
* `POST /_standin/limit {"on": true}`: enforce the documented limits per second and per minute with a 429.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fakes.fault_queue import Fault, FaultQueue, json_object, respond
from fakes.klaviyo_account import KlaviyoAccount
from fakes.klaviyo_api import KlaviyoApi, KlaviyoReply, KlaviyoRequest
from fakes.klaviyo_validation import KlaviyoError

REVISIONS: Final = frozenset(
    f"{year}-{day}" for year in (2024, 2025, 2026) for day in ("01-15", "04-15", "07-15", "10-15")
)
_LARGEST: Final = {"/api/profile-import": 100_000}
_LARGEST_OTHER: Final = 5_000_000
_MEDIA: Final = "application/vnd.api+json"
_CODES: Final = {401: "authentication_failed", 403: "permission_denied", 423: "locked", 429: "throttled"}

_LIMITS: Final = {
    "/api/profile-import": (75, 750),
    "/api/profiles": (75, 750),
    "/api/events": (350, 3_500),
    "/api/profile-bulk-import-jobs": (10, 150),
    "/api/data-privacy-deletion-jobs": (3, 60),
}
"""Calls per second and per minute."""

_WINDOWS: Final = (1, 60)


@dataclass(slots=True)
class KlaviyoRateLimits:
    """The rate limits of one account: fixed windows of a second and of a minute for each endpoint. `clock` is in seconds."""

    clock: Callable[[], float] = time.monotonic
    _counts: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)

    def count(self, path: str) -> tuple[dict[str, str], float | None]:
        """Count a request; return the headers of its answer, and the seconds to wait if the limit is exceeded."""
        known = next((root for root in _LIMITS if path == root or path.startswith(f"{root}/")), None)
        if known is None:
            return {}, None
        now, left = self.clock(), 0.0
        counted: dict[tuple[str, int], tuple[float, int]] = {}
        for seconds, most in zip(_WINDOWS, _LIMITS[known], strict=True):
            started, count = self._counts.get((known, seconds), (now, 0))
            started, count = (now, 0) if now - started >= seconds else (started, count)
            left = started + seconds - now
            if count >= most:
                return {}, max(1.0, left)
            counted[known, seconds] = (started, count + 1)
        self._counts |= counted
        burst, steady = _LIMITS[known]
        return {
            "RateLimit-Limit": f"{steady}, {burst};w=1, {steady};w=60",
            "RateLimit-Remaining": f"{steady - counted[known, 60][1]}",
            "RateLimit-Reset": f"{left:.0f}",
        }, None


@dataclass(slots=True)
class FakeKlaviyo:
    """The fake server: `app()` is its application, `account` its data, `requests` the log of the requests."""

    key: str | None = None
    limited: bool = False
    account: KlaviyoAccount = field(default_factory=KlaviyoAccount)
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: FaultQueue = field(default_factory=FaultQueue)
    limits: KlaviyoRateLimits = field(default_factory=KlaviyoRateLimits)

    def app(self) -> Starlette:
        """Return the ASGI application."""
        own = [
            Route("/_standin/profiles", self._profiles, methods=["GET", "POST"]),
            Route("/_standin/events", self._events, methods=["GET"]),
            Route("/_standin/requests", self._request_log, methods=["GET"]),
            Route("/_standin/faults", self.faults.add, methods=["POST"]),
            Route("/_standin/limit", self._limit, methods=["POST"]),
        ]
        return Starlette(routes=[*own, *(self._route(*each) for each in KlaviyoApi(self.account).paths())])

    def _route(self, path: str, method: str, answer: Callable[[KlaviyoRequest], KlaviyoReply]) -> Route:
        async def endpoint(request: Request) -> Response:
            entry: dict[str, Any] = {"method": method, "path": request.url.path}
            self.requests.append(entry)
            response = await self._answer(request, answer)
            entry["status"] = response.status_code
            return response

        return Route(path, endpoint, methods=[method])

    async def _answer(self, request: Request, answer: Callable[[KlaviyoRequest], KlaviyoReply]) -> Response:
        content = await request.body()
        path = request.url.path
        try:
            self._check_request(request, content)
        except KlaviyoError as refused:
            return _reply(refused.status, refused.body())
        headers, wait = self.limits.count(path) if self.limited else ({}, None)
        if wait is not None:
            return _reply(429, _throttled(wait), {"Retry-After": f"{wait:.0f}"})

        def process() -> Response:
            try:
                status, body = answer(_parsed(request, content))
            except KlaviyoError as refused:
                return _reply(refused.status, refused.body(), headers)
            return _reply(status, body, headers)

        return await respond(self.faults.next(path), process, _refuse, _reply(200, {}))

    def _check_request(self, request: Request, content: bytes) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Klaviyo-API-Key" or not key:
            raise KlaviyoError(401, "not_authenticated", "Authentication credentials were not provided.")
        if self.key not in {None, key}:
            raise KlaviyoError(401, "authentication_failed", "Incorrect authentication credentials.")
        revision = request.headers.get("revision", "")
        if not revision:
            raise KlaviyoError(400, "invalid", "A revision header is required.", "/headers/revision")
        if revision not in REVISIONS:
            raise KlaviyoError(404, "not_found", "No valid revisions found for method")
        if request.method == "POST" and request.headers.get("content-type") != _MEDIA:
            raise KlaviyoError(415, "unsupported_media_type", "Unsupported media type.")
        if len(content) > _LARGEST.get(request.url.path, _LARGEST_OTHER):
            raise KlaviyoError(413, "payload_too_large", "The payload is too large.")

    async def _profiles(self, request: Request) -> Response:
        if request.method == "POST":
            self.account.upsert({"type": "profile", "attributes": await json_object(request)})
        return JSONResponse([profile.resource() for profile in self.account.profiles.values()])

    async def _events(self, _: Request) -> Response:
        return JSONResponse({"events": self.account.events, "flows": self.account.flows})

    async def _request_log(self, _: Request) -> Response:
        return JSONResponse(self.requests)

    async def _limit(self, request: Request) -> Response:
        self.limited = bool((await json_object(request)).get("on"))
        return JSONResponse({"on": self.limited})


def _parsed(request: Request, content: bytes) -> KlaviyoRequest:
    return KlaviyoRequest(
        _data(content) if request.method == "POST" else {},
        request.path_params.get("job", ""),
        dict(request.query_params),
        str(request.url),
        request.path_params.get("profile", ""),
    )


def _data(content: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(content)["data"]
    except (ValueError, KeyError, TypeError):
        data = None
    if not isinstance(data, dict):
        raise KlaviyoError(400, "invalid", "The payload provided in the request is invalid.")
    return data


def _throttled(wait: float) -> dict[str, Any]:
    detail = f"Request was throttled. Expected available in {wait:.0f} second."
    return KlaviyoError(429, "throttled", detail).body()


def _refuse(fault: Fault) -> Response:
    status = fault.status or 500
    refused = KlaviyoError(status, fault.code or _CODES.get(status, "error"), "requested fault")
    return _reply(status, refused.body(), fault.headers())


def _reply(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    # The answer to an event has no body.
    content = b"" if status == 202 and not body else json.dumps(body).encode()  # noqa: PLR2004 - Accepted
    return Response(content, status, headers=dict(headers or {}), media_type=_MEDIA)
