"""The 31 operations of API v2.0: routes, key check, injected faults, documented errors and the envelope of a reply."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sim.ambiguities import Switches
from sim.api import members, shop, subscriptions
from sim.api.calls import NO_BODY, ApiCall, ApiError, ApiReply
from sim.errors import NotFoundError, SimError
from sim.faults import FaultInjector
from sim.simulator import Simulator

Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[ApiCall], ApiReply]

_ADMIN, _STORE = "/v2.0/admin", "/v2.0/storefront"

OPERATIONS: Final[dict[tuple[str, str], Handler]] = {
    ("GET", f"{_ADMIN}/merchant"): shop.get_merchant,
    ("GET", f"{_ADMIN}/members"): members.list_members,
    ("POST", f"{_ADMIN}/members"): members.create_member,
    ("GET", f"{_ADMIN}/members/{{id}}"): members.get_member,
    ("PATCH", f"{_ADMIN}/members/{{id}}"): members.update_member,
    ("POST", f"{_ADMIN}/members/{{id}}/change-tier"): members.change_tier,
    ("GET", f"{_ADMIN}/members/{{id}}/credits"): members.list_credits,
    ("POST", f"{_ADMIN}/members/{{id}}/credits"): members.add_credit,
    ("GET", f"{_ADMIN}/benefits"): shop.list_benefits,
    ("GET", f"{_ADMIN}/benefits/{{type}}"): shop.get_benefit,
    ("DELETE", f"{_ADMIN}/benefits/{{type}}"): shop.delete_benefit,
    ("PATCH", f"{_ADMIN}/benefits/{{type}}"): shop.update_benefit,
    ("GET", f"{_ADMIN}/tiers"): shop.list_tiers,
    ("GET", f"{_ADMIN}/tiers/{{id}}"): shop.get_tier,
    ("GET", f"{_ADMIN}/tiers/{{id}}/benefits"): shop.tier_benefits,
    ("GET", f"{_ADMIN}/tiers/{{id}}/benefits/{{type}}"): shop.tier_benefit,
    ("PATCH", f"{_ADMIN}/tiers/{{id}}/benefits/{{type}}"): shop.update_tier_benefit,
    ("GET", f"{_ADMIN}/tiers/{{id}}/campaigns"): shop.tier_campaigns,
    ("GET", f"{_ADMIN}/webhook-subscriptions"): subscriptions.list_subscriptions,
    ("POST", f"{_ADMIN}/webhook-subscriptions"): subscriptions.create,
    ("PUT", f"{_ADMIN}/webhook-subscriptions"): subscriptions.update,
    ("DELETE", f"{_ADMIN}/webhook-subscriptions"): subscriptions.delete,
    ("GET", f"{_STORE}/members/{{id}}"): members.get_member,
    ("GET", f"{_STORE}/members/{{id}}/credits"): members.storefront_credits,
    ("POST", f"{_STORE}/members/{{id}}/credits/redemption"): members.redeem,
    ("POST", f"{_STORE}/members/{{id}}/cancellation"): members.cancel_member,
    ("GET", f"{_STORE}/benefits"): shop.list_benefits,
    ("GET", f"{_STORE}/benefits/{{id}}"): shop.get_benefit,
    ("GET", f"{_STORE}/tiers/{{id}}"): shop.member_tier,
    ("GET", f"{_STORE}/tiers/{{id}}/benefits"): shop.member_tier_benefits,
    ("GET", f"{_STORE}/tiers/{{id}}/campaigns"): shop.member_tier_campaigns,
}
"""The handler of each method and path. Storefront paths of tiers take a customer id, that of a benefit its type."""


def routes(sim: Simulator) -> list[Route]:
    """Return one route for each path, so that another method gets a 405 with the allowed methods."""
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
            return await _process(sim, call, handlers[method], writes=method != "GET")
        except ApiError as error:
            return refusal(error.message, error.status)

    return endpoint


def check_key(sim: Simulator, request: Request) -> None:
    """Check the API key.

    Raises:
        ApiError: with the status of the switch `bad_key`.

    """
    key = request.headers.get("X-Inveterate-Api-Key", "")
    if not hmac.compare_digest(key.encode(), sim.api_key.encode()):
        raise ApiError("Invalid API key", int(sim.world.switches["bad_key"]))


async def call_of(sim: Simulator, request: Request) -> ApiCall:
    """Parse a request.

    Raises:
        ApiError: the body is no JSON.

    """
    content = await request.body()
    body: Any = NO_BODY
    if content.strip():
        try:
            body = json.loads(content, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise ApiError("the body is no JSON") from None
    path = {name: str(value) for name, value in request.path_params.items()}
    return ApiCall(sim, path, dict(request.query_params), body)


def _no_constant(text: str) -> Any:
    raise ValueError(text)


async def _process(sim: Simulator, call: ApiCall, handler: Handler, *, writes: bool) -> Response:
    sim.requests += 1
    number, faults = sim.requests, sim.world.faults
    if failure := _injected_failure(faults, number):
        return failure
    try:
        answer = handler(call)
    except NotFoundError as error:
        return _not_found(sim, str(error))
    except SimError as error:
        return refusal(str(error), 400)
    if writes and faults.draw("api_half_done", number):
        faults.struck["api_half_done"] += 1
        if answer.half is not None:
            sim.write_later(answer.half)
        return refusal("The operation failed half-way", 500)
    if answer.write is not None:
        sim.write_later(answer.write)
    if faults.draw("api_timeout", number):
        faults.struck["api_timeout"] += 1
        await asyncio.sleep(sim.settings.api_timeout)
        return refusal("Gateway timeout", 504)
    return _reply(sim, answer)


def _injected_failure(faults: FaultInjector, number: int) -> Response | None:
    """Return the reply of a fault that prevents the operation."""
    if faults.draw("api_429", number):
        faults.struck["api_429"] += 1
        return JSONResponse({"message": "Too many requests", "data": {}}, 429, {"Retry-After": "1"})
    if faults.draw("api_5xx", number):
        faults.struck["api_5xx"] += 1
        return refusal("Internal server error", 500)
    return None


def _reply(sim: Simulator, answer: ApiReply) -> Response:
    if answer.name in {"member", "members"}:
        for record in answer.rows or filter(None, (answer.record,)):
            sim.world.expected_state.record_api_read(record)
    return JSONResponse(envelope(answer, sim.world.switches), answer.status)


def refusal(message: str, status: int) -> Response:
    """Return an error reply in the usual envelope."""
    return JSONResponse({"message": message, "data": {}}, status)


def _not_found(sim: Simulator, message: str) -> Response:
    choice = sim.world.switches["not_found"]
    if choice == "empty":
        return JSONResponse({"message": "Success", "data": {}}, 200)
    return refusal(message, int(choice))


def envelope(answer: ApiReply, switches: Switches) -> dict[str, Any]:
    """Return the reply as JSON in the shape of the switch `data_shape`.

    named: data {"members": […]} or {"member": {…}}; array: data […] or the record itself;
    nested: data {"data": […]} or {"data": {"member": {…}}}, an envelope inside an envelope.
    """
    head: dict[str, Any] = {"message": answer.message}
    if answer.rows is None:
        return head | {"data": _record_data(answer, switches)}
    cursor = _cursor_data(answer, switches)
    shape = switches["data_shape"]
    if shape == "array":
        return head | {"data": answer.rows} | cursor
    data: dict[str, Any] = {answer.name if shape == "named" else "data": answer.rows}
    if switches("cursor_place", "top"):
        return head | {"data": data} | cursor
    return head | {"data": data | cursor}


def _record_data(answer: ApiReply, switches: Switches) -> dict[str, Any]:
    if answer.record is None:
        return {}
    if answer.status == 201 or switches("data_shape", "array"):  # noqa: PLR2004 - the status itself
        return answer.record
    named = {answer.name: answer.record}
    return named if switches("data_shape", "named") else {"data": named}


def _cursor_data(answer: ApiReply, switches: Switches) -> dict[str, Any]:
    if answer.cursor is None:
        return {}
    name, value = answer.cursor
    if value is None and switches("list_end", "absent"):
        return {}
    return {name: value}
