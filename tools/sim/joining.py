"""Joining a tier and moving between tiers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sim import crediting, payloads, plans, record
from sim.agenda import Happening
from sim.clock import months_later
from sim.errors import RefusedError
from sim.events import Event
from sim.model import CENT, Member, Status, Tier, TierKind
from sim.world import World

_ENTRY = {
    TierKind.PAID: ("customer.joined.paid_tier", "SUBSCRIPTION_PURCHASE", "PAID_SUBSCRIPTION"),
    TierKind.LIFETIME: ("customer.joined.lifetime_tier", "ONE_TIME_PURCHASE", "ONE_TIME_PURCHASE"),
    TierKind.FREE: ("customer.joined.free_tier", "FREE_SIGNUP", "FREE_SIGNUP"),
    TierKind.SPEND: ("customer.joined.free_tier", "FREE_SIGNUP", "SPEND"),
}


def join(world: World, member: Member, tier: Tier) -> Iterator[Event]:
    """Let a customer join, for the first time or again."""
    if member.in_programme:
        raise RefusedError("is a member already")
    yield from record.changing(world, member, _join(world, member, tier))


def _join(world: World, member: Member, tier: Tier, previous: Tier | None = None) -> Iterator[Event]:
    v1 = "customer.created" if member.status is None else "customer.resubscribed"
    at = enter(world, member, tier)
    topic, entry_type, member.trigger = _ENTRY[tier.kind]
    if tier.billed and tier.trial_days:
        ends = at - payloads.TRIAL_SHIFT + timedelta(days=tier.trial_days, milliseconds=-2)
        member.trial_ends_at = member.due_at = ends
        plans.billing(world, member)
        payload = payloads.joined_trial(world, member, at, tier, ends)
        yield world.tell(member, "customer.joined.free_trial", payload, at, v1)
    else:
        payload = payloads.joined(world, member, at, tier, entry_type, previous)
        yield world.tell(member, topic, payload, at, v1)
        if tier.fee:
            yield from first_payment(world, member, tier, at)
        yield from crediting.sign_up(world, member, tier)
    plans.anniversary(world, member, at)
    plans.life(world, member)


def enter(world: World, member: Member, tier: Tier) -> datetime:
    """Make the customer a member of that tier, from now on; everything planned for an earlier membership is void."""
    at = world.stamp(member)
    world.enrol(member)
    world.place(member, tier.id)
    member.term += 1
    member.status = Status.ACTIVE
    member.joined_at = member.updated_at = at
    member.cancel = member.due_at = member.trial_ends_at = None
    member.failed_attempts = member.forced_failures = 0
    if tier.billed:
        member.contract_id = member.contract_id or world.big_number()
        member.billing_day = at.day
    return at


def first_payment(world: World, member: Member, tier: Tier, at: datetime) -> Iterator[Event]:
    """Take the fee at the door; a lifetime fee is paid once."""
    pay(world, member, tier, at)
    if tier.billed:
        member.due_at = months_later(plans.billing_time(world, at), tier.months, member.billing_day)
        plans.billing(world, member)
        if world.switches("first_payment", "told"):
            when = world.stamp(member)
            payload = payloads.payment_succeeded(world, member, when, tier.fee, member.due_at)
            yield world.tell(member, "customer.payment_succeeded", payload, when)
    if world.switches("membership_orders", "told"):
        yield membership_order(world, member, tier)


def pay(world: World, member: Member, tier: Tier, at: datetime) -> None:
    """Book a fee."""
    member.revenue += tier.fee
    member.total_spend += tier.fee
    member.last_purchase_at = at
    member.payment_id = world.big_number()


def membership_order(world: World, member: Member, tier: Tier) -> Event:
    """Tell of the order that a membership is in the shop."""
    at = world.stamp(member)
    line = {
        "id": world.big_number(),
        "name": f"{tier.name} membership",
        "price": f"{tier.fee.quantize(CENT)}",
        "quantity": 1,
        "variant_id": tier.variant_id,
        "product_id": tier.product_id,
    }
    return world.tell(member, "customer.ordered", payloads.ordered(world, member, at, [line]), at)


def move(
    world: World, member: Member, tier: Tier, due: datetime | None = None, *, keep: bool = False
) -> Iterator[Event]:
    """Move a member to another tier, up or down.

    Raises:
        RefusedError: when the member is there already, is none, or has no contract to pay with.

    """
    if not member.in_programme:
        raise RefusedError("is no member")
    if member.tier_id == tier.id:
        raise RefusedError("is in that tier already")
    if tier.billed and member.contract_id is None and world.switches("free_to_paid", "refused"):
        raise RefusedError("has no subscription contract: a move from FREE to PAID is refused")
    member.keep_in_tier = keep
    yield from record.changing(world, member, _move(world, member, tier, due))


def _move(world: World, member: Member, tier: Tier, due: datetime | None) -> Iterator[Event]:
    previous = world.tier(member.tier_id)
    at = world.stamp(member)
    world.place(member, tier.id)
    member.failed_attempts = member.forced_failures = 0
    member.updated_at = at
    if tier.billed:
        member.contract_id = member.contract_id or world.big_number()
        member.due_at = (
            due or member.due_at or months_later(plans.billing_time(world, at), tier.months, at.day)
        )
        if member.trial_ends_at is None or not previous.billed:
            member.billing_day = member.due_at.day
        member.trigger = "PAID_SUBSCRIPTION"
        plans.billing(world, member)
    else:
        member.due_at = member.trial_ends_at = None
    free = tier.kind is TierKind.FREE
    reading = world.switches["tier_move"] if free else "changed"
    if reading in {"changed", "both"}:
        payload = payloads.changed_tier(world, member, at, tier, previous)
        yield world.tell(member, "customer.changed_tier", payload, at)
    if reading in {"joined", "both"}:
        at = at if reading == "joined" else world.stamp(member)
        payload = payloads.joined(world, member, at, tier, "FREE_SIGNUP", previous)
        yield world.tell(member, "customer.joined.free_tier", payload, at)


def fall_back(world: World, member: Member, tier: Tier, previous: Tier | None) -> Iterator[Event]:
    """Let a cancelled member into the free tier."""
    yield from _join(world, member, tier, previous)


def review(world: World, happening: Happening) -> Iterator[Event]:
    """On the first of the month: who spends too little for a spend-based tier leaves it, unless kept there."""
    at = happening.at
    world.agenda.plan(months_later(at, 1, 1), "review")
    base = world.free_tier()
    if base is None:
        return
    for tier in [tier for tier in world.tiers.values() if tier.kind is TierKind.SPEND]:
        for member_id in list(world.by_tier[tier.id]):
            member = world.members[member_id]
            if member.total_spend < tier.threshold and not member.keep_in_tier and member.in_programme:
                yield from move(world, member, base)


def climb(world: World, member: Member) -> Iterator[Event]:
    """Move a member up whose spending is enough for a spend-based tier."""
    here = world.tier(member.tier_id)
    if here.kind not in {TierKind.FREE, TierKind.SPEND} or not member.in_programme:
        return
    reached = [
        tier
        for tier in world.tiers.values()
        if tier.kind is TierKind.SPEND and tier.rank > here.rank and member.total_spend >= tier.threshold
    ]
    if reached:
        yield from move(world, member, max(reached, key=lambda tier: tier.rank))
