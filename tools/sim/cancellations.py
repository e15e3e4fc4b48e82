"""Cancellations: the request, its confirmation, the pending state until the end of the cycle, and the end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sim import member_schedule, memberships, payloads, snapshot
from sim.clock import whole_hour
from sim.errors import RefusedError
from sim.events import Event, hex_id
from sim.model import CancelRequest, Member, Status
from sim.schedule import ScheduledAction
from sim.world import World


def request(
    world: World,
    member: Member,
    source: str = "CUSTOMER",
    *,
    confirmed: bool = False,
    policy: str | None = None,
) -> Iterator[Event]:
    """Request a cancellation. A customer confirms by e-mail if the shop requires it; a merchant does not.

    Raises:
        RefusedError: the membership is not active.

    """
    if member.status is not Status.ACTIVE:
        raise RefusedError("has nothing to cancel")
    if member.cancel is None:
        at = world.next_timestamp(member)
        token = hex_id(world.id_rng.getrandbits(128), dashed=True)
        member.cancel = CancelRequest(at, token, source)
        v1 = "customer.merchant_cancel" if source == "MERCHANT" else "customer.cancellation_requested"
        yield world.emit(member, None, payloads.cancel_request(world, member, member.cancel), at, v1)
    if confirmed or source == "MERCHANT" or world.switches("cancel_confirmation", "off"):
        yield from confirm(world, member, policy)


def confirm(world: World, member: Member, policy: str | None = None) -> Iterator[Event]:
    """Confirm the request: the membership ends now or at the end of its cycle.

    Raises:
        RefusedError: there is no request.

    """
    cancel_request = member.cancel
    if cancel_request is None or member.status is not Status.ACTIVE:
        raise RefusedError("has no request to confirm")
    at = world.next_timestamp(member)
    cancel_request.updated_at = at
    cancel_request.status = "CONFIRMED"
    if cancel_request.source == "CUSTOMER":
        payload = payloads.cancel_request(world, member, cancel_request)
        yield world.emit(member, None, payload, at, "customer.confirmed_cancellation")
    policy = policy or world.switches["cancellation_policy"]
    if policy == "immediate" or member.due_at is None:
        yield from snapshot.with_update_event(world, member, _end(world, member, cancel_request.source))
        return
    cancel_request.cancel_at = max(whole_hour(member.due_at), world.now)
    world.schedule.add(cancel_request.cancel_at, "end_of_cycle", member.id, member.term)
    yield from snapshot.with_update_event(world, member, _pending(world, member, with_event=True))


def end_after_failed_payments(world: World, member: Member) -> Iterator[Event]:
    """End a membership after its last failed attempt: at once, or after a time in PENDING_CANCELLATION."""
    at = world.now
    token = hex_id(world.id_rng.getrandbits(128), dashed=True)
    member.cancel = CancelRequest(at, token, "FAILURE", "CONFIRMED", at)
    if world.switches("cancellation_policy", "immediate"):
        yield from _end(world, member, "FAILURE")
        return
    later = timedelta(hours=2) if world.switches("failure_cancel_day", "same") else timedelta(days=1)
    member.cancel.cancel_at = whole_hour(at + later)
    world.schedule.add(member.cancel.cancel_at, "end_of_cycle", member.id, member.term)
    yield from _pending(world, member, with_event=world.switches("pending_after_failure", "event"))


def _pending(world: World, member: Member, *, with_event: bool) -> Iterator[Event]:
    member.status = Status.PENDING
    if member.cancel is not None and with_event:
        at = world.next_timestamp(member)
        member.cancel.status = "PENDING_CANCELLATION"
        payload = payloads.pending_cancellation(world, member, at, member.cancel)
        yield world.emit(member, "customer.pending_cancellation", payload, at)


def end_of_cycle(world: World, action: ScheduledAction) -> Iterator[Event]:
    """End a membership at the end of its cycle, unless it was reactivated."""
    member = world.members[action.member_id]
    if member.term == action.term and member.status is Status.PENDING and member.cancel is not None:
        yield from snapshot.with_update_event(world, member, _end(world, member, member.cancel.source))


def _end(world: World, member: Member, source: str) -> Iterator[Event]:
    tier = world.tiers.get(member.tier_id or "")
    at = world.next_timestamp(member)
    member.status = Status.CANCELLED
    member.term += 1
    member.updated_at = at
    member.due_at = member.trial_ends_at = None
    member.failed_attempts = member.forced_failures = 0
    if member.tier_id:
        world.by_tier[member.tier_id].pop(member.id, None)
    yield world.emit(member, "customer.cancelled", payloads.cancelled(world, member, at, tier, source), at)
    free = world.free_tier()
    if free and tier is not free and world.switches("after_cancellation", "free_tier"):
        yield from memberships.join_free_tier(world, member, free, tier)


def reactivate(world: World, member: Member) -> Iterator[Event]:
    """Reactivate a membership unchanged, as the dashboard does: it has no topic of its own, only customer.updated.

    Raises:
        RefusedError: the membership is neither ended nor about to end.

    """
    if member.status not in {Status.PENDING, Status.CANCELLED}:
        raise RefusedError("is not cancelled")
    yield from snapshot.with_update_event(world, member, _reactivate(world, member), always=True)


def _reactivate(world: World, member: Member) -> Iterator[Event]:
    member.updated_at = world.next_timestamp(member)
    tier = world.tier(member.tier_id)
    member.term += 1
    member.status, member.cancel = Status.ACTIVE, None
    world.by_tier[tier.id][member.id] = None
    if tier.billed and member.due_at is None:
        member.due_at = world.now + timedelta(days=30)
        member.billing_day = member.due_at.day
    member_schedule.schedule_billing(world, member)
    member_schedule.schedule_action(world, member)
    yield from ()
