"""Billing: the fee when it is due, the retries of its tier, and what follows when the last one fails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sim import crediting, joining, leaving, payloads, plans, record
from sim.agenda import Happening
from sim.clock import months_later
from sim.errors import RefusedError
from sim.events import Event
from sim.model import Member, Status, Tier
from sim.world import World

MOST_RETRIES: Final = 10
ERRORS: Final = (
    "Payment method was revoked",
    "Your card has insufficient funds.",
    "Your card was declined.",
    "Your card has expired.",
)


def bill(world: World, happening: Happening) -> Iterator[Event]:
    """Try to take the fee, unless it was settled, moved or cancelled meanwhile."""
    member = world.members[happening.member_id]
    due, attempt = happening.data
    valid = member.term == happening.term and member.due_at == due and attempt == member.failed_attempts + 1
    if valid and member.status is Status.ACTIVE:
        yield from record.changing(world, member, _attempt(world, member))


def _attempt(world: World, member: Member) -> Iterator[Event]:
    tier = world.tier(member.tier_id)
    if _fails(world, member):
        yield from _failed(world, member, tier)
    else:
        yield from _paid(world, member, tier)


def _fails(world: World, member: Member) -> bool:
    if member.forced_failures > 0:
        member.forced_failures -= 1
        return True
    if member.failed_attempts or not _draws_failure(world, world.habits.payment_fails):
        return False
    # How many retries will fail too is drawn now, so that a new card can put an end to it.
    while member.forced_failures < MOST_RETRIES and _draws_failure(world, world.habits.retry_fails):
        member.forced_failures += 1
    return True


def _draws_failure(world: World, chance: float) -> bool:
    return chance > 0 and world.life.random() < chance


def _paid(world: World, member: Member, tier: Tier) -> Iterator[Event]:
    was_trial, member.trial_ends_at = member.on_trial, None
    at = world.stamp(member)
    due = member.due_at or at
    if was_trial:
        member.billing_day = due.day
        due = plans.billing_time(world, due)
    member.failed_attempts = 0
    joining.pay(world, member, tier, at)
    member.due_at = months_later(due, tier.months, member.billing_day)
    plans.billing(world, member)
    payload = payloads.payment_succeeded(world, member, at, tier.fee, member.due_at)
    yield world.tell(member, "customer.payment_succeeded", payload, at)
    if was_trial and world.switches("trial_conversion", "payment_and_joined"):
        at = world.stamp(member)
        payload = payloads.joined(world, member, at, tier, "SUBSCRIPTION_PURCHASE")
        yield world.tell(member, "customer.joined.paid_tier", payload, at)
    if was_trial:
        yield from crediting.sign_up(world, member, tier)
    if world.switches("membership_orders", "told"):
        yield joining.membership_order(world, member, tier)


def _failed(world: World, member: Member, tier: Tier) -> Iterator[Event]:
    due = member.due_at or world.now
    error = ERRORS[int(member.id) % len(ERRORS)]
    member.failed_attempts += 1
    attempted = world.now
    billed, said = _dates(world, tier, due, attempted)
    at = world.stamp(member)
    payload = payloads.attempt_failed(world, member, at, tier, error, billed=billed, attempted=said)
    yield world.tell(member, "customer_billing.attempt.failed", payload, at)
    if member.failed_attempts < len(tier.retry_days):
        following = due + timedelta(days=tier.retry_days[member.failed_attempts])
        world.agenda.plan(following, "bill", member.id, member.term, (due, member.failed_attempts + 1))
        return
    at = world.stamp(member)
    payload = payloads.payment_failed(world, member, at, tier, error, billed)
    yield world.tell(member, "customer.payment_failed", payload, at)
    yield from leaving.lost(world, member)


def _dates(world: World, tier: Tier, due: datetime, attempted: datetime) -> tuple[datetime, datetime]:
    """Return billingDate and attemptedAt, in the reading that holds; the sample's are both a cycle ahead."""
    reading = world.switches["billing_date"]
    if reading == "fixed":
        return due, attempted
    if reading == "moving":
        return attempted, attempted
    ahead = months_later(due, tier.months, due.day)
    return ahead, ahead


def fail_payment(
    world: World, member: Member, attempts: int | None = None, *, now: bool = True
) -> Iterator[Event]:
    """Let the next payment fail that many times (all of them by default); at once, or when it is due.

    Raises:
        RefusedError: when nothing is billed.

    """
    tier = world.tiers.get(member.tier_id or "")
    if tier is None or not tier.billed or member.due_at is None or member.status is not Status.ACTIVE:
        raise RefusedError("is not billed")
    member.forced_failures = len(tier.retry_days) if attempts is None else attempts
    if now and member.forced_failures:
        if not member.failed_attempts:
            member.due_at = world.now
        yield from record.changing(world, member, _attempt(world, member))


def renew_card(world: World, member: Member) -> Iterator[Event]:
    """Let the member give a new card: the next attempt succeeds."""
    member.forced_failures = 0
    at = world.stamp(member)
    payload = payloads.payment_method(world, member, at)
    yield world.tell(member, "customer.payment_methods.updated", payload, at)


def pay_now(world: World, member: Member) -> Iterator[Event]:
    """Bring the next payment forward to now, and let it succeed.

    Raises:
        RefusedError: when nothing is billed.

    """
    tier = world.tiers.get(member.tier_id or "")
    if tier is None or not tier.billed or member.due_at is None or member.status is not Status.ACTIVE:
        raise RefusedError("is not billed")
    member.forced_failures = 0
    if not member.failed_attempts:
        member.due_at = world.now
    yield from record.changing(world, member, _paid(world, member, tier))


def lose_now(world: World, member: Member) -> Iterator[Event]:
    """Let all attempts of a cycle fail at once."""
    yield from fail_payment(world, member)
    while member.failed_attempts and member.status is Status.ACTIVE:
        member.forced_failures = 1
        yield from record.changing(world, member, _attempt(world, member))
