"""The commands of the simulator: what a user starts from the console, the shop, the command line or a scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from sim import (
    behaviour_engine,
    billing,
    cancellations,
    credit_ledger,
    memberships,
    orders,
    population,
    snapshot,
)
from sim.errors import NotFoundError, RefusedError
from sim.events import TOPICS, Event
from sim.faults import SETS
from sim.model import Member, Status, TierKind, money
from sim.webhooks import canonical_topic
from sim.world import World

Body = dict[str, Any]
Command = Callable[[World, Body], Iterator[Event]]


def _member(world: World, body: Body) -> Member:
    return world.member(str(body["customer_id"]))


def _amount(body: Body) -> Any:
    amount = money(body["amount"])
    if not amount or abs(amount) > 10**9:
        raise RefusedError("the amount is not 0 and at most 1000000000")
    return amount


def join(world: World, body: Body) -> Iterator[Event]:
    """Join a tier: {"tier_id", "customer_id"?, "email"?, "first_name"?, "last_name"?, "phone"?}."""
    tier = world.tier(str(body["tier_id"]))
    if tier.kind is TierKind.SPEND:
        raise RefusedError("a member reaches a spend-based tier by spending")
    member = _customer(world, body)
    for name in ("email", "first_name", "last_name", "phone"):
        if body.get(name):
            setattr(member, name, str(body[name])[:320])
    yield from memberships.join(world, member, tier)


def _customer(world: World, body: Body) -> Member:
    if not body.get("customer_id"):
        email = str(body.get("email") or "").strip().lower()
        known = (one for one in world.members.values() if email and one.email.strip().lower() == email)
        return next(known, None) or population.create_customer(world, len(world.members))
    customer_id = str(body["customer_id"])
    found = world.members.get(customer_id) or world.customers.get(customer_id)
    if found is None:
        raise NotFoundError(f"no such customer: {customer_id}")
    return found


def customer(world: World, body: Body) -> Iterator[Event]:
    """Register a customer of the shop without a membership; there is no event. See /_sim/members?customers=1."""
    made = population.create_customer(world, len(world.customers))
    for name in ("email", "first_name", "last_name", "phone"):
        if body.get(name):
            setattr(made, name, str(body[name])[:320])
    yield from ()


def order(world: World, body: Body) -> Iterator[Event]:
    """Order: {"customer_id", "total"?}."""
    total = _amount({"amount": body["total"]}) if body.get("total") else None
    yield from orders.order(world, _member(world, body), total, use_code=bool(body.get("use_code")))


def fail_payment(world: World, body: Body) -> Iterator[Event]:
    """Make payments fail: {"customer_id", "attempts"? (all), "now"? (true)}; then advance one day for each retry."""
    attempts = None if body.get("attempts") is None else int(body["attempts"])
    yield from billing.fail_payment(world, _member(world, body), attempts, now=bool(body.get("now", True)))


def renew_card(world: World, body: Body) -> Iterator[Event]:
    """Update the payment method: {"customer_id"}."""
    yield from billing.renew_card(world, _member(world, body))


def cancel(world: World, body: Body) -> Iterator[Event]:
    """Cancel: {"customer_id", "source"? (CUSTOMER|MERCHANT), "confirmed"? (true), "policy"? (immediate|end_of_cycle)}."""
    source, policy = str(body.get("source", "CUSTOMER")), body.get("policy")
    if source not in {"CUSTOMER", "MERCHANT"} or policy not in {None, "immediate", "end_of_cycle"}:
        raise RefusedError("source is CUSTOMER or MERCHANT, policy immediate or end_of_cycle")
    confirmed = bool(body.get("confirmed", True))
    yield from cancellations.request(world, _member(world, body), source, confirmed=confirmed, policy=policy)


def confirm(world: World, body: Body) -> Iterator[Event]:
    """Confirm a cancellation, as the link in the e-mail does: {"customer_id"}."""
    yield from cancellations.confirm(world, _member(world, body))


def reactivate(world: World, body: Body) -> Iterator[Event]:
    """Reactivate a membership: {"customer_id"}."""
    yield from cancellations.reactivate(world, _member(world, body))


def grant(world: World, body: Body) -> Iterator[Event]:
    """Add or remove credits by hand: {"customer_id", "amount", "note"?}; the balance may become negative."""
    member, amount, note = _member(world, body), _amount(body), body.get("note")
    note = None if note is None else str(note)
    if amount > 0:
        change = credit_ledger.grant(world, member, amount, "MANUAL", note=note, applied_by="admin")
    else:
        change = credit_ledger.take(world, member, -amount, "MANUAL", note)
    yield from snapshot.with_update_event(world, member, change)


def redeem(world: World, body: Body) -> Iterator[Event]:
    """Redeem credits for a discount code: {"customer_id", "amount"? (all)}."""
    amount = _amount(body) if body.get("amount") else None
    yield from credit_ledger.redeem(world, _member(world, body), amount)


def change_tier(world: World, body: Body) -> Iterator[Event]:
    """Move a member to another tier: {"customer_id", "tier_id"}."""
    yield from memberships.move(world, _member(world, body), world.tier(str(body["tier_id"])))


def update(world: World, body: Body) -> Iterator[Event]:
    """Update the profile: {"customer_id", "email"?, "first_name"?, "last_name"?, "phone"?, "notes"?}; an empty update is an event too."""
    member = _member(world, body)
    names = ("email", "first_name", "last_name", "phone", "notes")
    fields = {name: None if body[name] is None else str(body[name])[:1000] for name in names if name in body}
    if any(fields.get(name, "") is None for name in ("email", "first_name", "last_name")):
        raise RefusedError("a member has a name and an e-mail address")
    yield from (
        snapshot.write_profile(world, member, fields) if fields else snapshot.unchanged_update(world, member)
    )


def anonymise(world: World, body: Body) -> Iterator[Event]:
    """Erase a member's personal data, as the dashboard does: {"customer_id"}."""
    yield from snapshot.anonymise(world, _member(world, body))


COMMANDS: Final[dict[str, Command]] = {
    "join": join,
    "customer": customer,
    "order": order,
    "fail_payment": fail_payment,
    "renew_card": renew_card,
    "cancel": cancel,
    "confirm": confirm,
    "reactivate": reactivate,
    "grant": grant,
    "redeem": redeem,
    "change_tier": change_tier,
    "update": update,
    "anonymise": anonymise,
}


def trigger(world: World, topic: str, body: Body) -> Iterator[Event]:
    """Make the event of a topic happen, for the given member or for the first suitable one.

    Raises:
        NotFoundError: the topic does not exist.

    """
    topic = canonical_topic(topic)
    if topic not in TOPICS:
        raise NotFoundError(f"no such topic: {topic}")
    if topic.startswith("customer.joined."):
        yield from join(world, {"tier_id": _tier_for(world, topic)} | body)
        return
    yield from _TRIGGERS[topic](
        world, body | {"customer_id": body.get("customer_id") or _suitable_member(world, topic)}
    )


def _tier_for(world: World, topic: str) -> str:
    kind = {"free_tier": TierKind.FREE, "lifetime_tier": TierKind.LIFETIME}.get(
        topic.rsplit(".", 1)[1], TierKind.PAID
    )
    trial = topic.endswith("free_trial")
    return next(
        tier.id for tier in world.tiers.values() if tier.kind is kind and bool(tier.trial_days) is trial
    )


def _suitable_member(world: World, topic: str) -> str:
    """Return the first member for which the event is possible.

    Raises:
        RefusedError: no member is suitable.

    """
    needs_contract = "payment" in topic or "billing" in topic or "cancel" in topic
    needs_credits = topic == "customer.credits.expired"
    for member in world.members.values():
        tier = world.tiers.get(member.tier_id or "")
        billed = bool(
            tier and tier.billed and member.due_at and not member.on_trial and not member.failed_attempts
        )
        if (
            member.status is Status.ACTIVE
            and (billed or not needs_contract)
            and (any(lot.expires_at for lot in member.lots) or not needs_credits)
        ):
            return member.id
    raise RefusedError("no suitable member: add one with join first")


def _pay(world: World, body: Body) -> Iterator[Event]:
    yield from billing.pay_now(world, _member(world, body))


def _fail_all_attempts(world: World, body: Body) -> Iterator[Event]:
    yield from billing.fail_all_now(world, _member(world, body))


def _end_now(world: World, body: Body) -> Iterator[Event]:
    yield from cancel(world, {"policy": "immediate"} | body)


def _end_later(world: World, body: Body) -> Iterator[Event]:
    yield from cancel(world, {"policy": "end_of_cycle"} | body)


def _expire(world: World, body: Body) -> Iterator[Event]:
    yield from credit_ledger.expire_now(world, _member(world, body))


def _move(world: World, body: Body) -> Iterator[Event]:
    member = _member(world, body)
    others = [
        tier.id
        for tier in world.tiers.values()
        if tier.id != member.tier_id and (not tier.billed or member.contract_id)
    ]
    yield from change_tier(world, {"tier_id": others[-1]} | body)


def _grant(world: World, body: Body) -> Iterator[Event]:
    yield from grant(world, {"amount": 5} | body)


_TRIGGERS: Final[dict[str, Command]] = {
    "customer.changed_tier": _move,
    "customer.updated": update,
    "customer.ordered": order,
    "customer.payment_succeeded": _pay,
    "customer.payment_failed": _fail_all_attempts,
    "customer_billing.attempt.failed": fail_payment,
    "customer.payment_methods.updated": renew_card,
    "customer.credits.updated": _grant,
    "customer.credits.expired": _expire,
    "customer.cancelled": _end_now,
    "customer.pending_cancellation": _end_later,
}


def schedule_joins(world: World, count: int, over_days: float) -> None:
    """Schedule new customers that join during the next `over_days` days."""
    population.schedule_joins(world, count, over_days)


def set_fault_rates(world: World, body: Body) -> None:
    """Set fault rates: by name, or a named set ({"set": "none" | "default" | "all"})."""
    rates = dict(body)
    chosen = rates.pop("set", None)
    if chosen is not None and chosen not in SETS:
        raise RefusedError("set is none, default or all")
    if chosen is not None:
        world.faults.set(dict.fromkeys(world.faults.rates, 0.0) | SETS[chosen])
    world.faults.set(rates)


def set_behaviour(world: World, rates: Body) -> None:
    """Set the rates of the actions that members perform by themselves."""
    behaviour_engine.set_behaviour(world, rates)
