"""Where requests to the API come in: the key, what goes wrong on purpose, and the documented errors."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sim.api.calls import NO_BODY, Answer, ApiError, Call
from sim.api.operations import OPERATIONS, Handler
from sim.api.shapes import shaped
from sim.errors import NotThereError, SimError
from sim.faults import Faults
from sim.simulator import Simulator

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(sim: Simulator) -> list[Route]:
    """Return one route for each path, so that another method is answered 405 with the ones there are."""
    made = []
    for path, each in groupby(sorted(OPERATIONS, key=lambda key: key[1]), key=lambda key: key[1]):
        handlers = {method: OPERATIONS[method, path] for method, _ in each}
        made.append(Route(path, _endpoint(sim, handlers), methods=list(handlers)))
    return made


def _endpoint(sim: Simulator, handlers: dict[str, Handler]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        try:
            check_key(sim, request)
            call = await call_of(sim, request)
            return await _answered(sim, call, handlers[method], writes=method != "GET")
        except ApiError as error:
            return refusal(error.message, error.status)

    return endpoint


def check_key(sim: Simulator, request: Request) -> None:
    """Check the key of the merchant.

    Raises:
        ApiError: in the status that the switch has for it.

    """
    key = request.headers.get("X-Inveterate-Api-Key", "")
    if not hmac.compare_digest(key.encode(), sim.api_key.encode()):
        raise ApiError("Invalid API key", int(sim.world.switches["bad_key"]))


async def call_of(sim: Simulator, request: Request) -> Call:
    """Take a request apart.

    Raises:
        ApiError: when its body is no JSON.

    """
    content = await request.body()
    body: Any = NO_BODY
    if content.strip():
        try:
            body = json.loads(content, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise ApiError("the body is no JSON") from None
    path = {name: str(value) for name, value in request.path_params.items()}
    return Call(sim, path, dict(request.query_params), body)


def _no_constant(text: str) -> Any:
    raise ValueError(text)


async def _answered(sim: Simulator, call: Call, handler: Handler, *, writes: bool) -> Response:
    sim.requests += 1
    number, faults = sim.requests, sim.world.faults
    if broken := _broken(faults, number):
        return broken
    try:
        answer = handler(call)
    except NotThereError as error:
        return _not_there(sim, str(error))
    except SimError as error:
        return refusal(str(error), 400)
    if writes and faults.chance("api_half_done", number):
        if answer.half is not None:
            sim.later(answer.half)
        return refusal("Something went wrong half-way", 500)
    if answer.write is not None:
        sim.later(answer.write)
    if faults.chance("api_timeout", number):
        await asyncio.sleep(sim.settings.api_patience)
        return refusal("Gateway timeout", 504)
    return _reply(sim, answer)


def _broken(faults: Faults, number: int) -> Response | None:
    """Answer what fails before anything is done."""
    if faults.chance("api_429", number):
        return JSONResponse({"message": "Too many requests", "data": {}}, 429, {"Retry-After": "1"})
    return refusal("Internal server error", 500) if faults.chance("api_5xx", number) else None


def _reply(sim: Simulator, answer: Answer) -> Response:
    if answer.name in {"member", "members"}:
        for record in answer.rows or filter(None, (answer.record,)):
            sim.world.truth.read(record)
    return JSONResponse(shaped(answer, sim.world.switches), answer.status)


def refusal(message: str, status: int) -> Response:
    """Answer with an error: the same envelope as for everything."""
    return JSONResponse({"message": message, "data": {}}, status)


def _not_there(sim: Simulator, message: str) -> Response:
    reading = sim.world.switches["not_found"]
    if reading == "empty":
        return JSONResponse({"message": "Success", "data": {}}, 200)
    return refusal(message, int(reading))
