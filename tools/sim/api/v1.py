"""The 13 endpoints of API v1: another envelope, parameters in the URL of a POST, one callback for all topics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sim import cancellations, credit_ledger, memberships, payloads, snapshot
from sim.api import members, shop, subscriptions, v2, validation
from sim.api.calls import ApiCall, ApiError
from sim.errors import SimError
from sim.events import Event
from sim.model import Member, TierKind, money, number
from sim.simulator import Simulator
from sim.world import World

V1Handler = Callable[[ApiCall], dict[str, Any]]

_FIELDS: Final = (
    "accountState", "contractId", "createdAt", "credit", "customerId", "email", "firstName", "lastName",
    "orderCount", "orderIds", "merchantId", "status", "totalSpend", "updatedAt",
)  # fmt: skip


def routes(sim: Simulator) -> list[Route]:
    """Return the routes of v1. Cancelling, redeeming and signing up are documented without the key, but need it."""
    made = []
    for path in dict.fromkeys(path for _, path in _ENDPOINTS):
        handlers = {method: handler for (method, one), handler in _ENDPOINTS.items() if one == path}
        made.append(Route(path, _endpoint(sim, handlers), methods=list(handlers)))
    return made


def _endpoint(sim: Simulator, handlers: dict[str, V1Handler]) -> v2.Endpoint:
    async def endpoint(request: Request) -> Response:
        on_ledger = request.url.path == "/customers/credits"
        bare = on_ledger and request.method != "POST"
        try:
            v2.check_key(sim, request)
        except ApiError as error:
            wrong = {"message": "Unauthorized"} if on_ledger else _refused("Invalid API key")
            return JSONResponse(wrong, error.status)
        try:
            found = handlers[request.method if request.method != "HEAD" else "GET"](
                await v2.call_of(sim, request)
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
    written = members.member_record(world, member)
    return {name: written[name] for name in _FIELDS}


def _merchant(call: ApiCall) -> dict[str, Any]:
    return {"merchant": shop.merchant_row(call.world)}


def _benefits(call: ApiCall) -> dict[str, Any]:
    rows = list(shop.shop_benefits(call.world).values())
    return {"benefits": rows, "count": len(rows)}


def _campaigns(call: ApiCall) -> dict[str, Any]:
    each = {row["id"]: row for rows in call.world.shop.campaigns.values() for row in rows}
    rows = [row | {"merchantId": call.world.shop.merchant_id} for row in each.values()]
    return {"campaigns": rows, "count": len(rows)}


def _customers(call: ApiCall) -> dict[str, Any]:
    limited = "limit" in call.query
    answer = members.list_members(call if limited else ApiCall(call.sim, {}, call.query | {"limit": "100"}))
    rows = answer.rows or []
    page: dict[str, Any] = {"customers": [{name: row[name] for name in _FIELDS} for row in rows]}
    if rows:
        page["lastCustomerId"] = rows[-1]["customerId"]  # v1 has it on every page, the last one included
    return page | ({"limit": call.query["limit"]} if limited else {})


def _customer(call: ApiCall) -> dict[str, Any]:
    return {"customer": _row(call.world, members.member_in_path(call))}


def _cancel(call: ApiCall) -> dict[str, Any]:
    world = call.world
    validation.body(call.body, {"merchantId": ("string", True)})
    member = members.member_in_path(call)
    if member.status is None or member.status.value != "ACTIVE":
        raise ApiError("has nothing to cancel")
    begun = cancellations.request(world, member)
    first = list(islice(begun, 1))  # the reply contains the request; the other events follow later

    def rest() -> Iterator[Event]:
        yield from first
        yield from begun

    call.sim.write_later(rest)
    if member.cancel is None:
        raise ApiError("has nothing to cancel")
    return {"cancelRequest": payloads.cancel_request(world, member, member.cancel)}


def _customer_of(query: Mapping[str, str]) -> str:
    if not query.get("customerId"):
        raise ApiError("Missing query parameter: customerId")
    return query["customerId"]


def _ledger(call: ApiCall) -> dict[str, Any]:
    world = call.world
    member = world.member(_customer_of(call.query))
    held = member.redemption
    rows = [members.ledger_row(world, entry) for entry in member.ledger]
    return {
        "credits": [
            {name: row[name] for name in ("amount", "createdAt", "newBalance", "reason")} for row in rows
        ],
        "redemption": {"code": held.code, "value": number(held.value)} if held else None,
    }


def _add_credits(call: ApiCall) -> dict[str, Any]:
    world = call.world
    customer_id = _customer_of(call.query)
    try:
        amount = money(float(call.query.get("credit", "")))
    except (ValueError, ArithmeticError):
        raise ApiError("Missing query parameter: credit") from None
    if not 0 < amount < 10**9:
        raise ApiError("credit must be above 0")
    member = world.members.get(customer_id)
    if member is not None:  # documented: a wrong id is ignored
        call.sim.write_later(
            lambda: snapshot.with_update_event(
                world, member, credit_ledger.grant(world, member, amount, "MANUAL", applied_by="api")
            )
        )
    return {}


def _redeem(call: ApiCall) -> dict[str, Any]:
    fields: validation.Fields = {
        "customerId": ("number", True), "amount": ("number", True), "merchantId": ("string", True), "email": ("string", False),
    }  # fmt: skip
    body = validation.body(call.body, fields)
    member, amount = call.world.member(str(int(body["customerId"]))), money(body["amount"])
    if not 0 < amount <= member.balance:
        raise ApiError("insufficient credits")
    code = credit_ledger.new_code(call.world)
    call.sim.write_later(lambda: credit_ledger.redeem(call.world, member, amount, code))
    return {"code": code}


def _sign_up(call: ApiCall) -> dict[str, Any]:
    world = call.world
    fields: validation.Fields = {
        "merchantId": ("string", True),
        "customerId": ("string", True),
        "segmentId": ("string", False),
    }
    body = validation.body(call.body, fields)
    free = world.free_tier()
    tier = world.tiers.get(body["segmentId"]) if "segmentId" in body else free
    if tier is None or tier.kind is not TierKind.FREE:
        raise ApiError("no such free tier")
    if not (body["customerId"].isascii() and body["customerId"].isdigit()):
        raise ApiError("customerId must be a numeric id, not a GID")
    customer = world.customers.get(body["customerId"]) or world.members.get(body["customerId"])
    if customer is not None and not customer.in_programme:
        call.sim.write_later(lambda: memberships.join(world, customer, tier))
    return {}


def _subscribe(call: ApiCall) -> dict[str, Any]:
    body = validation.body(call.body, {"callbackUrl": ("string", True), "name": ("string", False)})
    made = subscriptions.new_subscription(call.sim, None, body["callbackUrl"], body.get("name", ""))
    call.sim.subscriptions[made.id] = made
    return {"subscriber": subscriptions.subscription_record(call.sim, made, token=True)}


def _subscribers(call: ApiCall) -> dict[str, Any]:
    mine = [one for one in call.sim.subscriptions.values() if one.topic is None]
    return {"subscribers": [subscriptions.subscription_record(call.sim, one) for one in mine]}


def _unsubscribe(call: ApiCall) -> dict[str, Any]:
    body = validation.body(call.body, {"id": ("string", True)})
    found = call.sim.subscriptions.get(body["id"])
    if found is None or found.topic is not None:
        raise ApiError("no such subscriber")
    del call.sim.subscriptions[found.id]
    return {"subscriber": {}}


_ENDPOINTS: Final[dict[tuple[str, str], V1Handler]] = {
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
