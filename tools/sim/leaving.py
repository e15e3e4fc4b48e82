"""Leaving: the request, its confirmation, the wait for the cycle's end, and the end itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sim import joining, payloads, plans, record
from sim.agenda import Happening
from sim.clock import whole_hour
from sim.errors import RefusedError
from sim.events import Event, hex_id
from sim.model import CancelRequest, Member, Status
from sim.world import World


def request(
    world: World,
    member: Member,
    source: str = "CUSTOMER",
    *,
    confirmed: bool = False,
    policy: str | None = None,
) -> Iterator[Event]:
    """Ask to cancel. A customer has to confirm by e-mail where the shop wants that; a merchant does not.

    Raises:
        RefusedError: when there is nothing to cancel.

    """
    if member.status is not Status.ACTIVE:
        raise RefusedError("has nothing to cancel")
    if member.cancel is None:
        at = world.stamp(member)
        token = hex_id(world.ids.getrandbits(128), dashed=True)
        member.cancel = CancelRequest(at, token, source)
        v1 = "customer.merchant_cancel" if source == "MERCHANT" else "customer.cancellation_requested"
        yield world.tell(member, None, payloads.cancel_request(world, member, member.cancel), at, v1)
    if confirmed or source == "MERCHANT" or world.switches("cancel_confirmation", "off"):
        yield from confirm(world, member, policy)


def confirm(world: World, member: Member, policy: str | None = None) -> Iterator[Event]:
    """Follow the link in the e-mail: the membership ends now, or with its cycle.

    Raises:
        RefusedError: when nobody has asked.

    """
    asked = member.cancel
    if asked is None or member.status is not Status.ACTIVE:
        raise RefusedError("has no request to confirm")
    at = world.stamp(member)
    asked.updated_at = at
    asked.status = "CONFIRMED"
    if asked.source == "CUSTOMER":
        told = payloads.cancel_request(world, member, asked)
        yield world.tell(member, None, told, at, "customer.confirmed_cancellation")
    policy = policy or world.switches["cancellation_policy"]
    if policy == "immediate" or member.due_at is None:
        yield from record.changing(world, member, _end(world, member, asked.source))
        return
    asked.cancel_at = max(whole_hour(member.due_at), world.now)
    world.agenda.plan(asked.cancel_at, "end", member.id, member.term)
    yield from record.changing(world, member, _pending(world, member, told=True))


def lost(world: World, member: Member) -> Iterator[Event]:
    """End a membership whose last attempt failed: at once, or after a spell of PENDING_CANCELLATION."""
    at = world.now
    token = hex_id(world.ids.getrandbits(128), dashed=True)
    member.cancel = CancelRequest(at, token, "FAILURE", "CONFIRMED", at)
    if world.switches("cancellation_policy", "immediate"):
        yield from _end(world, member, "FAILURE")
        return
    later = timedelta(hours=2) if world.switches("failure_cancel_day", "same") else timedelta(days=1)
    member.cancel.cancel_at = whole_hour(at + later)
    world.agenda.plan(member.cancel.cancel_at, "end", member.id, member.term)
    yield from _pending(world, member, told=world.switches("pending_after_failure", "event"))


def _pending(world: World, member: Member, *, told: bool) -> Iterator[Event]:
    member.status = Status.PENDING
    if member.cancel is not None and told:
        at = world.stamp(member)
        member.cancel.status = "PENDING_CANCELLATION"
        payload = payloads.pending_cancellation(world, member, at, member.cancel)
        yield world.tell(member, "customer.pending_cancellation", payload, at)


def end(world: World, happening: Happening) -> Iterator[Event]:
    """End a membership at the end of its cycle, unless it was taken up again."""
    member = world.members[happening.member_id]
    if member.term == happening.term and member.status is Status.PENDING and member.cancel is not None:
        yield from record.changing(world, member, _end(world, member, member.cancel.source))


def _end(world: World, member: Member, source: str) -> Iterator[Event]:
    tier = world.tiers.get(member.tier_id or "")
    at = world.stamp(member)
    member.status = Status.CANCELLED
    member.term += 1
    member.updated_at = at
    member.due_at = member.trial_ends_at = None
    member.failed_attempts = member.forced_failures = 0
    if member.tier_id:
        world.by_tier[member.tier_id].pop(member.id, None)
    yield world.tell(member, "customer.cancelled", payloads.cancelled(world, member, at, tier, source), at)
    free = world.free_tier()
    if free and tier is not free and world.switches("after_cancellation", "free_tier"):
        yield from joining.fall_back(world, member, free, tier)


def reactivate(world: World, member: Member) -> Iterator[Event]:
    """Take a membership up again from the dashboard, exactly as it was: no topic tells of that, but the record is written.

    Raises:
        RefusedError: when it has not ended and is not about to.

    """
    if member.status not in {Status.PENDING, Status.CANCELLED}:
        raise RefusedError("is not cancelled")
    yield from record.changing(world, member, _reactivate(world, member), always=True)


def _reactivate(world: World, member: Member) -> Iterator[Event]:
    member.updated_at = world.stamp(member)
    tier = world.tier(member.tier_id)
    member.term += 1
    member.status, member.cancel = Status.ACTIVE, None
    world.by_tier[tier.id][member.id] = None
    if tier.billed and member.due_at is None:
        member.due_at = world.now + timedelta(days=30)
        member.billing_day = member.due_at.day
    plans.billing(world, member)
    plans.life(world, member)
    yield from ()
