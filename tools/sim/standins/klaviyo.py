"""Klaviyo's profiles, events and import jobs on localhost: checks as Klaviyo does, and fails when it is told to.

Any private key will do, or only `key` where one is given; the `revision` must be a released one. What one
can ask of the stand-in itself is below `/_standin`:

* `GET /_standin/profiles`: `[{"id", "attributes": {…, "properties"}}, …]`; `POST` adds one as a merchant
  would by hand (`{"email", "properties", …}`);
* `GET /_standin/events`: what the timelines hold, and `flows`: the metrics that would have started one;
* `GET /_standin/requests`: `[{"method", "path", "status"}, …]`, oldest first;
* `POST /_standin/faults`: what becomes of the next requests (`faulty.py`); `code` is an error's;
* `POST /_standin/limit {"on": true}`: the documented limits, by the second and by the minute, then 429.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sim.standins.faulty import Fault, Faults, body_of, struck
from sim.standins.klaviyo_account import Account
from sim.standins.klaviyo_api import Answer, Api, Asked
from sim.standins.klaviyo_checks import RefusedError
from sim.standins.klaviyo_limits import Limits

REVISIONS: Final = frozenset(
    f"{year}-{day}" for year in (2024, 2025, 2026) for day in ("01-15", "04-15", "07-15", "10-15")
)
_LARGEST: Final = {"/api/profile-import": 100_000}
_LARGEST_OTHER: Final = 5_000_000
_MEDIA: Final = "application/vnd.api+json"
_CODES: Final = {401: "authentication_failed", 403: "permission_denied", 423: "locked", 429: "throttled"}


@dataclass(slots=True)
class KlaviyoStandIn:
    """The stand-in: `app()` is to be served, `account` is what it holds, `requests` is what it was asked."""

    key: str | None = None
    limited: bool = False
    account: Account = field(default_factory=Account)
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    limits: Limits = field(default_factory=Limits)

    def app(self) -> Starlette:
        """Return the ASGI application."""
        own = [
            Route("/_standin/profiles", self._profiles, methods=["GET", "POST"]),
            Route("/_standin/events", self._told, methods=["GET"]),
            Route("/_standin/requests", self._asked, methods=["GET"]),
            Route("/_standin/faults", self.faults.add, methods=["POST"]),
            Route("/_standin/limit", self._limit, methods=["POST"]),
        ]
        return Starlette(routes=[*own, *(self._route(*each) for each in Api(self.account).paths())])

    def _route(self, path: str, method: str, answer: Callable[[Asked], Answer]) -> Route:
        async def endpoint(request: Request) -> Response:
            noted: dict[str, Any] = {"method": method, "path": request.url.path}
            self.requests.append(noted)
            response = await self._answer(request, answer)
            noted["status"] = response.status_code
            return response

        return Route(path, endpoint, methods=[method])

    async def _answer(self, request: Request, answer: Callable[[Asked], Answer]) -> Response:
        content = await request.body()
        path = request.url.path
        try:
            self._let_in(request, content)
        except RefusedError as refused:
            return _reply(refused.status, refused.body())
        headers, wait = self.limits.count(path) if self.limited else ({}, None)
        if wait is not None:
            return _reply(429, _throttled(wait), {"Retry-After": f"{wait:.0f}"})

        def usual() -> Response:
            try:
                status, body = answer(_asked(request, content))
            except RefusedError as refused:
                return _reply(refused.status, refused.body(), headers)
            return _reply(status, body, headers)

        return await struck(self.faults.next(path), usual, _told_to, _reply(200, {}))

    def _let_in(self, request: Request, content: bytes) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Klaviyo-API-Key" or not key:
            raise RefusedError(401, "not_authenticated", "Authentication credentials were not provided.")
        if self.key not in {None, key}:
            raise RefusedError(401, "authentication_failed", "Incorrect authentication credentials.")
        revision = request.headers.get("revision", "")
        if not revision:
            raise RefusedError(400, "invalid", "A revision header is required.", "/headers/revision")
        if revision not in REVISIONS:
            raise RefusedError(404, "not_found", "No valid revisions found for method")
        if request.method == "POST" and request.headers.get("content-type") != _MEDIA:
            raise RefusedError(415, "unsupported_media_type", "Unsupported media type.")
        if len(content) > _LARGEST.get(request.url.path, _LARGEST_OTHER):
            raise RefusedError(413, "payload_too_large", "The payload is too large.")

    async def _profiles(self, request: Request) -> Response:
        if request.method == "POST":
            self.account.upsert({"type": "profile", "attributes": await body_of(request)})
        return JSONResponse([profile.resource() for profile in self.account.profiles.values()])

    async def _told(self, _: Request) -> Response:
        return JSONResponse({"events": self.account.events, "flows": self.account.flows})

    async def _asked(self, _: Request) -> Response:
        return JSONResponse(self.requests)

    async def _limit(self, request: Request) -> Response:
        self.limited = bool((await body_of(request)).get("on"))
        return JSONResponse({"on": self.limited})


def app(key: str | None = None) -> Starlette:
    """Return a new stand-in's application."""
    return KlaviyoStandIn(key).app()


def _asked(request: Request, content: bytes) -> Asked:
    return Asked(
        _data(content) if request.method == "POST" else {},
        request.path_params.get("job", ""),
        dict(request.query_params),
        str(request.url),
    )


def _data(content: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(content)["data"]
    except (ValueError, KeyError, TypeError):
        data = None
    if not isinstance(data, dict):
        raise RefusedError(400, "invalid", "The payload provided in the request is invalid.")
    return data


def _throttled(wait: float) -> dict[str, Any]:
    detail = f"Request was throttled. Expected available in {wait:.0f} second."
    return RefusedError(429, "throttled", detail).body()


def _told_to(fault: Fault) -> Response:
    status = fault.status or 500
    refused = RefusedError(status, fault.code or _CODES.get(status, "error"), "told to fail")
    return _reply(status, refused.body(), fault.headers())


def _reply(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    # An event is answered by its status alone.
    content = b"" if status == 202 and not body else json.dumps(body).encode()  # noqa: PLR2004 - Accepted
    return Response(content, status, headers=dict(headers or {}), media_type=_MEDIA)
