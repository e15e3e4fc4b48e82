"""HubSpot's contacts and properties API on localhost: checks as HubSpot does, and fails when it is told to.

Any bearer token will do, or only `token` where one is given. What one can ask of the stand-in itself is
below `/_standin`:

* `GET /_standin/contacts`: `[{"id", "properties"}, …]`; `POST` adds one as a merchant would by hand;
* `GET /_standin/requests`: `[{"method", "path", "inputs", "status"}, …]`, oldest first;
* `POST /_standin/faults`: what becomes of the next requests (`faulty.py`); `code` is a category;
* `GET /_standin/events`: custom events that took place, `[{"eventName", …}, …]`, oldest first;
* `POST /_standin/limit {"requests", "seconds"}`: so many requests in so many seconds, then 429;
* `POST /_standin/chances {"seed", "fails", "hangs", "most", "seconds"}`: what goes wrong by chance (`chances.py`).
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

from sim.standins import chances
from sim.standins.chances import Chances
from sim.standins.faulty import Fault, Faults, body_of, struck
from sim.standins.hubspot_api import Answer, Api, Asked
from sim.standins.hubspot_portal import Portal
from sim.standins.refusing import RefusedError

_CATEGORIES: Final = {
    401: "INVALID_AUTHENTICATION",
    403: "MISSING_SCOPES",
    423: "LOCKED",
    429: "RATE_LIMITS",
}


@dataclass(slots=True)
class HubspotStandIn:
    """The stand-in: `app()` is to be served, `portal` is what it holds, `requests` is what it was asked.

    `multi_status` as at `Api`.
    """

    token: str | None = None
    multi_status: bool = True
    portal: Portal = field(default_factory=Portal)
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    limit: tuple[int, float] | None = None
    chances: Chances = field(default_factory=Chances)
    _times: list[float] = field(default_factory=list)

    def app(self) -> Starlette:
        """Return the ASGI application."""
        own = [
            Route("/_standin/contacts", self._contacts, methods=["GET", "POST"]),
            Route("/_standin/requests", self._requests, methods=["GET"]),
            Route("/_standin/events", self._happened, methods=["GET"]),
            Route("/_standin/faults", self.faults.add, methods=["POST"]),
            Route("/_standin/limit", self._limit, methods=["POST"]),
            chances.route(lambda: self.chances, lambda given: setattr(self, "chances", given)),
        ]
        api = Api(self.multi_status, self.portal)
        return Starlette(routes=[*own, *(self._route(*each) for each in api.paths())])

    def _route(self, path: str, method: str, answer: Callable[[Asked], Answer]) -> Route:
        async def endpoint(request: Request) -> Response:
            asked = Asked(
                body=await body_of(request),
                contact=request.path_params.get("contact", ""),
                by=request.query_params.get("idProperty"),
                query=request.query_params,
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
            return _refused(
                RefusedError(401, _CATEGORIES[401], "Authentication credentials not found or invalid")
            )
        if self._over_limit():
            return _told_to(Fault(status=429, policy="TEN_SECONDLY_ROLLING"))
        fault = self.faults.next(request.url.path)
        match self.chances.draw():
            case "fails":
                fault = Fault(status=503)
            case "hangs":
                fault = Fault(hang=self.chances.seconds)
        silent = JSONResponse({"status": "COMPLETE", "results": []})
        return await struck(fault, lambda: _usual(answer), _told_to, silent)

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
            self.portal.create((await body_of(request)).get("properties") or {})
        return JSONResponse([Api(portal=self.portal).shown(contact) for contact in self.portal.contacts])

    async def _requests(self, _: Request) -> Response:
        return JSONResponse(self.requests)

    async def _happened(self, _: Request) -> Response:
        return JSONResponse(list(self.portal.events.occurrences.values()))

    async def _limit(self, request: Request) -> Response:
        wanted = await body_of(request)
        self.limit = (int(wanted["requests"]), float(wanted["seconds"])) if wanted else None
        return JSONResponse(wanted)


def app(token: str | None = None) -> Starlette:
    """Return a new stand-in's application."""
    return HubspotStandIn(token).app()


def _usual(answer: Callable[[], Answer]) -> Response:
    try:
        status, content = answer()
    except RefusedError as refused:
        return _refused(refused)
    return Response(status_code=status) if status == HTTPStatus.NO_CONTENT else JSONResponse(content, status)


def _refused(why: RefusedError) -> Response:
    return JSONResponse({**why.body(), "correlationId": "stand-in"}, why.status)


def _told_to(fault: Fault) -> Response:
    status = fault.status or 500
    body = {
        "status": "error",
        "category": fault.code or _CATEGORIES.get(status, "INTERNAL_ERROR"),
        "message": "told to fail",
        "correlationId": "stand-in",
        "errors": [],
        **({"policyName": fault.policy} if fault.policy else {}),
    }
    return JSONResponse(body, status, headers=fault.headers())
