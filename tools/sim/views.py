"""The state of the simulator as JSON, without the API key, callback URLs and tokens."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from heapq import nlargest, nsmallest
from itertools import islice
from typing import Any, Final

from sim.api.members import ledger_row, member_record
from sim.clock import iso
from sim.delivery import Delivery
from sim.errors import NotFoundError
from sim.events import Event
from sim.model import Member, number
from sim.simulator import Simulator
from sim.world import World

Json = dict[str, Any]


def summary(sim: Simulator) -> Json:
    """Return the time and the counts, small enough for the event stream."""
    world, deliveries = sim.world, sim.dispatcher
    return {
        "now": iso(world.now),
        "latest": iso(world.clock.latest),
        "members": len(world.members),
        "total_events": world.ordinal,
        "planned": len(world.schedule),
        "open": deliveries.open,
        "counts": dict(deliveries.counts),
    }


def state(sim: Simulator) -> Json:
    """Return the whole state without members and deliveries."""
    world = sim.world
    statuses = Counter(member.status.value for member in world.members.values() if member.status)
    return summary(sim) | {
        "seed": world.seed,
        "shop": {"domain": world.shop.domain, "name": world.shop.name, "currency": world.shop.currency},
        "statuses": dict(statuses),
        "tiers": tiers(sim),
        "subscriptions": [
            {"id": one.id, "topic": one.topic, "name": one.name, "api": "v2.0" if one.topic else "v1"}
            for one in sim.subscriptions.values()
        ],
        "switches": {name: switch["value"] for name, switch in world.switches.described().items()},
        "faults": {name: rate for name, rate in world.faults.rates.items() if rate},
        "struck": world.faults.counted(),
        "behaviour": world.behaviour.described(),
    }


def tiers(sim: Simulator) -> list[Json]:
    """Return the tiers with product, variant and selling plan."""
    return [
        {
            "id": tier.id, "name": tier.name, "kind": tier.kind.value, "rank": tier.rank, "fee": number(tier.fee),
            "months": tier.months if tier.billed else None, "trial_days": tier.trial_days,
            "retry_days": list(tier.retry_days) if tier.billed else [], "members": len(sim.world.by_tier[tier.id]),
            "product_id": tier.product_id, "variant_id": tier.variant_id, "selling_plan_id": tier.selling_plan_id,
            "benefits": list(tier.benefits.values()),
        }
        for tier in sim.world.tiers.values()
    ]  # fmt: skip


def _member_summary(sim: Simulator, member: Member) -> Json:
    tier = sim.world.tiers.get(member.tier_id or "")
    return {
        "customer_id": member.id,
        "email": member.email,
        "first_name": member.first_name,
        "last_name": member.last_name,
        "status": member.status.value if member.status else None,
        "tier_id": member.tier_id,
        "tier": tier.name if tier else None,
        "balance": number(member.balance),
        "on_trial": member.on_trial,
        "failed_attempts": member.failed_attempts,
        "joined_at": iso(member.joined_at) if member.joined_at else None,
        "due_at": iso(member.due_at) if member.due_at else None,
        "cancel_at": iso(member.cancel.cancel_at) if member.cancel and member.cancel.cancel_at else None,
        "cancel_requested": member.cancel is not None and member.cancel.status == "INITIALIZED",
    }


def members(sim: Simulator, query: Mapping[str, str]) -> Json:
    """List members, the latest first, or sorted (?sort=name&order=up)."""
    world = sim.world
    size = min(int(query.get("limit", 50)), 1000)
    words = query.get("search", "").strip().lower()
    if query.get("customers"):
        candidates: Any = world.customers.values()
    else:
        last = world.position[query["after"]] if query.get("after") in world.position else len(world.order)
        candidates = (world.members[world.order[place]] for place in range(last - 1, -1, -1))
    found = (
        member
        for member in candidates
        if (
            not words or words in f"{member.email} {member.first_name} {member.last_name} {member.id}".lower()
        )
        and (not query.get("status") or (member.status and member.status.value == query["status"]))
        and (not query.get("tier_id") or member.tier_id == query["tier_id"])
    )
    key = _SORTS[query["sort"]] if query.get("sort") else None
    pick = nsmallest if query.get("order") == "up" else nlargest
    picked = pick(size, found, key=lambda one: key(world, one)) if key else islice(found, size)
    return {"members": [_member_summary(sim, member) for member in picked], "total": len(world.members)}


_SORTS: Final[dict[str, Callable[[World, Member], Any]]] = {
    "name": lambda _, member: (member.first_name.casefold(), member.last_name.casefold()),
    "tier": lambda world, member: world.tiers[member.tier_id].rank if member.tier_id else -1,
    "status": lambda _, member: member.status.value if member.status else "",
    "balance": lambda _, member: member.balance,
    "due": lambda _, member: iso(member.due_at) if member.due_at else "",
}


def member(sim: Simulator, member_id: str) -> Json:
    """Return one member: record, metafields, tags, ledger, redemption and expected state."""
    world = sim.world
    found = world.members.get(member_id) or world.customers.get(member_id)
    if found is None:
        raise NotFoundError(f"no such member: {member_id}")
    held = found.redemption
    return _member_summary(sim, found) | {
        "record": member_record(world, found),
        "metafields": metafields(sim, found),
        "tags": tags(sim, found),
        "ledger": [ledger_row(world, entry) for entry in found.ledger[-50:]],
        "redemption": {"code": held.code, "value": number(held.value)} if held else None,
        "expected": world.expected_state.for_member(found, world.tiers, world.now),
    }


def metafields(sim: Simulator, found: Member) -> Json:
    """Return the seven customer metafields of the namespace `inveterate`."""
    tier = sim.world.tiers.get(found.tier_id or "")
    billed = tier is not None and tier.billed and found.due_at is not None
    return {
        "balance": str(found.balance),
        "next_payment": f"{found.due_at:%Y-%m-%d}" if billed and found.due_at else None,
        "referrals": str(found.referrals),
        "segment_id": found.tier_id,
        "payment_amount": str(tier.fee) if tier and billed else None,
        "payment_amount_currency": sim.world.shop.currency if billed else None,
        "credits_earned": str(found.earned),
    }


def tags(sim: Simulator, found: Member) -> list[str]:
    """Return the tags of the customer."""
    tier = sim.world.tiers.get(found.tier_id or "")
    if not found.in_programme or tier is None:
        return ["inveterate-cancelled"] if found.status else []
    made = ["inveterate-subscriber", f"inveterate tier:{tier.name}", f"inveterate-tier#{tier.id}"]
    if found.status and found.status.value == "PENDING_CANCELLATION":
        made.append("inveterate-cancellation-pending")
    return [*made, "inveterate-billing-failure"] if found.failed_attempts else made


def deliveries(sim: Simulator, query: Mapping[str, str]) -> Json:
    """List deliveries, newest first."""
    size = min(int(query.get("limit", 50)), 1000)
    before = int(query.get("before", 2**62))
    wanted = {name: query[name] for name in ("state", "topic", "customer_id") if query.get(name)}

    def matches(one: Delivery) -> bool:
        values = {"state": one.state, "topic": one.topic, "customer_id": one.event.member_id}
        return one.id < before and all(values[name] == value for name, value in wanted.items())

    found = islice(filter(matches, reversed(sim.dispatcher.records.values())), size)
    return {
        "deliveries": [one.as_dict() for one in found],
        "counts": dict(sim.dispatcher.counts),
        "open": sim.dispatcher.open,
    }


def delivery(sim: Simulator, identity: int) -> Json:
    """Return one delivery with its payload, without the token that confirms a cancellation."""
    found = sim.dispatcher.records.get(identity)
    if found is None:
        raise NotFoundError(f"no such delivery, or no longer kept: {identity}")
    return found.as_dict() | {"payload": _without_secrets(found.event.payload)}


async def requests(sim: Simulator) -> AsyncIterator[str]:
    """Stream every request to a callback URL, one a line; `forgotten` counts the deliveries no longer kept."""
    yield f'{{"forgotten": {sim.dispatcher.forgotten}, "requests": [\n'
    comma = ""
    for delivery in list(sim.dispatcher.records.values()):
        for made in delivery.request_log():
            yield comma + json.dumps(made)
            comma = ",\n"
    yield "\n]}\n"


def event(happened: Event) -> Json:
    """Return an event with its v2.0 topic (or null) and its v1 topic."""
    return {
        "event": happened.ordinal,
        "topic": happened.topic,
        "v1": happened.v1,
        "customer_id": happened.member_id,
        "at": iso(happened.at),
    }


def _without_secrets(part: Any) -> Any:
    if isinstance(part, dict):
        return {
            name: "…" if name == "cancelToken" else _without_secrets(value) for name, value in part.items()
        }
    return [_without_secrets(item) for item in part] if isinstance(part, list) else part


async def expected_state(sim: Simulator) -> AsyncIterator[str]:
    """Stream the expected state of each member, with the state on the platform."""
    world = sim.world
    yield f'{{"shop": {json.dumps(world.shop.domain)}, "now": "{iso(world.now)}", "members": [\n'
    first = True
    for member_id in list(world.expected_state.member_ids()):
        found = world.members.get(member_id)
        if found is None:
            continue
        line = {
            "key": f"{world.shop.domain}:{member_id}",
            "customer_id": member_id,
            "erased": found.anonymized,
            **world.expected_state.for_member(found, world.tiers, world.now),
            "platform": {
                "status": found.status.value if found.status else None,
                "tier_id": found.tier_id,
                "balance": str(number(found.balance)),
                "on_trial": found.on_trial,
                "failed_attempts": found.failed_attempts,
            },
        }
        yield ("" if first else ",\n") + json.dumps(line, ensure_ascii=False)
        first = False
    yield "\n]}\n"
