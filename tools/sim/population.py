"""Generated customers and members, with ordinary and with hostile names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sim import member_schedule, memberships
from sim.clock import months_later
from sim.events import Event
from sim.model import CreditLot, LedgerEntry, Member, Tier, TierKind, money
from sim.schedule import ScheduledAction
from sim.world import World

FIRST: Final = ("Ada", "Ben", "Chloé", "Dmitri", "Emre", "Fatima", "Grace", "Hiro", "Inês", "José", "Kwame", "Lena", "Mía", "Noor", "Oskar", "Priya")  # fmt: skip
LAST: Final = ("Alda", "Bernanke", "Çelik", "Dubois", "Eze", "Fischer", "García", "Hansen", "Ito", "Jones", "Kowalski", "Łukasik", "Müller", "Nguyen", "O'Neil", "Petrov")  # fmt: skip
HOSTILE: Final = (
    ("<!channel>", "Everybody"),
    ("<script>alert(1)</script>", "O'Brien & Sons"),
    ('=HYPERLINK("https://example.com")', '"quoted", comma'),
    ("null", "undefined"),
    ("张伟", "李"),
    ("\u202eevil", "gnirts"),
    ("Z\u0351\u036b\u0343a\u0363lgo", "👩‍👩‍👧‍👦🏳️‍🌈"),
    ("{{7*7}} ${jndi:ldap://x}", "%s %n"),
    ("Anne-Marie " * 12, "van der Berg-" * 8),
    ("Tab\tand", "new\nline"),
)
"""Names that break careless code: one member in 25 has one."""

WEIGHTS: Final = {TierKind.FREE: 3, TierKind.SPEND: 1, TierKind.PAID: 4, TierKind.LIFETIME: 1}


def create_customer(world: World, number: int) -> Member:
    """Create a Shopify customer without a membership."""
    chance = world.behaviour_rng
    first, last = FIRST[chance.randrange(len(FIRST))], LAST[chance.randrange(len(LAST))]
    if number % 25 == 7:  # noqa: PLR2004 - regularly, so that a small programme has some as well
        first, last = HOSTILE[number // 25 % len(HOSTILE)]
    member_id = world.new_customer_id()
    email = f"member-{member_id}@example.com"
    if number % 40 == 11:  # noqa: PLR2004 - as above
        email = f" Member-{member_id}@Example.COM"
    phone = f"+1202555{chance.randrange(100, 200):04d}" if chance.random() < 0.6 else None  # noqa: PLR2004 - six of ten have one
    made = Member(member_id, email, first, last, world.now, phone=phone)
    world.customers[member_id] = made
    return made


def pick_tier(world: World) -> Tier:
    """Draw a tier by the weights."""
    tiers = list(world.tiers.values())
    return world.behaviour_rng.choices(tiers, [WEIGHTS[tier.kind] for tier in tiers])[0]


def add_existing_members(world: World, count: int) -> None:
    """Add members that joined before the history begins: they have no events."""
    for number in range(count):
        member, tier = create_customer(world, number), pick_tier(world)
        since = world.now - timedelta(
            days=world.behaviour_rng.randrange(1, 700), seconds=world.behaviour_rng.randrange(86_400)
        )
        _add_existing_member(world, member, tier, since)


def _add_existing_member(world: World, member: Member, tier: Tier, since: datetime) -> None:
    memberships.start_membership(world, member, tier)
    member.created_at = member.joined_at = member.updated_at = since.replace(microsecond=0)
    member.trigger = {TierKind.PAID: "PAID_SUBSCRIPTION", TierKind.LIFETIME: "ONE_TIME_PURCHASE"}.get(
        tier.kind, "FREE_SIGNUP"
    )
    if tier.fee:
        months = max(1, (world.now - since).days // (30 * tier.months)) if tier.billed else 1
        member.revenue = member.total_spend = tier.fee * months
        member.last_purchase_at = member.joined_at
    if tier.kind is TierKind.SPEND:
        member.total_spend = member.revenue = tier.threshold + world.behaviour_rng.randrange(400)
    if tier.billed:
        member.billing_day = since.day
        member.due_at = member_schedule.billing_time(world, since)
        member.due_at = _recurrence(member.due_at, tier.months, since.day, world.now)
        member_schedule.schedule_billing(world, member)
    _add_opening_credits(world, member, tier)
    member_schedule.schedule_anniversary(
        world, member, _recurrence(since, 12, since.day, world.now, before=True)
    )
    member_schedule.schedule_action(world, member)


def _recurrence(since: datetime, months: int, day: int, now: datetime, *, before: bool = False) -> datetime:
    """Return the first date of a monthly recurrence after now, or with `before` the last one up to now."""
    passed = ((now.year - since.year) * 12 + now.month - since.month) // months
    passed -= months_later(since, passed * months, day) > now
    return months_later(since, (passed + (not before)) * months, day)


def _add_opening_credits(world: World, member: Member, tier: Tier) -> None:
    amount = money(world.behaviour_rng.randrange(0, 4000) / 100)
    if not amount:
        return
    expires = (
        world.now + timedelta(days=world.behaviour_rng.randrange(1, tier.expiry_days))
        if tier.expiry_days
        else None
    )
    lot = CreditLot(amount, amount, expires)
    given = (
        expires - timedelta(days=tier.expiry_days)
        if expires and tier.expiry_days
        else world.now - timedelta(days=1)
    )
    member.lots.append(lot)
    member.balance = member.earned = amount
    member.ledger.append(
        LedgerEntry(world.next_serial(), given, amount, money(0), amount, "MANUAL", None, expires)
    )
    if expires:
        world.schedule.add(expires, "credit_expiry", member.id, 0, lot)


def schedule_joins(world: World, count: int, over_days: float) -> None:
    """Schedule new customers that join during the next `over_days` days."""
    for number in range(count):
        at = world.now + timedelta(days=over_days * (number + world.behaviour_rng.random()) / count)
        world.schedule.add(at, "new_customer", data=number)


def join_new_customer(world: World, action: ScheduledAction) -> Iterator[Event]:
    """Create a customer and make it join a tier; never a spend-based one."""
    member, tier = create_customer(world, action.data), pick_tier(world)
    if tier.kind is TierKind.SPEND:
        tier = world.free_tier() or tier
    yield from memberships.join(world, member, tier)
