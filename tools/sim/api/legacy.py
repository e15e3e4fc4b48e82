"""The 13 endpoints of v1: another envelope, parameters in the URL of a POST, one callback for everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sim import crediting, joining, leaving, payloads, record
from sim.api import checks, edge, members, shop, subscribing
from sim.api.calls import ApiError, Call
from sim.errors import SimError
from sim.events import Event
from sim.model import Member, TierKind, money, number
from sim.simulator import Simulator
from sim.world import World

Legacy = Callable[[Call], dict[str, Any]]

_FIELDS: Final = (
    "accountState", "contractId", "createdAt", "credit", "customerId", "email", "firstName", "lastName",
    "orderCount", "orderIds", "merchantId", "status", "totalSpend", "updatedAt",
)  # fmt: skip


def routes(sim: Simulator) -> list[Route]:
    """Return v1's routes. Cancelling, redeeming and signing up are documented without the key: they still need it."""
    made = []
    for path in dict.fromkeys(path for _, path in _ENDPOINTS):
        handlers = {method: handler for (method, one), handler in _ENDPOINTS.items() if one == path}
        made.append(Route(path, _endpoint(sim, handlers), methods=list(handlers)))
    return made


def _endpoint(sim: Simulator, handlers: dict[str, Legacy]) -> edge.Endpoint:
    async def endpoint(request: Request) -> Response:
        on_ledger = request.url.path == "/customers/credits"
        bare = on_ledger and request.method != "POST"
        try:
            edge.check_key(sim, request)
        except ApiError as error:
            wrong = {"message": "Unauthorized"} if on_ledger else _refused("Invalid API key")
            return JSONResponse(wrong, error.status)
        try:
            found = handlers[request.method if request.method != "HEAD" else "GET"](
                await edge.call_of(sim, request)
            )
        except ApiError as error:
            return JSONResponse(_refused(error.message), error.status)
        except SimError as error:
            return JSONResponse(_refused(str(error)), 400)
        return JSONResponse(found if bare else {"success": True, "data": found, "errors": []})

    return endpoint


def _refused(message: str) -> dict[str, Any]:
    return {"data": {}, "success": False, "errors": [message]}


def _row(world: World, member: Member) -> dict[str, Any]:
    written = members.row(world, member)
    return {name: written[name] for name in _FIELDS}


def _merchant(call: Call) -> dict[str, Any]:
    return {"merchant": shop.merchant_row(call.world)}


def _benefits(call: Call) -> dict[str, Any]:
    rows = list(shop.shop_benefits(call.world).values())
    return {"benefits": rows, "count": len(rows)}


def _campaigns(call: Call) -> dict[str, Any]:
    each = {row["id"]: row for rows in call.world.shop.campaigns.values() for row in rows}
    rows = [row | {"merchantId": call.world.shop.merchant_id} for row in each.values()]
    return {"campaigns": rows, "count": len(rows)}


def _customers(call: Call) -> dict[str, Any]:
    limited = "limit" in call.query
    answer = members.list_members(call if limited else Call(call.sim, {}, call.query | {"limit": "100"}))
    rows = answer.rows or []
    page: dict[str, Any] = {"customers": [{name: row[name] for name in _FIELDS} for row in rows]}
    if rows:
        page["lastCustomerId"] = rows[-1]["customerId"]  # v1 shows one on full pages and on the last alike
    return page | ({"limit": call.query["limit"]} if limited else {})


def _customer(call: Call) -> dict[str, Any]:
    return {"customer": _row(call.world, members.found(call))}


def _cancel(call: Call) -> dict[str, Any]:
    world = call.world
    checks.body(call.body, {"merchantId": ("string", True)})
    member = members.found(call)
    if member.status is None or member.status.value != "ACTIVE":
        raise ApiError("has nothing to cancel")
    begun = leaving.request(world, member)
    first = list(islice(begun, 1))  # the request is in the reply; what follows from it comes a moment later

    def rest() -> Iterator[Event]:
        yield from first
        yield from begun

    call.sim.later(rest)
    if member.cancel is None:
        raise ApiError("has nothing to cancel")
    return {"cancelRequest": payloads.cancel_request(world, member, member.cancel)}


def _customer_of(query: Mapping[str, str]) -> str:
    if not query.get("customerId"):
        raise ApiError("Missing query parameter: customerId")
    return query["customerId"]


def _ledger(call: Call) -> dict[str, Any]:
    world = call.world
    member = world.member(_customer_of(call.query))
    held = member.redemption
    rows = [members.entry_row(world, entry) for entry in member.ledger]
    return {
        "credits": [
            {name: row[name] for name in ("amount", "createdAt", "newBalance", "reason")} for row in rows
        ],
        "redemption": {"code": held.code, "value": number(held.value)} if held else None,
    }


def _add_credits(call: Call) -> dict[str, Any]:
    world = call.world
    customer_id = _customer_of(call.query)
    try:
        amount = money(float(call.query.get("credit", "")))
    except (ValueError, ArithmeticError):
        raise ApiError("Missing query parameter: credit") from None
    if not 0 < amount < 10**9:
        raise ApiError("credit must be above 0")
    member = world.members.get(customer_id)
    if member is not None:  # a wrong id passes silently, as documented
        call.sim.later(
            lambda: record.changing(
                world, member, crediting.grant(world, member, amount, "MANUAL", applied_by="api")
            )
        )
    return {}


def _redeem(call: Call) -> dict[str, Any]:
    fields: checks.Fields = {
        "customerId": ("number", True), "amount": ("number", True), "merchantId": ("string", True), "email": ("string", False),
    }  # fmt: skip
    body = checks.body(call.body, fields)
    member, amount = call.world.member(str(int(body["customerId"]))), money(body["amount"])
    if not 0 < amount <= member.balance:
        raise ApiError("insufficient credits")
    code = crediting.new_code(call.world)
    call.sim.later(lambda: crediting.redeem(call.world, member, amount, code))
    return {"code": code}


def _sign_up(call: Call) -> dict[str, Any]:
    world = call.world
    fields: checks.Fields = {
        "merchantId": ("string", True),
        "customerId": ("string", True),
        "segmentId": ("string", False),
    }
    body = checks.body(call.body, fields)
    free = world.free_tier()
    tier = world.tiers.get(body["segmentId"]) if "segmentId" in body else free
    if tier is None or tier.kind is not TierKind.FREE:
        raise ApiError("no such free tier")
    if not (body["customerId"].isascii() and body["customerId"].isdigit()):
        raise ApiError("customerId must be a numeric id, not a GID")
    customer = world.customers.get(body["customerId"]) or world.members.get(body["customerId"])
    if customer is not None and not customer.in_programme:
        call.sim.later(lambda: joining.join(world, customer, tier))
    return {}


def _subscribe(call: Call) -> dict[str, Any]:
    body = checks.body(call.body, {"callbackUrl": ("string", True), "name": ("string", False)})
    made = subscribing.make(call.sim, None, body["callbackUrl"], body.get("name", ""))
    call.sim.subscriptions[made.id] = made
    return {"subscriber": subscribing.row(call.sim, made, token=True)}


def _subscribers(call: Call) -> dict[str, Any]:
    mine = [one for one in call.sim.subscriptions.values() if one.topic is None]
    return {"subscribers": [subscribing.row(call.sim, one) for one in mine]}


def _unsubscribe(call: Call) -> dict[str, Any]:
    body = checks.body(call.body, {"id": ("string", True)})
    found = call.sim.subscriptions.get(body["id"])
    if found is None or found.topic is not None:
        raise ApiError("no such subscriber")
    del call.sim.subscriptions[found.id]
    return {"subscriber": {}}


_ENDPOINTS: Final[dict[tuple[str, str], Legacy]] = {
    ("GET", "/merchant"): _merchant,
    ("GET", "/benefits"): _benefits,
    ("GET", "/campaigns"): _campaigns,
    ("GET", "/customers"): _customers,
    ("GET", "/customers/credits"): _ledger,
    ("POST", "/customers/credits"): _add_credits,
    ("GET", "/customers/{id}"): _customer,
    ("POST", "/customers/{id}/cancel"): _cancel,
    ("POST", "/redemption-discount-code"): _redeem,
    ("POST", "/signup-free-tier"): _sign_up,
    ("POST", "/webhooks"): _subscribe,
    ("GET", "/webhooks"): _subscribers,
    ("DELETE", "/webhooks"): _unsubscribe,
}
