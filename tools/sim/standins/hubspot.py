"""HubSpot's contacts and properties API on localhost: checks as HubSpot does, and fails when it is told to.

Any bearer token will do, or only `token` where one is given. What one can ask of the stand-in itself is
below `/_standin`:

* `GET /_standin/contacts`: `[{"id", "properties"}, …]`; `POST` adds one as a merchant would by hand;
* `GET /_standin/requests`: `[{"method", "path", "inputs", "status"}, …]`, oldest first;
* `POST /_standin/faults`: what becomes of the next `times` requests (default 1) whose path contains
  `path` (default: any), the first `after` of them left alone:
    * `status`, with `retry_after`, `policy` and `category`: refused so, nothing is done;
    * `hang`: it is done, and answered, only after that many seconds, whether or not anybody waits;
    * `silent`: 200 with neither results nor errors, nothing is done;
    * `apply_then_drop`: it is done, and the connection breaks before the answer is whole;
* `GET /_standin/events`: custom events that took place, `[{"eventName", …}, …]`, oldest first;
* `POST /_standin/limit {"requests", "seconds"}`: so many requests in so many seconds, then 429;
* `POST /_standin/chances {"seed", "fails", "hangs", "most", "seconds"}`: what goes wrong by chance (`chances.py`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sim.standins import chances
from sim.standins.chances import Chances
from sim.standins.hubspot_portal import Portal, check_inputs
from sim.standins.refusing import RefusedError

_VERSIONS: Final = {
    "/crm/v3/objects/contacts": "/crm/v3/properties/contacts",
    "/crm/objects/2026-03/contacts": "/crm/properties/2026-03/contacts",
    "/crm/objects/2026-09/contacts": "/crm/properties/2026-09/contacts",
}
_EVENTS: Final = {
    "/events/v3/send": "/events/v3/event-definitions",
    "/events/2026-03/send": "/events/2026-03/event-definitions",
    "/events/custom/2026-09/send": "/events/custom/2026-09/event-definitions",
}
_CATEGORIES: Final = {
    401: "INVALID_AUTHENTICATION",
    403: "MISSING_SCOPES",
    423: "LOCKED",
    429: "RATE_LIMITS",
}

NO_CONTENT: Final = 204

Answer: TypeAlias = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks: its JSON, the contact in its path, and by which property that is named."""

    body: Mapping[str, Any]
    contact: str
    by: str | None


@dataclass(slots=True, kw_only=True)
class Fault:
    """What becomes of a request instead of the usual."""

    status: int | None = None
    times: int = 1
    after: int = 0
    path: str = ""
    retry_after: float | None = None
    policy: str | None = None
    category: str | None = None
    hang: float = 0.0
    silent: bool = False
    apply_then_drop: bool = False


@dataclass(slots=True)
class HubspotStandIn:
    """The stand-in: `app()` is to be served, `portal` is what it holds, `requests` is what it was asked.

    With `multi_status` a fault of one record is told within a 207, by its trace id, where all records have
    one; else the whole batch is refused for it. HubSpot is seen to do either.
    """

    token: str | None = None
    multi_status: bool = True
    portal: Portal = field(default_factory=Portal)
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    limit: tuple[int, float] | None = None
    chances: Chances = field(default_factory=Chances)
    _times: list[float] = field(default_factory=list)

    def app(self) -> Starlette:
        """Return the ASGI application."""
        routes = [
            Route("/_standin/contacts", self._contacts, methods=["GET", "POST"]),
            Route("/_standin/requests", self._requests, methods=["GET"]),
            Route("/_standin/events", self._happened, methods=["GET"]),
            Route("/_standin/faults", self._fail, methods=["POST"]),
            Route("/_standin/limit", self._limit, methods=["POST"]),
            chances.route(lambda: self.chances, lambda given: setattr(self, "chances", given)),
        ]
        for contacts, properties in _VERSIONS.items():
            routes += [
                self._route(f"{contacts}/batch/upsert", "POST", self._upsert),
                self._route(f"{contacts}/batch/read", "POST", self._read),
                self._route(f"{contacts}/batch/update", "POST", self._update),
                self._route(f"{contacts}/{{contact}}", "PATCH", self._patch),
                self._route(properties, "GET", self._definitions),
                self._route(f"{properties}/groups", "POST", self._group),
                self._route(f"{properties}/batch/create", "POST", self._define),
            ]
        for sending, definitions in _EVENTS.items():
            routes += [
                self._route(definitions, "GET", self._event_definitions),
                self._route(definitions, "POST", self._define_event),
                self._route(f"{sending}/batch", "POST", self._happen),
            ]
        return Starlette(routes=routes)

    # ------------------------------------------------------------ HubSpot's API

    def _upsert(self, asked: Asked) -> Answer:
        inputs = check_inputs(asked.body.get("inputs"), "id", "idProperty")
        for wanted in inputs:
            for name in wanted["properties"]:
                if name not in self.portal.definitions:
                    self.portal.check(name, "")  # what is not defined is refused before anything is done
        results, errors = [], []
        traced = self.multi_status and all(wanted.get("objectWriteTraceId") for wanted in inputs)
        before = {} if traced else {contact: dict(has) for contact, has in self.portal.contacts.items()}
        for wanted in inputs:
            trace = wanted.get("objectWriteTraceId")
            try:
                contact, new = self.portal.upsert(wanted)
            except RefusedError as refused:
                if not traced:
                    self.portal.contacts = before
                    raise
                errors.append(refused.body(trace))
            else:
                told = {"objectWriteTraceId": trace} if trace else {}
                results.append({**self._object(contact), "new": new, **told})
        answer = {"status": "COMPLETE", "results": results}
        return (207, {**answer, "numErrors": len(errors), "errors": errors}) if errors else (200, answer)

    def _read(self, asked: Asked) -> Answer:
        inputs = check_inputs(asked.body.get("inputs"), "id")
        found = {
            wanted["id"]: self.portal.find(wanted["id"], asked.body.get("idProperty")) for wanted in inputs
        }
        results = [self._object(contact) for contact in found.values() if contact]
        lost = [id_ for id_, contact in found.items() if not contact]
        if not lost:
            return 200, {"status": "COMPLETE", "results": results}
        error = {**RefusedError(404, "OBJECT_NOT_FOUND", "Could not get some CONTACT objects").body()}
        error["context"] = {"ids": lost}
        return 207, {"status": "COMPLETE", "results": results, "numErrors": len(lost), "errors": [error]}

    def _update(self, asked: Asked) -> Answer:
        results, errors = [], []
        for wanted in check_inputs(asked.body.get("inputs"), "id"):
            trace = wanted.get("objectWriteTraceId")
            try:
                self.portal.update(wanted["id"], None, wanted["properties"])
            except RefusedError as refused:
                errors.append(refused.body(trace))
            else:
                results.append(self._object(wanted["id"]))
        answer = {"status": "COMPLETE", "results": results}
        return (207, {**answer, "numErrors": len(errors), "errors": errors}) if errors else (200, answer)

    def _event_definitions(self, _: Asked) -> Answer:
        return 200, {"results": self.portal.events.known()}

    def _define_event(self, asked: Asked) -> Answer:
        return 201, self.portal.events.define(asked.body)

    def _happen(self, asked: Asked) -> Answer:
        self.portal.events.happen(asked.body.get("inputs"), self.portal.contacts)
        return 204, {}

    def _patch(self, asked: Asked) -> Answer:
        contact = self.portal.update(asked.contact, asked.by, asked.body.get("properties") or {})
        return 200, self._object(contact)

    def _definitions(self, _: Asked) -> Answer:
        return 200, {"results": list(self.portal.definitions.values())}

    def _group(self, asked: Asked) -> Answer:
        self.portal.make_group(asked.body.get("name"))
        return 201, {"name": asked.body["name"], "label": asked.body.get("label", ""), "archived": False}

    def _define(self, asked: Asked) -> Answer:
        inputs = asked.body.get("inputs") or []
        errors = []
        for definition in inputs:
            try:
                self.portal.define(definition)
            except RefusedError as refused:
                errors.append(refused.body())
        answer = {"status": "COMPLETE", "results": inputs}
        return (207, {**answer, "numErrors": len(errors), "errors": errors}) if errors else (201, answer)

    def _object(self, contact: str) -> dict[str, Any]:
        return {"id": contact, "properties": dict(self.portal.contacts[contact]), "archived": False}

    # ------------------------------------------------------------- around it all

    def _route(self, path: str, method: str, answer: Callable[[Asked], Answer]) -> Route:
        async def endpoint(request: Request) -> Response:
            asked = Asked(
                body=await _body(request),
                contact=request.path_params.get("contact", ""),
                by=request.query_params.get("idProperty"),
            )
            noted = {
                "method": method,
                "path": request.url.path,
                "inputs": len(asked.body.get("inputs") or ()),
            }
            self.requests.append(noted)
            response = await self._answer(request, lambda: answer(asked))
            noted["status"] = response.status_code
            return response

        return Route(path, endpoint, methods=[method])

    async def _answer(self, request: Request, answer: Callable[[], Answer]) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token or self.token not in {None, token}:
            return _refusal(
                RefusedError(401, _CATEGORIES[401], "Authentication credentials not found or invalid")
            )
        if self._over_limit():
            return _refusal(Fault(status=429, policy="TEN_SECONDLY_ROLLING"))
        fault = self._next_fault(request.url.path)
        match self.chances.draw():
            case "fails":
                fault = Fault(status=503)
            case "hangs":
                fault = Fault(hang=self.chances.seconds)
        if fault.hang:
            await asyncio.sleep(fault.hang)
        if fault.status:
            return _refusal(fault)
        if fault.silent:
            return JSONResponse({"status": "COMPLETE", "results": []})
        try:
            status, content = answer()
        except RefusedError as refused:
            return _refusal(refused)
        plain = Response(status_code=status) if status == NO_CONTENT else JSONResponse(content, status)
        return _Broken() if fault.apply_then_drop else plain

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

    def _over_limit(self) -> bool:
        if self.limit is None:
            return False
        requests, seconds = self.limit
        now = time.monotonic()
        self._times = [moment for moment in self._times if moment > now - seconds]
        if len(self._times) >= requests:
            return True
        self._times.append(now)
        return False

    async def _contacts(self, request: Request) -> Response:
        if request.method == "POST":
            self.portal.create((await _body(request)).get("properties") or {})
        return JSONResponse([self._object(contact) for contact in self.portal.contacts])

    async def _requests(self, _: Request) -> Response:
        return JSONResponse(self.requests)

    async def _happened(self, _: Request) -> Response:
        return JSONResponse(list(self.portal.events.occurrences.values()))

    async def _fail(self, request: Request) -> Response:
        self.faults.append(Fault(**await _body(request)))
        return JSONResponse({"faults": len(self.faults)})

    async def _limit(self, request: Request) -> Response:
        wanted = await _body(request)
        self.limit = (int(wanted["requests"]), float(wanted["seconds"])) if wanted else None
        return JSONResponse(wanted)


def app(token: str | None = None) -> Starlette:
    """Return a new stand-in's application."""
    return HubspotStandIn(token).app()


class _Broken(Response):
    """An answer that is cut off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"999")]})
        raise ConnectionResetError


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _refusal(why: RefusedError | Fault) -> Response:
    if isinstance(why, RefusedError):
        return JSONResponse({**why.body(), "correlationId": "stand-in"}, why.status)
    status = why.status or 500
    body = {
        "status": "error",
        "category": why.category or _CATEGORIES.get(status, "INTERNAL_ERROR"),
        "message": "told to fail",
        "correlationId": "stand-in",
        "errors": [],
        **({"policyName": why.policy} if why.policy else {}),
    }
    headers = {} if why.retry_after is None else {"Retry-After": f"{why.retry_after:g}"}
    return JSONResponse(body, status, headers=headers)
