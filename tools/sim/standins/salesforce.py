"""Salesforce's REST API on localhost: sessions, collections, questions; checks as Salesforce does, and fails when told to.

Any client id and secret will do, or only those given. What one can ask of the stand-in itself is below
`/_standin`:

* `GET /_standin/contacts`: `[{"id", "fields"}, …]`; `POST` adds one as a merchant would by hand;
* `POST /_standin/fields {"Membership_Tier__c": {"type": "Text", "length": 255}, …}`: an administrator's part;
* `GET /_standin/requests`: `[{"method", "path", "records", "status"}, …]`, oldest first;
* `POST /_standin/faults`: what becomes of the next requests (`faulty.py`); `code` is Salesforce's word;
* `POST /_standin/sessions`: all sessions end now;
* `POST /_standin/limit {"requests"}`: so many calls are left of the day's.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sim.standins.faulty import Fault, Faults, body_of, struck
from sim.standins.salesforce_api import Answer, Api, Asked
from sim.standins.salesforce_org import Column, Org, RefusedError

_CODES: Final = {401: "INVALID_SESSION_ID", 403: "REQUEST_LIMIT_EXCEEDED", 503: "SERVER_UNAVAILABLE"}
_PAGE: Final = 2_000


@dataclass(slots=True)
class SalesforceStandIn:
    """The stand-in: `app()` is to be served, `org` is what it holds, `requests` is what it was asked."""

    client_id: str | None = None
    client_secret: str | None = None
    org: Org = field(default_factory=Org)
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    calls_left: int | None = None
    page: int = _PAGE
    _sessions: set[str] = field(default_factory=set)

    def app(self) -> Starlette:
        """Return the ASGI application."""
        own = [
            Route("/services/oauth2/token", self._log_in, methods=["POST"]),
            Route("/_standin/contacts", self._contacts, methods=["GET", "POST"]),
            Route("/_standin/fields", self._fields, methods=["POST"]),
            Route("/_standin/requests", self._requests, methods=["GET"]),
            Route("/_standin/faults", self.faults.add, methods=["POST"]),
            Route("/_standin/sessions", self._end_sessions, methods=["POST"]),
            Route("/_standin/limit", self._limit, methods=["POST"]),
        ]
        api = Api(self.org, lambda: self.page)
        return Starlette(routes=[*own, *(self._route(*each) for each in api.paths())])

    async def _log_in(self, request: Request) -> Response:
        self.requests.append({"method": "POST", "path": request.url.path, "records": 0})
        fault = self.faults.next(request.url.path)
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        right = form.get("grant_type") == "client_credentials" and all(
            form.get(name) and (expected is None or form[name] == expected)
            for name, expected in (("client_id", self.client_id), ("client_secret", self.client_secret))
        )
        if fault.status or not right:
            error = {
                "error": fault.code or "invalid_client",
                "error_description": "invalid client credentials",
            }
            return JSONResponse(error, fault.status or 400, headers=fault.headers())
        token = secrets.token_urlsafe(24)
        self._sessions.add(token)
        told = {"access_token": token, "instance_url": str(request.base_url).rstrip("/")}
        return JSONResponse({**told, "token_type": "Bearer", "scope": "api"})

    def _route(self, path: str, method: str, answer: Callable[[Asked], Answer]) -> Route:
        async def endpoint(request: Request) -> Response:
            asked = Asked(
                body=await body_of(request),
                path=request.path_params,
                query=request.query_params,
                allow_duplicates="allowSave=true" in request.headers.get("sforce-duplicate-rule-header", ""),
            )
            records = asked.body.get("records") or ()
            noted = {"method": method, "path": request.url.path, "records": len(records)}
            self.requests.append(noted)
            response = await self._answer(request, lambda: answer(asked), len(records))
            noted["status"] = response.status_code
            response.headers["Sforce-Limit-Info"] = f"api-usage={len(self.requests)}/100000"
            return response

        return Route(path, endpoint, methods=[method])

    async def _answer(self, request: Request, answer: Callable[[], Answer], records: int) -> Response:
        try:
            self._admit(request)
        except RefusedError as refused:
            return _refused(refused)
        fault = self.faults.next(request.url.path)

        def usual() -> Response:
            if fault.record_code:
                return JSONResponse([RefusedError(fault.record_code, "told to fail").result()] * records)
            try:
                status, content = answer()
            except RefusedError as refused:
                return _refused(refused)
            return JSONResponse(content, status)

        return await struck(fault, usual, _told_to, JSONResponse([]))

    def _admit(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._sessions:
            raise RefusedError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                raise RefusedError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)

    async def _contacts(self, request: Request) -> Response:
        if request.method == "POST":
            self.org.create((await body_of(request)).get("fields") or {})
        return JSONResponse([{"id": id_, "fields": has} for id_, has in self.org.records.items()])

    async def _fields(self, request: Request) -> Response:
        wanted = await body_of(request)
        self.org.columns |= {name: Column(**definition) for name, definition in wanted.items()}
        return JSONResponse({"fields": len(self.org.columns)})

    async def _requests(self, _: Request) -> Response:
        return JSONResponse(self.requests)

    async def _end_sessions(self, _: Request) -> Response:
        self.end_sessions()
        return JSONResponse({})

    def end_sessions(self) -> None:
        """End all sessions: the next call of each is refused."""
        self._sessions.clear()

    async def _limit(self, request: Request) -> Response:
        wanted = await body_of(request)
        self.calls_left = int(wanted["requests"]) if wanted else None
        return JSONResponse(wanted)


def app() -> Starlette:
    """Return a new stand-in's application."""
    return SalesforceStandIn().app()


def _refused(why: RefusedError) -> Response:
    return JSONResponse(why.body(), why.status)


def _told_to(fault: Fault) -> Response:
    status = fault.status or 500
    refused = RefusedError(
        fault.code or _CODES.get(status, "UNKNOWN_EXCEPTION"), "told to fail", status=status
    )
    return JSONResponse(refused.body(), status, headers=fault.headers())
