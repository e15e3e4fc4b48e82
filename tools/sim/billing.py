"""Billing: the fee on its due date, the retries of the tier, and the cancellation after the last failed attempt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sim import cancellations, credit_ledger, member_schedule, memberships, payloads, snapshot
from sim.clock import months_later
from sim.errors import RefusedError
from sim.events import Event
from sim.model import Member, Status, Tier
from sim.schedule import ScheduledAction
from sim.world import World

MAX_RETRIES: Final = 10
ERRORS: Final = (
    "Payment method was revoked",
    "Your card has insufficient funds.",
    "Your card was declined.",
    "Your card has expired.",
)


def bill(world: World, action: ScheduledAction) -> Iterator[Event]:
    """Attempt to charge the fee, unless it was paid, moved or cancelled meanwhile."""
    member = world.members[action.member_id]
    due, attempt = action.data
    valid = member.term == action.term and member.due_at == due and attempt == member.failed_attempts + 1
    if valid and member.status is Status.ACTIVE:
        yield from snapshot.with_update_event(world, member, _attempt(world, member))


def _attempt(world: World, member: Member) -> Iterator[Event]:
    tier = world.tier(member.tier_id)
    if _attempt_fails(world, member):
        yield from _failed(world, member, tier)
    else:
        yield from _paid(world, member, tier)


def _attempt_fails(world: World, member: Member) -> bool:
    if member.forced_failures > 0:
        member.forced_failures -= 1
        return True
    if member.failed_attempts or not _draws_failure(world, world.behaviour.payment_fails):
        return False
    # The number of failing retries is drawn now, so that a new card can end the series.
    while member.forced_failures < MAX_RETRIES and _draws_failure(world, world.behaviour.retry_fails):
        member.forced_failures += 1
    return True


def _draws_failure(world: World, chance: float) -> bool:
    return chance > 0 and world.behaviour_rng.random() < chance


def _paid(world: World, member: Member, tier: Tier) -> Iterator[Event]:
    was_trial, member.trial_ends_at = member.on_trial, None
    at = world.next_timestamp(member)
    due = member.due_at or at
    if was_trial:
        member.billing_day = due.day
        due = member_schedule.billing_time(world, due)
    member.failed_attempts = 0
    memberships.record_payment(world, member, tier, at)
    member.due_at = months_later(due, tier.months, member.billing_day)
    member_schedule.schedule_billing(world, member)
    payload = payloads.payment_succeeded(world, member, at, tier.fee, member.due_at)
    yield world.emit(member, "customer.payment_succeeded", payload, at)
    if was_trial and world.switches("trial_conversion", "payment_and_joined"):
        at = world.next_timestamp(member)
        payload = payloads.joined(world, member, at, tier, "SUBSCRIPTION_PURCHASE")
        yield world.emit(member, "customer.joined.paid_tier", payload, at)
    if was_trial:
        yield from credit_ledger.grant_sign_up(world, member, tier)
    if world.switches("membership_orders", "event"):
        yield memberships.membership_order(world, member, tier)


def _failed(world: World, member: Member, tier: Tier) -> Iterator[Event]:
    due = member.due_at or world.now
    error = ERRORS[int(member.id) % len(ERRORS)]
    member.failed_attempts += 1
    attempted = world.now
    billed, attempted_at = _dates(world, tier, due, attempted)
    at = world.next_timestamp(member)
    payload = payloads.attempt_failed(world, member, at, tier, error, billed=billed, attempted=attempted_at)
    yield world.emit(member, "customer_billing.attempt.failed", payload, at)
    if member.failed_attempts < len(tier.retry_days):
        following = due + timedelta(days=tier.retry_days[member.failed_attempts])
        world.schedule.add(
            following, "billing_attempt", member.id, member.term, (due, member.failed_attempts + 1)
        )
        return
    at = world.next_timestamp(member)
    payload = payloads.payment_failed(world, member, at, tier, error, billed)
    yield world.emit(member, "customer.payment_failed", payload, at)
    yield from cancellations.end_after_failed_payments(world, member)


def _dates(world: World, tier: Tier, due: datetime, attempted: datetime) -> tuple[datetime, datetime]:
    """Return billingDate and attemptedAt as the switch `billing_date` says; in the sample both are a cycle ahead."""
    choice = world.switches["billing_date"]
    if choice == "fixed":
        return due, attempted
    if choice == "moving":
        return attempted, attempted
    ahead = months_later(due, tier.months, due.day)
    return ahead, ahead


def fail_payment(
    world: World, member: Member, attempts: int | None = None, *, now: bool = True
) -> Iterator[Event]:
    """Make the next payment fail that many times (by default all attempts); now, or when it is due.

    Raises:
        RefusedError: the member is not billed.

    """
    tier = world.tiers.get(member.tier_id or "")
    if tier is None or not tier.billed or member.due_at is None or member.status is not Status.ACTIVE:
        raise RefusedError("is not billed")
    member.forced_failures = len(tier.retry_days) if attempts is None else attempts
    if now and member.forced_failures:
        if not member.failed_attempts:
            member.due_at = world.now
        yield from snapshot.with_update_event(world, member, _attempt(world, member))


def renew_card(world: World, member: Member) -> Iterator[Event]:
    """Update the payment method: the next attempt succeeds."""
    member.forced_failures = 0
    at = world.next_timestamp(member)
    payload = payloads.payment_method(world, member, at)
    yield world.emit(member, "customer.payment_methods.updated", payload, at)


def pay_now(world: World, member: Member) -> Iterator[Event]:
    """Charge the next payment now, successfully.

    Raises:
        RefusedError: the member is not billed.

    """
    tier = world.tiers.get(member.tier_id or "")
    if tier is None or not tier.billed or member.due_at is None or member.status is not Status.ACTIVE:
        raise RefusedError("is not billed")
    member.forced_failures = 0
    if not member.failed_attempts:
        member.due_at = world.now
    yield from snapshot.with_update_event(world, member, _paid(world, member, tier))


def fail_all_now(world: World, member: Member) -> Iterator[Event]:
    """Make all attempts of a cycle fail now."""
    yield from fail_payment(world, member)
    while member.failed_attempts and member.status is Status.ACTIVE:
        member.forced_failures = 1
        yield from snapshot.with_update_event(world, member, _attempt(world, member))
