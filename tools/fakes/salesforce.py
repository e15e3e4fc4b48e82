"""A fake Salesforce on localhost: sessions, collections and queries, validated as Salesforce does, failing on request.

It accepts any client id and secret, or only those given. Tests and tools control the fake itself below
`/_standin`:

* `GET /_standin/contacts`: `[{"id", "fields"}, …]`; `POST` adds one, as a merchant does in Salesforce;
* `POST /_standin/fields {"Membership_Tier__c": {"type": "Text", "length": 255}, …}`: add fields, as an administrator does;
* `GET /_standin/requests`: `[{"method", "path", "records", "status"}, …]`, oldest first;
* `POST /_standin/faults`: faults of the next requests (`fault_queue.py`); `code` is the error code;
* `POST /_standin/sessions`: end all sessions;
* `POST /_standin/limit {"requests"}`: the number of calls left today.
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

from fakes.fault_queue import Fault, FaultQueue, json_object, respond
from fakes.salesforce_api import SalesforceApi, SalesforceReply, SalesforceRequest
from fakes.salesforce_org import SalesforceError, SalesforceField, SalesforceOrg

_CODES: Final = {401: "INVALID_SESSION_ID", 403: "REQUEST_LIMIT_EXCEEDED", 503: "SERVER_UNAVAILABLE"}
_PAGE: Final = 2_000


@dataclass(slots=True)
class FakeSalesforce:
    """The fake server: `app()` is its application, `org` its data, `requests` the log of the requests."""

    client_id: str | None = None
    client_secret: str | None = None
    org: SalesforceOrg = field(default_factory=SalesforceOrg)
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: FaultQueue = field(default_factory=FaultQueue)
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
        api = SalesforceApi(self.org, lambda: self.page)
        return Starlette(routes=[*own, *(self._route(*each) for each in api.paths())])

    async def _log_in(self, request: Request) -> Response:
        self.requests.append({"method": "POST", "path": request.url.path, "records": 0})
        fault = self.faults.next(request.url.path)
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        valid = form.get("grant_type") == "client_credentials" and all(
            form.get(name) and (expected is None or form[name] == expected)
            for name, expected in (("client_id", self.client_id), ("client_secret", self.client_secret))
        )
        if fault.status or not valid:
            error = {
                "error": fault.code or "invalid_client",
                "error_description": "invalid client credentials",
            }
            return JSONResponse(error, fault.status or 400, headers=fault.headers())
        token = secrets.token_urlsafe(24)
        self._sessions.add(token)
        session = {"access_token": token, "instance_url": str(request.base_url).rstrip("/")}
        return JSONResponse({**session, "token_type": "Bearer", "scope": "api"})

    def _route(self, path: str, method: str, answer: Callable[[SalesforceRequest], SalesforceReply]) -> Route:
        async def endpoint(request: Request) -> Response:
            parsed = SalesforceRequest(
                body=await json_object(request),
                path=request.path_params,
                query=request.query_params,
                allow_duplicates="allowSave=true" in request.headers.get("sforce-duplicate-rule-header", ""),
            )
            records = parsed.body.get("records") or ()
            entry = {"method": method, "path": request.url.path, "records": len(records)}
            self.requests.append(entry)
            response = await self._answer(request, lambda: answer(parsed), len(records))
            entry["status"] = response.status_code
            response.headers["Sforce-Limit-Info"] = f"api-usage={len(self.requests)}/100000"
            return response

        return Route(path, endpoint, methods=[method])

    async def _answer(
        self, request: Request, answer: Callable[[], SalesforceReply], records: int
    ) -> Response:
        try:
            self._check_session(request)
        except SalesforceError as refused:
            return _error_response(refused)
        fault = self.faults.next(request.url.path)

        def process() -> Response:
            if fault.record_code:
                return JSONResponse(
                    [SalesforceError(fault.record_code, fault.record_message or "requested fault").result()]
                    * records
                )
            try:
                status, content = answer()
            except SalesforceError as refused:
                return _error_response(refused)
            return JSONResponse(content, status)

        return await respond(fault, process, _refuse, JSONResponse([]))

    def _check_session(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._sessions:
            raise SalesforceError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                raise SalesforceError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)

    async def _contacts(self, request: Request) -> Response:
        if request.method == "POST":
            self.org.create((await json_object(request)).get("fields") or {})
        return JSONResponse([{"id": id_, "fields": has} for id_, has in self.org.records.items()])

    async def _fields(self, request: Request) -> Response:
        wanted = await json_object(request)
        self.org.columns |= {name: SalesforceField(**definition) for name, definition in wanted.items()}
        return JSONResponse({"fields": len(self.org.columns)})

    async def _requests(self, _: Request) -> Response:
        return JSONResponse(self.requests)

    async def _end_sessions(self, _: Request) -> Response:
        self.end_sessions()
        return JSONResponse({})

    def end_sessions(self) -> None:
        """End all sessions: the next call of each gets a 401."""
        self._sessions.clear()

    async def _limit(self, request: Request) -> Response:
        wanted = await json_object(request)
        self.calls_left = int(wanted["requests"]) if wanted else None
        return JSONResponse(wanted)


def _error_response(error: SalesforceError) -> Response:
    return JSONResponse(error.body(), error.status)


def _refuse(fault: Fault) -> Response:
    status = fault.status or 500
    refused = SalesforceError(
        fault.code or _CODES.get(status, "UNKNOWN_EXCEPTION"), "requested fault", status=status
    )
    return JSONResponse(refused.body(), status, headers=fault.headers())
