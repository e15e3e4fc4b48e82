"""A fake HubSpot on localhost: contacts, properties and custom events, validated as HubSpot does, failing on request.

It accepts any bearer token, or only `token` if one is given. Tests and tools control the fake itself below
`/_standin`:

* `GET /_standin/contacts`: `[{"id", "properties"}, …]`; `POST` adds one, as a merchant does in HubSpot;
* `GET /_standin/requests`: `[{"method", "path", "inputs", "status"}, …]`, oldest first;
* `POST /_standin/faults`: faults of the next requests (`fault_queue.py`); `code` is a category; `POST /_standin/heal`
  ends them;
* `GET /_standin/events`: the custom events received, `[{"eventName", …}, …]`, oldest first;
* `POST /_standin/limit {"requests", "seconds"}`: a rate limit: more requests in that time get a 429;
* `POST /_standin/fault_rates {"seed", "fails", "hangs", "most", "seconds"}`: random faults (`fault_rates.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fakes import fault_rates
from fakes.fault_queue import Fault, FaultQueue, json_object, respond
from fakes.fault_rates import FaultRates
from fakes.hubspot_api import HubspotApi, HubspotReply, HubspotRequest
from fakes.hubspot_errors import HubspotError
from fakes.hubspot_portal import HubspotPortal

_CATEGORIES: Final = {
    401: "INVALID_AUTHENTICATION",
    403: "MISSING_SCOPES",
    423: "LOCKED",
    429: "RATE_LIMITS",
}


@dataclass(slots=True)
class FakeHubspot:
    """The fake server: `app()` is its application, `portal` its data, `requests` the log of the requests.

    `multi_status` as in `HubspotApi`.
    """

    token: str | None = None
    multi_status: bool = True
    portal: HubspotPortal = field(default_factory=HubspotPortal)
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: FaultQueue = field(default_factory=FaultQueue)
    limit: tuple[int, float] | None = None
    fault_rates: FaultRates = field(default_factory=FaultRates)
    _times: list[float] = field(default_factory=list)

    def app(self) -> Starlette:
        """Return the ASGI application."""
        own = [
            Route("/_standin/contacts", self._contacts, methods=["GET", "POST"]),
            Route("/_standin/requests", self._requests, methods=["GET"]),
            Route("/_standin/events", self._events, methods=["GET"]),
            Route("/_standin/faults", self.faults.add, methods=["POST"]),
            Route("/_standin/heal", self.faults.heal, methods=["POST"]),
            Route("/_standin/limit", self._limit, methods=["POST"]),
            fault_rates.route(lambda: self.fault_rates, lambda given: setattr(self, "fault_rates", given)),
        ]
        api = HubspotApi(self.multi_status, self.portal)
        return Starlette(routes=[*own, *(self._route(*each) for each in api.paths())])

    def _route(self, path: str, method: str, answer: Callable[[HubspotRequest], HubspotReply]) -> Route:
        async def endpoint(request: Request) -> Response:
            parsed = HubspotRequest(
                body=await json_object(request),
                contact=request.path_params.get("contact", ""),
                by=request.query_params.get("idProperty"),
                query=request.query_params,
            )
            entry = {
                "method": method,
                "path": request.url.path,
                "inputs": len(parsed.body.get("inputs") or ()),
            }
            self.requests.append(entry)
            response = await self._answer(request, lambda: answer(parsed))
            entry["status"] = response.status_code
            return response

        return Route(path, endpoint, methods=[method])

    async def _answer(self, request: Request, answer: Callable[[], HubspotReply]) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token or self.token not in {None, token}:
            return _error_response(
                HubspotError(401, _CATEGORIES[401], "Authentication credentials not found or invalid")
            )
        if self._over_limit():
            return _refuse(Fault(status=429, policy="TEN_SECONDLY_ROLLING"))
        fault = self.faults.next(request.url.path)
        match self.fault_rates.draw():
            case "fails":
                fault = Fault(status=503)
            case "hangs":
                fault = Fault(hang=self.fault_rates.seconds)
        silent = JSONResponse({"status": "COMPLETE", "results": []})
        return await respond(fault, lambda: _process(answer), _refuse, silent)

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
            self.portal.create((await json_object(request)).get("properties") or {})
        return JSONResponse(
            [HubspotApi(portal=self.portal).contact_body(contact) for contact in self.portal.contacts]
        )

    async def _requests(self, _: Request) -> Response:
        return JSONResponse(self.requests)

    async def _events(self, _: Request) -> Response:
        return JSONResponse(list(self.portal.events.occurrences.values()))

    async def _limit(self, request: Request) -> Response:
        limit = await json_object(request)
        self.limit = (int(limit["requests"]), float(limit["seconds"])) if limit else None
        return JSONResponse(limit)


def _process(answer: Callable[[], HubspotReply]) -> Response:
    try:
        status, content = answer()
    except HubspotError as error:
        return _error_response(error)
    return Response(status_code=status) if status == HTTPStatus.NO_CONTENT else JSONResponse(content, status)


def _error_response(error: HubspotError) -> Response:
    return JSONResponse({**error.body(), "correlationId": "fake"}, error.status)


def _refuse(fault: Fault) -> Response:
    status = fault.status or 500
    body = {
        "status": "error",
        "category": fault.code or _CATEGORIES.get(status, "INTERNAL_ERROR"),
        "message": "requested fault",
        "correlationId": "fake",
        "errors": [],
        **({"policyName": fault.policy} if fault.policy else {}),
    }
    return JSONResponse(body, status, headers=fault.headers())
