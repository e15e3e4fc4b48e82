"""Credits: given in lots, spent soonest-expiring first, expiring to the minute, redeemed as a code."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sim import payloads, record
from sim.agenda import Happening
from sim.clock import months_later
from sim.errors import RefusedError
from sim.events import Event
from sim.model import ZERO, Entry, Lot, Member, Redemption, Tier
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
    """Give credits; when they expire is a setting of the tier."""
    at = world.stamp(member)
    tier = world.tiers.get(member.tier_id or "")
    expires = at + timedelta(days=tier.expiry_days) if tier and tier.expiry_days is not None else None
    lot = Lot(amount, amount, expires)
    member.lots.append(lot)
    member.earned += amount
    if expires:
        world.agenda.plan(expires, "lot", member.id, 0, lot)
    entry = _book(world, member, at, amount, reason, note=note, expires_at=expires, order=order)
    total = order[1] if order else None
    yield _told(world, member, entry, total, applied_by)


def take(
    world: World, member: Member, amount: Decimal, reason: str, note: str | None = None
) -> Iterator[Event]:
    """Take credits away; the balance may fall below nothing, which only a person at the dashboard brings about."""
    at = world.stamp(member)
    _spend(member, amount)
    entry = _book(world, member, at, -amount, reason, note=note)
    yield _told(world, member, entry, None, "admin")


def adjust(
    world: World, member: Member, amount: Decimal, note: str | None = None, *, force: bool = False
) -> Iterator[Event]:
    """Add or remove credits as the API does.

    Raises:
        RefusedError: when there is less to remove, codes in use included if forced.

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
    """Tell whether `adjust` would be refused."""
    held = member.redemption.value if force and member.redemption else ZERO
    return amount > 0 or member.balance + held >= -amount


def new_code(world: World) -> str:
    """Make a discount code."""
    return f"REDEEM+{world.ids.randrange(10**9):09d}"


def redeem(
    world: World, member: Member, amount: Decimal | None = None, code: str | None = None
) -> Iterator[Event]:
    """Turn credits into a discount code; a second one replaces the first and is worth both.

    Raises:
        RefusedError: when there are not that many.

    """
    amount = member.balance if amount is None else amount
    if amount <= 0 or amount > member.balance:
        raise RefusedError("insufficient credits")
    at = world.stamp(member)
    pieces = _spend(member, amount)
    held = member.redemption
    member.redemption = Redemption(
        code or new_code(world),
        amount + (held.value if held else ZERO),
        pieces + (held.pieces if held else []),
    )
    member.redemptions += 1
    member.last_redemption_at = at
    entry = _book(world, member, at, -amount, "REDEEMED")
    yield _told(world, member, entry, None, None)


def disable_code(world: World, member: Member) -> Iterator[Event]:
    """Take a code out of use: its credits are back."""
    held, member.redemption = member.redemption, None
    if held is None:
        return
    at = world.stamp(member)
    for lot, amount in held.pieces:
        if lot.expires_at is not None and lot.expires_at <= at:
            member.lots.append(Lot(amount, amount, None))  # its time passed while it was held
        else:
            lot.left += amount
            if not any(one is lot for one in member.lots):
                member.lots.append(lot)
    entry = _book(world, member, at, held.value, "REDEMPTION_CANCELLED")
    yield _told(world, member, entry, None, None)


def sign_up(world: World, member: Member, tier: Tier) -> Iterator[Event]:
    """Give what joining is worth, at once or some days later."""
    amount = tier.credit(SIGN_UP)
    days = int(tier.benefits.get(SIGN_UP, {}).get("days") or 0)
    if amount and days:
        world.agenda.plan(world.now + timedelta(days=days), "sign_up", member.id, member.term)
    elif amount:
        yield from grant(world, member, amount, "SIGNUP")


def sign_up_later(world: World, happening: Happening) -> Iterator[Event]:
    """Give what joining was worth some days ago."""
    member = world.members[happening.member_id]
    if member.term == happening.term and member.in_programme:
        tier = world.tier(member.tier_id)
        yield from grant(world, member, tier.credit(SIGN_UP), "SIGNUP")


def expire(world: World, happening: Happening) -> Iterator[Event]:
    """Let a lot run out."""
    member, lot = world.members[happening.member_id], happening.data
    gone, lot.left = lot.left, ZERO
    member.lots = [other for other in member.lots if other.left > 0]
    if gone > 0:
        yield from record.changing(world, member, _expire(world, member, gone))


def _expire(world: World, member: Member, gone: Decimal) -> Iterator[Event]:
    at = world.stamp(member)
    entry = _book(world, member, at, -gone, "EXPIRED")
    yield world.tell(member, "customer.credits.expired", payloads.credits_expired(world, member, entry), at)
    if world.switches("expiry_updates", "yes"):
        entry.at = world.stamp(member)
        yield _told(world, member, entry, None, None)


def drop(world: World, happening: Happening) -> Iterator[Event]:
    """Give a tier's recurring credits to everybody in it at once. Counted in days: they drift against months."""
    tier = world.tiers[happening.data]
    days = int(tier.benefits.get(RECURRING, {}).get("frequency") or 30)
    world.agenda.plan(happening.at + timedelta(days=days), "drop", data=tier.id)
    amount = tier.credit(RECURRING)
    if not amount:
        return
    for member_id in list(world.by_tier[tier.id]):
        member = world.members[member_id]
        # Credits are withheld while a trial runs.
        if member.in_programme and not member.on_trial:
            yield from record.changing(world, member, grant(world, member, amount, "RECURRING"))


def anniversary(world: World, happening: Happening) -> Iterator[Event]:
    """Give what another year is worth."""
    member = world.members[happening.member_id]
    if member.term != happening.term or not member.in_programme or member.joined_at is None:
        return
    world.agenda.plan(
        months_later(happening.at, 12, member.joined_at.day), "anniversary", member.id, member.term
    )
    amount = world.tier(member.tier_id).credit(ANNIVERSARY)
    if amount:
        yield from record.changing(world, member, grant(world, member, amount, "ANNIVERSARY"))


def _book(
    world: World,
    member: Member,
    at: datetime,
    amount: Decimal,
    reason: str,
    *,
    note: str | None = None,
    expires_at: datetime | None = None,
    order: tuple[int, Decimal] | None = None,
) -> Entry:
    previous = member.balance
    member.balance += amount
    member.updated_at = at
    entry = Entry(
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


def _told(
    world: World, member: Member, entry: Entry, order_total: Decimal | None, applied_by: str | None
) -> Event:
    payload = payloads.credits_updated(world, member, entry, order_total=order_total, applied_by=applied_by)
    return world.tell(member, "customer.credits.updated", payload, entry.at)


def _spend(member: Member, amount: Decimal) -> list[tuple[Lot, Decimal]]:
    """Take from what expires next; what no lot covers is simply owed."""
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
    """Let the lot that would expire next run out now.

    Raises:
        RefusedError: when none expires.

    """
    lots = [lot for lot in member.lots if lot.expires_at is not None]
    if not lots:
        raise RefusedError("has no credits that expire")
    lot = min(lots, key=lambda lot: lot.expires_at.timestamp() if lot.expires_at else _NEVER)
    yield from expire(world, Happening(world.now, "lot", member.id, 0, lot))
