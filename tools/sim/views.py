"""What the simulator shows of itself, as JSON: never the API key, a callback URL, or a token."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from heapq import nlargest, nsmallest
from itertools import islice
from typing import Any, Final

from sim.api.members import entry_row, row
from sim.clock import iso
from sim.delivery import Delivery
from sim.errors import NotThereError
from sim.events import Event
from sim.model import Member, number
from sim.simulator import Simulator
from sim.world import World

Shown = dict[str, Any]


def summary(sim: Simulator) -> Shown:
    """Tell the time and the counts: small enough to be sent again and again."""
    world, deliveries = sim.world, sim.deliveries
    return {
        "now": iso(world.now),
        "latest": iso(world.clock.latest),
        "members": len(world.members),
        "total_events": world.ordinal,
        "planned": len(world.agenda),
        "open": deliveries.open,
        "counts": dict(deliveries.counts),
    }


def state(sim: Simulator) -> Shown:
    """Tell all of it but the members and the deliveries."""
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
        "switches": {name: shown["value"] for name, shown in world.switches.described().items()},
        "faults": {name: rate for name, rate in world.faults.rates.items() if rate},
        "habits": world.habits.described(),
    }


def tiers(sim: Simulator) -> list[Shown]:
    """Tell the tiers with what a shop page needs: product, variant, selling plan."""
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


def _brief(sim: Simulator, member: Member) -> Shown:
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


def members(sim: Simulator, query: Mapping[str, str]) -> Shown:
    """List members in the order in which they came, the latest first, or by ?sort=name&order=up."""
    world = sim.world
    size = min(int(query.get("limit", 50)), 1000)
    words = query.get("search", "").strip().lower()
    if query.get("customers"):
        everybody: Any = world.customers.values()
    else:
        last = world.position[query["after"]] if query.get("after") in world.position else len(world.order)
        everybody = (world.members[world.order[place]] for place in range(last - 1, -1, -1))
    found = (
        member
        for member in everybody
        if (
            not words or words in f"{member.email} {member.first_name} {member.last_name} {member.id}".lower()
        )
        and (not query.get("status") or (member.status and member.status.value == query["status"]))
        and (not query.get("tier_id") or member.tier_id == query["tier_id"])
    )
    key = _SORTS[query["sort"]] if query.get("sort") else None
    pick = nsmallest if query.get("order") == "up" else nlargest
    picked = pick(size, found, key=lambda one: key(world, one)) if key else islice(found, size)
    return {"members": [_brief(sim, member) for member in picked], "total": len(world.members)}


_SORTS: Final[dict[str, Callable[[World, Member], Any]]] = {
    "name": lambda _, member: (member.first_name.casefold(), member.last_name.casefold()),
    "tier": lambda world, member: world.tiers[member.tier_id].rank if member.tier_id else -1,
    "status": lambda _, member: member.status.value if member.status else "",
    "balance": lambda _, member: member.balance,
    "due": lambda _, member: iso(member.due_at) if member.due_at else "",
}


def member(sim: Simulator, member_id: str) -> Shown:
    """Tell all about one: the record, the metafields, the ledger, what is true of it."""
    world = sim.world
    found = world.members.get(member_id) or world.customers.get(member_id)
    if found is None:
        raise NotThereError(f"no such member: {member_id}")
    held = found.redemption
    return _brief(sim, found) | {
        "record": row(world, found),
        "metafields": metafields(sim, found),
        "tags": tags(sim, found),
        "ledger": [entry_row(world, entry) for entry in found.ledger[-50:]],
        "redemption": {"code": held.code, "value": number(held.value)} if held else None,
        "truth": world.truth.of(found, world.tiers),
    }


def metafields(sim: Simulator, found: Member) -> Shown:
    """Write the seven customer metafields of the namespace `inveterate`."""
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
    """Write the customer's tags."""
    tier = sim.world.tiers.get(found.tier_id or "")
    if not found.in_programme or tier is None:
        return ["inveterate-cancelled"] if found.status else []
    made = ["inveterate-subscriber", f"inveterate tier:{tier.name}", f"inveterate-tier#{tier.id}"]
    if found.status and found.status.value == "PENDING_CANCELLATION":
        made.append("inveterate-cancellation-pending")
    return [*made, "inveterate-billing-failure"] if found.failed_attempts else made


def deliveries(sim: Simulator, query: Mapping[str, str]) -> Shown:
    """List deliveries, the newest first."""
    size = min(int(query.get("limit", 50)), 1000)
    before = int(query.get("before", 2**62))
    wanted = {name: query[name] for name in ("state", "topic", "customer_id") if query.get(name)}

    def fits(one: Delivery) -> bool:
        said = {"state": one.state, "topic": one.topic, "customer_id": one.event.member_id}
        return one.id < before and all(said[name] == value for name, value in wanted.items())

    found = islice(filter(fits, reversed(sim.deliveries.records.values())), size)
    return {
        "deliveries": [one.shown() for one in found],
        "counts": dict(sim.deliveries.counts),
        "open": sim.deliveries.open,
    }


def delivery(sim: Simulator, identity: int) -> Shown:
    """Tell all about one, what was sent included, without the token that confirms a cancellation."""
    found = sim.deliveries.records.get(identity)
    if found is None:
        raise NotThereError(f"no such delivery, or forgotten: {identity}")
    return found.shown() | {"payload": _without_secrets(found.event.payload)}


async def requests(sim: Simulator) -> AsyncIterator[str]:
    """Write every request to a callback URL, one a line; `forgotten` counts deliveries kept no longer."""
    yield f'{{"forgotten": {sim.deliveries.forgotten}, "requests": [\n'
    comma = ""
    for delivery in list(sim.deliveries.records.values()):
        for made in delivery.requests():
            yield comma + json.dumps(made)
            comma = ",\n"
    yield "\n]}\n"


def event(told: Event) -> Shown:
    """Tell of an event: its v2.0 name, or null and its v1 name."""
    return {
        "event": told.ordinal,
        "topic": told.topic,
        "v1": told.v1,
        "customer_id": told.member_id,
        "at": iso(told.at),
    }


def _without_secrets(part: Any) -> Any:
    if isinstance(part, dict):
        return {
            name: "…" if name == "cancelToken" else _without_secrets(value) for name, value in part.items()
        }
    return [_without_secrets(item) for item in part] if isinstance(part, list) else part


async def truth(sim: Simulator) -> AsyncIterator[str]:
    """Write the truth member by member: what anybody can know, what nobody heard, and the platform's own state."""
    world = sim.world
    yield f'{{"shop": {json.dumps(world.shop.domain)}, "now": "{iso(world.now)}", "members": [\n'
    first = True
    for member_id in list(world.truth.known()):
        found = world.members.get(member_id)
        if found is None:
            continue
        line = {
            "key": f"{world.shop.domain}:{member_id}",
            "customer_id": member_id,
            **world.truth.of(found, world.tiers),
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
