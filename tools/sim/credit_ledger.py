"""Credits: granted in lots, spent in the order of expiry, expired to the minute, redeemed for a discount code."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sim import payloads, snapshot
from sim.clock import months_later
from sim.errors import RefusedError
from sim.events import Event
from sim.model import ZERO, CreditLot, LedgerEntry, Member, Redemption, Tier
from sim.schedule import ScheduledAction
from sim.world import World

SIGN_UP: Final = "SIGNUP_STORE_CREDITS"
RECURRING: Final = "SCHEDULED_STORE_CREDITS"
ANNIVERSARY: Final = "ANNIVERSARY_CREDITS"
_NEVER: Final = timedelta.max.total_seconds()


def grant(
    world: World,
    member: Member,
    amount: Decimal,
    reason: str,
    *,
    note: str | None = None,
    order: tuple[int, Decimal] | None = None,
    applied_by: str | None = None,
) -> Iterator[Event]:
    """Grant credits; the tier decides when they expire."""
    at = world.next_timestamp(member)
    tier = world.tiers.get(member.tier_id or "")
    expires = at + timedelta(days=tier.expiry_days) if tier and tier.expiry_days is not None else None
    lot = CreditLot(amount, amount, expires)
    member.lots.append(lot)
    member.earned += amount
    if expires:
        world.schedule.add(expires, "credit_expiry", member.id, 0, lot)
    entry = _add_entry(world, member, at, amount, reason, note=note, expires_at=expires, order=order)
    total = order[1] if order else None
    yield _credits_updated(world, member, entry, total, applied_by)


def take(
    world: World, member: Member, amount: Decimal, reason: str, note: str | None = None
) -> Iterator[Event]:
    """Remove credits, as an administrator does in the dashboard: the balance may become negative."""
    at = world.next_timestamp(member)
    _spend(member, amount)
    entry = _add_entry(world, member, at, -amount, reason, note=note)
    yield _credits_updated(world, member, entry, None, "admin")


def adjust(
    world: World, member: Member, amount: Decimal, note: str | None = None, *, force: bool = False
) -> Iterator[Event]:
    """Add or remove credits as the API does.

    Raises:
        RefusedError: the balance is too small; with `force` the active code counts as balance.

    """
    if amount > 0:
        yield from grant(world, member, amount, "MANUAL", note=note, applied_by="api")
        return
    if member.balance < -amount and force and member.redemption:
        yield from disable_code(world, member)
    if member.balance < -amount:
        raise RefusedError("insufficient credits")
    yield from take(world, member, -amount, "MANUAL", note)


def can_adjust(member: Member, amount: Decimal, *, force: bool) -> bool:
    """Return whether `adjust` would succeed."""
    held = member.redemption.value if force and member.redemption else ZERO
    return amount > 0 or member.balance + held >= -amount


def new_code(world: World) -> str:
    """Return a new discount code."""
    return f"REDEEM+{world.id_rng.randrange(10**9):09d}"


def redeem(
    world: World, member: Member, amount: Decimal | None = None, code: str | None = None
) -> Iterator[Event]:
    """Redeem credits for a discount code; a second code replaces the first and has the value of both.

    Raises:
        RefusedError: the balance is too small.

    """
    amount = member.balance if amount is None else amount
    if amount <= 0 or amount > member.balance:
        raise RefusedError("insufficient credits")
    at = world.next_timestamp(member)
    pieces = _spend(member, amount)
    held = member.redemption
    member.redemption = Redemption(
        code or new_code(world),
        amount + (held.value if held else ZERO),
        pieces + (held.pieces if held else []),
    )
    member.redemptions += 1
    member.last_redemption_at = at
    entry = _add_entry(world, member, at, -amount, "REDEEMED")
    yield _credits_updated(world, member, entry, None, None)


def disable_code(world: World, member: Member) -> Iterator[Event]:
    """Disable a code and return its credits."""
    held, member.redemption = member.redemption, None
    if held is None:
        return
    at = world.next_timestamp(member)
    for lot, amount in held.pieces:
        if lot.expires_at is not None and lot.expires_at <= at:
            member.lots.append(CreditLot(amount, amount, None))  # it expired while the code was active
        else:
            lot.left += amount
            if not any(one is lot for one in member.lots):
                member.lots.append(lot)
    entry = _add_entry(world, member, at, held.value, "REDEMPTION_CANCELLED")
    yield _credits_updated(world, member, entry, None, None)


def grant_sign_up(world: World, member: Member, tier: Tier) -> Iterator[Event]:
    """Grant the sign-up credits, now or after the days that the benefit says."""
    amount = tier.credit(SIGN_UP)
    days = int(tier.benefits.get(SIGN_UP, {}).get("days") or 0)
    if amount and days:
        world.schedule.add(world.now + timedelta(days=days), "sign_up", member.id, member.term)
    elif amount:
        yield from grant(world, member, amount, "SIGNUP")


def grant_delayed_sign_up(world: World, action: ScheduledAction) -> Iterator[Event]:
    """Grant sign-up credits that were scheduled for today."""
    member = world.members[action.member_id]
    if member.term == action.term and member.in_programme:
        tier = world.tier(member.tier_id)
        yield from grant(world, member, tier.credit(SIGN_UP), "SIGNUP")


def expire(world: World, action: ScheduledAction) -> Iterator[Event]:
    """Expire a lot of credits."""
    member, lot = world.members[action.member_id], action.data
    gone, lot.left = lot.left, ZERO
    member.lots = [other for other in member.lots if other.left > 0]
    if gone > 0:
        yield from snapshot.with_update_event(world, member, _expire(world, member, gone))


def _expire(world: World, member: Member, gone: Decimal) -> Iterator[Event]:
    at = world.next_timestamp(member)
    entry = _add_entry(world, member, at, -gone, "EXPIRED")
    yield world.emit(member, "customer.credits.expired", payloads.credits_expired(world, member, entry), at)
    if world.switches("expiry_updates", "yes"):
        entry.at = world.next_timestamp(member)
        yield _credits_updated(world, member, entry, None, None)


def grant_recurring(world: World, action: ScheduledAction) -> Iterator[Event]:
    """Grant the recurring credits of a tier to all its members at once. The interval is in days, so the day of the month drifts."""
    tier = world.tiers[action.data]
    days = int(tier.benefits.get(RECURRING, {}).get("frequency") or 30)
    world.schedule.add(action.at + timedelta(days=days), "recurring_credits", data=tier.id)
    amount = tier.credit(RECURRING)
    if not amount:
        return
    for member_id in list(world.by_tier[tier.id]):
        member = world.members[member_id]
        # Members on trial get no credits.
        if member.in_programme and not member.on_trial:
            yield from snapshot.with_update_event(world, member, grant(world, member, amount, "RECURRING"))


def grant_anniversary(world: World, action: ScheduledAction) -> Iterator[Event]:
    """Grant the anniversary credits and schedule the next ones."""
    member = world.members[action.member_id]
    if member.term != action.term or not member.in_programme or member.joined_at is None:
        return
    world.schedule.add(
        months_later(action.at, 12, member.joined_at.day), "anniversary", member.id, member.term
    )
    amount = world.tier(member.tier_id).credit(ANNIVERSARY)
    if amount:
        yield from snapshot.with_update_event(world, member, grant(world, member, amount, "ANNIVERSARY"))


def _add_entry(
    world: World,
    member: Member,
    at: datetime,
    amount: Decimal,
    reason: str,
    *,
    note: str | None = None,
    expires_at: datetime | None = None,
    order: tuple[int, Decimal] | None = None,
) -> LedgerEntry:
    previous = member.balance
    member.balance += amount
    member.updated_at = at
    entry = LedgerEntry(
        world.next_serial(),
        at,
        amount,
        previous,
        member.balance,
        reason,
        note,
        expires_at,
        order[0] if order else None,
    )
    if reason != "EXPIRED" or world.switches("ledger_expired", "entry"):
        member.ledger.append(entry)
    return entry


def _credits_updated(
    world: World, member: Member, entry: LedgerEntry, order_total: Decimal | None, applied_by: str | None
) -> Event:
    payload = payloads.credits_updated(world, member, entry, order_total=order_total, applied_by=applied_by)
    return world.emit(member, "customer.credits.updated", payload, entry.at)


def _spend(member: Member, amount: Decimal) -> list[tuple[CreditLot, Decimal]]:
    """Spend from the lots in the order of expiry; what no lot covers makes the balance negative."""
    pieces = []
    for lot in sorted(member.lots, key=lambda lot: lot.expires_at.timestamp() if lot.expires_at else _NEVER):
        taken = min(lot.left, amount)
        if taken > 0:
            lot.left -= taken
            amount -= taken
            pieces.append((lot, taken))
    member.lots = [lot for lot in member.lots if lot.left > 0]
    return pieces


def expire_now(world: World, member: Member) -> Iterator[Event]:
    """Expire the lot that would expire next.

    Raises:
        RefusedError: the member has no credits that expire.

    """
    lots = [lot for lot in member.lots if lot.expires_at is not None]
    if not lots:
        raise RefusedError("has no credits that expire")
    lot = min(lots, key=lambda lot: lot.expires_at.timestamp() if lot.expires_at else _NEVER)
    yield from expire(world, ScheduledAction(world.now, "credit_expiry", member.id, 0, lot))
