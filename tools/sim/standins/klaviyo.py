"""Klaviyo's profiles, events and import jobs on localhost: checks as Klaviyo does, and fails when it is told to.

Any private key will do, or only `key` where one is given; the `revision` must be a released one. What one
can ask of the stand-in itself is below `/_standin`:

* `GET /_standin/profiles`: `[{"id", "attributes": {…, "properties"}}, …]`; `POST` adds one as a merchant
  would by hand (`{"email", "properties", …}`);
* `GET /_standin/events`: what the timelines hold, and `flows`: the metrics that would have started one;
* `GET /_standin/requests`: `[{"method", "path", "status"}, …]`, oldest first;
* `POST /_standin/faults`: what becomes of the next `times` requests (default 1) whose path contains
  `path` (default: any), the first `after` of them left alone:
    * `status`, with `retry_after` and `code`: refused so, nothing is done;
    * `hang`: it is done, and answered, only after that many seconds, whether or not anybody waits;
    * `silent`: a success that names nothing, nothing is done;
    * `apply_then_drop`: it is done, and the connection breaks before the answer is whole;
* `POST /_standin/limit {"on": true}`: the documented limits, by the second and by the minute, then 429.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sim.standins.klaviyo_account import Account
from sim.standins.klaviyo_checks import RefusedError, wanted_by
from sim.standins.klaviyo_limits import Limits

REVISIONS: Final = frozenset(
    f"{year}-{day}" for year in (2024, 2025, 2026) for day in ("01-15", "04-15", "07-15", "10-15")
)
_LARGEST: Final = {"/api/profile-import": 100_000}
_LARGEST_OTHER: Final = 5_000_000
_LARGEST_PAGE: Final = 100
_MEDIA: Final = "application/vnd.api+json"
_SHOWN: Final = {"email", "external_id", "properties", "created", "updated", "first_name", "last_name", "id"}

Answer: TypeAlias = tuple[int, dict[str, Any]]


@dataclass(slots=True, kw_only=True)
class Fault:
    """What becomes of a request instead of the usual."""

    status: int | None = None
    times: int = 1
    after: int = 0
    path: str = ""
    retry_after: float | None = None
    code: str = ""
    hang: float = 0.0
    silent: bool = False
    apply_then_drop: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks: its resource, what stands in its path, and its query."""

    data: Mapping[str, Any]
    job: str
    query: Mapping[str, str]
    path: str


@dataclass(slots=True)
class KlaviyoStandIn:
    """The stand-in: `app()` is to be served, `account` is what it holds, `requests` is what it was asked."""

    key: str | None = None
    limited: bool = False
    account: Account = field(default_factory=Account)
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)

    def app(self) -> Starlette:
        """Return the ASGI application."""
        jobs = "/api/profile-bulk-import-jobs"
        return Starlette(
            routes=[
                Route("/_standin/profiles", self._profiles, methods=["GET", "POST"]),
                Route("/_standin/events", self._told, methods=["GET"]),
                Route("/_standin/requests", self._asked, methods=["GET"]),
                Route("/_standin/faults", self._fail, methods=["POST"]),
                Route("/_standin/limit", self._limit, methods=["POST"]),
                self._route("/api/profile-import", "POST", self._import),
                self._route("/api/profiles", "GET", self._find),
                self._route("/api/events", "POST", self._record),
                self._route(jobs, "POST", self._submit),
                self._route(f"{jobs}/{{job}}", "GET", self._job),
                self._route(f"{jobs}/{{job}}/profiles", "GET", self._imported),
                self._route(f"{jobs}/{{job}}/import-errors", "GET", self._import_errors),
            ]
        )

    # ------------------------------------------------------------ Klaviyo's API

    def _import(self, asked: Asked) -> Answer:
        profile, new = self.account.upsert(asked.data)
        return 201 if new else 200, {"data": profile.resource()}

    def _find(self, asked: Asked) -> Answer:
        known = [profile.resource() for profile in self.account.profiles.values()]
        if "filter" in asked.query:
            by, values = wanted_by(asked.query["filter"])
            known = [
                each for each in known if (each["id"] if by == "id" else each["attributes"][by]) in values
            ]
        return _page(known, asked)

    def _record(self, asked: Asked) -> Answer:
        self.account.record(asked.data, datetime.now(UTC))
        return 202, {}

    def _submit(self, asked: Asked) -> Answer:
        return 202, {"data": self._shown(self.account.submit(asked.data).id)}

    def _job(self, asked: Asked) -> Answer:
        self._known(asked.job)
        self.account.poll(self.account.jobs[asked.job])
        return 200, {"data": self._shown(asked.job)}

    def _imported(self, asked: Asked) -> Answer:
        self._known(asked.job)
        profiles = self.account.jobs[asked.job].profiles
        return _page([self.account.profiles[each].resource() for each in profiles], asked)

    def _import_errors(self, asked: Asked) -> Answer:
        self._known(asked.job)
        return _page(self.account.jobs[asked.job].errors, asked)

    def _known(self, job: str) -> None:
        if job not in self.account.jobs:
            raise RefusedError(404, "not_found", "There is no such job.")

    def _shown(self, job: str) -> dict[str, Any]:
        known = self.account.jobs[job]
        attributes = {
            "status": known.status,
            "created_at": "2026-01-01T00:00:00+00:00",
            "total_count": len(known.given),
            "completed_count": len(known.profiles) + len(known.errors),
            "failed_count": len(known.errors),
        }
        return {"type": "profile-bulk-import-job", "id": job, "attributes": attributes, "links": {"self": ""}}

    # ------------------------------------------------------------- around it all

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
        fault = self._next_fault(path)
        if fault.hang:
            await asyncio.sleep(fault.hang)
        if fault.status is not None:
            asks = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
            code = fault.code or _CODES.get(fault.status, "error")
            return _reply(fault.status, RefusedError(fault.status, code, "told to fail").body(), asks)
        if fault.silent:
            return _reply(200, {})
        try:
            status, body = answer(_asked(request, content))
        except RefusedError as refused:
            return _reply(refused.status, refused.body(), headers)
        return _Broken() if fault.apply_then_drop else _reply(status, body, headers)

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
        if request.method == "POST" and request.headers.get("content-type") not in {
            _MEDIA,
            "application/json",
        }:
            raise RefusedError(415, "unsupported_media_type", "Unsupported media type.")
        if len(content) > _LARGEST.get(request.url.path, _LARGEST_OTHER):
            raise RefusedError(413, "payload_too_large", "The payload is too large.")

    def _next_fault(self, path: str) -> Fault:
        for fault in self.faults:
            if fault.path in path and fault.after > 0:
                fault.after -= 1
            elif fault.path in path:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
        return Fault()

    async def _profiles(self, request: Request) -> Response:
        if request.method == "POST":
            self.account.upsert({"type": "profile", "attributes": json.loads(await request.body())})
        return JSONResponse([profile.resource() for profile in self.account.profiles.values()])

    async def _told(self, _: Request) -> Response:
        return JSONResponse({"events": self.account.events, "flows": self.account.flows})

    async def _asked(self, _: Request) -> Response:
        return JSONResponse(self.requests)

    async def _fail(self, request: Request) -> Response:
        self.faults.append(Fault(**json.loads(await request.body())))
        return JSONResponse({"faults": len(self.faults)})

    async def _limit(self, request: Request) -> Response:
        self.limited = bool(json.loads(await request.body()).get("on"))
        return JSONResponse({"on": self.limited})


_CODES: Final = {401: "authentication_failed", 403: "permission_denied", 423: "locked", 429: "throttled"}


def app(key: str | None = None) -> Starlette:
    """Return a new stand-in's application."""
    return KlaviyoStandIn(key).app()


class _Broken(Response):
    """An answer that is cut off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"999")]})
        raise ConnectionResetError


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


def _page(found: list[dict[str, Any]], asked: Asked) -> Answer:
    size = int(asked.query.get("page[size]", "20"))
    shown = set(asked.query.get("fields[profile]", "email").split(","))
    if not 0 < size <= _LARGEST_PAGE or not shown <= _SHOWN:
        raise RefusedError(400, "invalid", "Not a page or a field that there is.", "page[size]")
    start = int(asked.query.get("page[cursor]", "0"))
    following = None
    if start + size < len(found):
        base, _, _ = asked.path.partition("?")
        query = {**asked.query, "page[cursor]": str(start + size)}
        following = f"{base}?{'&'.join(f'{name}={value}' for name, value in query.items())}"
    links = {"self": asked.path, "next": following, "prev": None}
    return 200, {"data": found[start : start + size], "links": links}


def _throttled(wait: float) -> dict[str, Any]:
    detail = f"Request was throttled. Expected available in {wait:.0f} second."
    return RefusedError(429, "throttled", detail).body()


def _reply(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    # An event is answered by its status alone.
    content = b"" if status == 202 and not body else json.dumps(body).encode()  # noqa: PLR2004 - Accepted
    return Response(content, status, headers=dict(headers or {}), media_type=_MEDIA)
