"""Memberships: a customer joins a tier, and a member moves between tiers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sim import credit_ledger, member_schedule, payloads, snapshot
from sim.clock import months_later
from sim.errors import RefusedError
from sim.events import Event
from sim.model import CENT, Member, Status, Tier, TierKind
from sim.schedule import ScheduledAction
from sim.world import World

_ENTRY = {
    TierKind.PAID: ("customer.joined.paid_tier", "SUBSCRIPTION_PURCHASE", "PAID_SUBSCRIPTION"),
    TierKind.LIFETIME: ("customer.joined.lifetime_tier", "ONE_TIME_PURCHASE", "ONE_TIME_PURCHASE"),
    TierKind.FREE: ("customer.joined.free_tier", "FREE_SIGNUP", "FREE_SIGNUP"),
    TierKind.SPEND: ("customer.joined.free_tier", "FREE_SIGNUP", "SPEND"),
}


def join(world: World, member: Member, tier: Tier) -> Iterator[Event]:
    """Make a customer join a tier, for the first time or again.

    Raises:
        RefusedError: the customer is a member already.

    """
    if member.in_programme:
        raise RefusedError("is a member already")
    yield from snapshot.with_update_event(world, member, _join(world, member, tier))


def _join(world: World, member: Member, tier: Tier, previous: Tier | None = None) -> Iterator[Event]:
    v1 = "customer.created" if member.status is None else "customer.resubscribed"
    at = start_membership(world, member, tier)
    topic, entry_type, member.trigger = _ENTRY[tier.kind]
    if tier.billed and tier.trial_days:
        ends = at - payloads.TRIAL_SHIFT + timedelta(days=tier.trial_days, milliseconds=-2)
        member.trial_ends_at = member.due_at = ends
        member_schedule.schedule_billing(world, member)
        payload = payloads.joined_trial(world, member, at, tier, ends)
        yield world.emit(member, "customer.joined.free_trial", payload, at, v1)
    else:
        payload = payloads.joined(world, member, at, tier, entry_type, previous)
        yield world.emit(member, topic, payload, at, v1)
        if tier.fee:
            yield from take_first_payment(world, member, tier, at)
        yield from credit_ledger.grant_sign_up(world, member, tier)
    member_schedule.schedule_anniversary(world, member, at)
    member_schedule.schedule_action(world, member)


def start_membership(world: World, member: Member, tier: Tier) -> datetime:
    """Start a membership in that tier and return its time; actions scheduled for an earlier membership become void."""
    at = world.next_timestamp(member)
    world.add_member(member)
    world.assign_tier(member, tier.id)
    member.term += 1
    member.status = Status.ACTIVE
    member.joined_at = member.updated_at = at
    member.cancel = member.due_at = member.trial_ends_at = None
    member.anonymized = False  # whoever joins again has told a name and an address
    member.failed_attempts = member.forced_failures = 0
    if tier.billed:
        member.contract_id = member.contract_id or world.new_shopify_id()
        member.billing_day = at.day
    return at


def take_first_payment(world: World, member: Member, tier: Tier, at: datetime) -> Iterator[Event]:
    """Charge the first fee; a lifetime fee is charged once."""
    record_payment(world, member, tier, at)
    if tier.billed:
        member.due_at = months_later(member_schedule.billing_time(world, at), tier.months, member.billing_day)
        member_schedule.schedule_billing(world, member)
        if world.switches("first_payment", "event"):
            when = world.next_timestamp(member)
            payload = payloads.payment_succeeded(world, member, when, tier.fee, member.due_at)
            yield world.emit(member, "customer.payment_succeeded", payload, when)
    if world.switches("membership_orders", "event"):
        yield membership_order(world, member, tier)


def record_payment(world: World, member: Member, tier: Tier, at: datetime) -> None:
    """Record a paid fee."""
    member.revenue += tier.fee
    member.total_spend += tier.fee
    member.last_purchase_at = at
    member.payment_id = world.new_shopify_id()


def membership_order(world: World, member: Member, tier: Tier) -> Event:
    """Return the event of the shop order that contains the membership."""
    at = world.next_timestamp(member)
    line = {
        "id": world.new_shopify_id(),
        "name": f"{tier.name} membership",
        "price": f"{tier.fee.quantize(CENT)}",
        "quantity": 1,
        "variant_id": tier.variant_id,
        "product_id": tier.product_id,
    }
    return world.emit(member, "customer.ordered", payloads.ordered(world, member, at, [line]), at)


def move(
    world: World, member: Member, tier: Tier, due: datetime | None = None, *, keep: bool = False
) -> Iterator[Event]:
    """Move a member to another tier, up or down.

    Raises:
        RefusedError: the customer is no member, is in that tier already, or has no contract for a paid tier.

    """
    if not member.in_programme:
        raise RefusedError("is no member")
    if member.tier_id == tier.id:
        raise RefusedError("is in that tier already")
    if tier.billed and member.contract_id is None and world.switches("free_to_paid", "refused"):
        raise RefusedError("has no subscription contract: a move from FREE to PAID is refused")
    member.keep_in_tier = keep
    yield from snapshot.with_update_event(world, member, _move(world, member, tier, due))


def _move(world: World, member: Member, tier: Tier, due: datetime | None) -> Iterator[Event]:
    previous = world.tier(member.tier_id)
    at = world.next_timestamp(member)
    world.assign_tier(member, tier.id)
    member.failed_attempts = member.forced_failures = 0
    member.updated_at = at
    if tier.billed:
        member.contract_id = member.contract_id or world.new_shopify_id()
        member.due_at = (
            due or member.due_at or months_later(member_schedule.billing_time(world, at), tier.months, at.day)
        )
        if member.trial_ends_at is None or not previous.billed:
            member.billing_day = member.due_at.day
        member.trigger = "PAID_SUBSCRIPTION"
        member_schedule.schedule_billing(world, member)
    else:
        member.due_at = member.trial_ends_at = None
    free = tier.kind is TierKind.FREE
    choice = world.switches["tier_move"] if free else "changed"
    if choice in {"changed", "both"}:
        payload = payloads.changed_tier(world, member, at, tier, previous)
        yield world.emit(member, "customer.changed_tier", payload, at)
    if choice in {"joined", "both"}:
        at = at if choice == "joined" else world.next_timestamp(member)
        payload = payloads.joined(world, member, at, tier, "FREE_SIGNUP", previous)
        yield world.emit(member, "customer.joined.free_tier", payload, at)


def join_free_tier(world: World, member: Member, tier: Tier, previous: Tier | None) -> Iterator[Event]:
    """Make a cancelled member join the free tier."""
    yield from _join(world, member, tier, previous)


def review_spend_tiers(world: World, action: ScheduledAction) -> Iterator[Event]:
    """Move members with too little spend out of the spend-based tiers, on the first of each month, unless kept there."""
    at = action.at
    world.schedule.add(months_later(at, 1, 1), "spend_review")
    base = world.free_tier()
    if base is None:
        return
    for tier in [tier for tier in world.tiers.values() if tier.kind is TierKind.SPEND]:
        for member_id in list(world.by_tier[tier.id]):
            member = world.members[member_id]
            if member.total_spend < tier.threshold and not member.keep_in_tier and member.in_programme:
                yield from move(world, member, base)


def promote_by_spend(world: World, member: Member) -> Iterator[Event]:
    """Move a member to the highest spend-based tier that the spend reaches."""
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
