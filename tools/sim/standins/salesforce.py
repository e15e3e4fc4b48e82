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

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sim.standins.faulty import Broken, Fault, Faults, body_of
from sim.standins.salesforce_org import LARGEST_COLLECTION, Column, Org, RefusedError

_DATA: Final = "/services/data/v{version:float}"
_CODES: Final = {401: "INVALID_SESSION_ID", 403: "REQUEST_LIMIT_EXCEEDED", 503: "SERVER_UNAVAILABLE"}
_PAGE: Final = 2_000

Answer: TypeAlias = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks: its JSON, the parts of its path, its query, and whether duplicates are let through."""

    body: Mapping[str, Any]
    path: Mapping[str, Any]
    query: Mapping[str, str]
    allow_duplicates: bool


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
    _further: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def app(self) -> Starlette:
        """Return the ASGI application."""
        by_key = "/composite/sobjects/{object}/{field}"
        return Starlette(
            routes=[
                Route("/services/oauth2/token", self._log_in, methods=["POST"]),
                self._route(by_key, "PATCH", self._upsert),
                self._route("/composite/sobjects", "PATCH", self._update),
                self._route("/sobjects/{object}/describe", "GET", self._describe),
                self._route("/query", "GET", self._query),
                self._route("/query/{further}", "GET", self._query_on),
                Route("/_standin/contacts", self._contacts, methods=["GET", "POST"]),
                Route("/_standin/fields", self._fields, methods=["POST"]),
                Route("/_standin/requests", self._requests, methods=["GET"]),
                Route("/_standin/faults", self.faults.add, methods=["POST"]),
                Route("/_standin/sessions", self._end_sessions, methods=["POST"]),
                Route("/_standin/limit", self._limit, methods=["POST"]),
            ]
        )

    # ---------------------------------------------------------- Salesforce's API

    def _upsert(self, asked: Asked) -> Answer:
        self._check_object(asked)
        column = self.org.columns.get(asked.path["field"])
        if column is None or not column.external_id:
            raise RefusedError(
                "NOT_FOUND", "Provided external ID field does not exist or is not accessible", status=404
            )
        by = asked.path["field"]
        records = self._records(asked)
        values = [str(record.get(by)).lower() for record in records]

        def write(record: dict[str, Any]) -> tuple[str, bool]:
            if values.count(str(record.get(by)).lower()) > 1:
                raise RefusedError("DUPLICATE_VALUE", "Duplicate external id specified", by)
            return self.org.upsert(by, record, allow_duplicates=asked.allow_duplicates)

        return self._collect(asked, records, write)

    def _update(self, asked: Asked) -> Answer:
        records = self._records(asked)
        ids = [record.get("id") for record in records]

        def write(record: dict[str, Any]) -> tuple[str, bool]:
            id_ = str(record.pop("id", None))
            if ids.count(id_) > 1:
                raise RefusedError("DUPLICATE_VALUE", "duplicate id in the list", "Id")
            self.org.change(id_, record)
            return id_, False

        return self._collect(asked, records, write)

    def _records(self, asked: Asked) -> list[dict[str, Any]]:
        """Return the records of a collection; refuse it as a whole where it is none."""
        records = asked.body.get("records")
        if not isinstance(records, list) or not records:
            raise RefusedError("JSON_PARSER_ERROR", "records are missing")
        if len(records) > LARGEST_COLLECTION:
            raise RefusedError("EXCEEDED_ID_LIMIT", "cannot submit more than 200 records in this call")
        fields = []
        for record in records:
            if record.get("attributes") != {"type": self.org.object_name}:
                raise RefusedError("INVALID_TYPE", "sObject type is missing or not supported")
            fields.append({name: value for name, value in record.items() if name != "attributes"})
            self.org.check_known({name: value for name, value in fields[-1].items() if name != "id"})
        return fields

    def _collect(
        self, asked: Asked, records: list[dict[str, Any]], write: Callable[[dict[str, Any]], tuple[str, bool]]
    ) -> Answer:
        before = {id_: dict(has) for id_, has in self.org.records.items()}
        results = []
        for record in records:
            try:
                id_, created = write(record)
            except RefusedError as refused:
                results.append(refused.result())
            else:
                results.append({"id": id_, "success": True, "created": created, "errors": []})
        if asked.body.get("allOrNone") is not False and not all(each["success"] for each in results):
            self.org.records = before
            rolled_back = RefusedError("ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back").result()
            results = [rolled_back if each["success"] else each for each in results]
        return 200, results

    def _describe(self, asked: Asked) -> Answer:
        self._check_object(asked)
        return 200, {"name": self.org.object_name, "fields": self.org.described()}

    def _query(self, asked: Asked) -> Answer:
        return self._told(self.org.select(asked.query.get("q", "")))

    def _query_on(self, asked: Asked) -> Answer:
        return self._told(self._further.pop(asked.path["further"], []))

    def _told(self, records: list[dict[str, Any]]) -> Answer:
        answer = {"totalSize": len(records), "done": True, "records": records[: self.page]}
        if len(records) > self.page:
            further = f"01g{secrets.token_hex(6)}-{self.page}"
            self._further[further] = records[self.page :]
            answer |= {"done": False, "nextRecordsUrl": f"/services/data/v65.0/query/{further}"}
        return 200, answer

    def _check_object(self, asked: Asked) -> None:
        if asked.path["object"] != self.org.object_name:
            raise RefusedError("NOT_FOUND", "The requested resource does not exist", status=404)

    # ------------------------------------------------------------- around it all

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

        return Route(_DATA + path, endpoint, methods=[method])

    async def _answer(self, request: Request, answer: Callable[[], Answer], records: int) -> Response:
        try:
            self._admit(request)
        except RefusedError as refused:
            return _refusal(refused)
        fault = self.faults.next(request.url.path)
        if fault.hang:
            await asyncio.sleep(fault.hang)
        if fault.status:
            code = fault.code or _CODES.get(fault.status, "UNKNOWN_EXCEPTION")
            return _refusal(RefusedError(code, "told to fail", status=fault.status), fault)
        if fault.silent:
            return JSONResponse([])
        if fault.record_code:
            return JSONResponse([RefusedError(fault.record_code, "told to fail").result()] * records)
        try:
            status, content = answer()
        except RefusedError as refused:
            return _refusal(refused)
        return Broken() if fault.apply_then_drop else JSONResponse(content, status)

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


def _refusal(why: RefusedError, fault: Fault | None = None) -> Response:
    return JSONResponse(why.body(), why.status, headers=fault.headers() if fault else {})
