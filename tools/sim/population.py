"""The people: customers with plausible and with hostile names, some of them members already."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sim import joining, plans
from sim.agenda import Happening
from sim.clock import months_later
from sim.events import Event
from sim.model import Entry, Lot, Member, Tier, TierKind, money
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
"""Names that break what does not expect them: one member in 25 has one."""

WEIGHTS: Final = {TierKind.FREE: 3, TierKind.SPEND: 1, TierKind.PAID: 4, TierKind.LIFETIME: 1}


def customer(world: World, number: int) -> Member:
    """Make a Shopify customer who is no member yet."""
    chance = world.life
    first, last = FIRST[chance.randrange(len(FIRST))], LAST[chance.randrange(len(LAST))]
    if number % 25 == 7:  # noqa: PLR2004 - regularly, so that a small programme has some as well
        first, last = HOSTILE[number // 25 % len(HOSTILE)]
    member_id = world.new_customer_id()
    email = f"member-{member_id}@example.com"
    if number % 40 == 11:  # noqa: PLR2004 - as above
        email = f" Member-{member_id}@Example.COM"
    phone = f"+1202555{chance.randrange(100, 200):04d}" if chance.random() < 0.6 else None  # noqa: PLR2004 - more have one than not
    made = Member(member_id, email, first, last, world.now, phone=phone)
    world.customers[member_id] = made
    return made


def pick_tier(world: World) -> Tier:
    """Draw a tier: most pay, some do not."""
    tiers = list(world.tiers.values())
    return world.life.choices(tiers, [WEIGHTS[tier.kind] for tier in tiers])[0]


def settle(world: World, count: int) -> None:
    """Let that many members have been there before the history begins: no event tells of them."""
    for number in range(count):
        member, tier = customer(world, number), pick_tier(world)
        since = world.now - timedelta(days=world.life.randrange(1, 700), seconds=world.life.randrange(86_400))
        _settled(world, member, tier, since)


def _settled(world: World, member: Member, tier: Tier, since: datetime) -> None:
    joining.enter(world, member, tier)
    member.created_at = member.joined_at = member.updated_at = since.replace(microsecond=0)
    member.trigger = {TierKind.PAID: "PAID_SUBSCRIPTION", TierKind.LIFETIME: "ONE_TIME_PURCHASE"}.get(
        tier.kind, "FREE_SIGNUP"
    )
    if tier.fee:
        months = max(1, (world.now - since).days // (30 * tier.months)) if tier.billed else 1
        member.revenue = member.total_spend = tier.fee * months
        member.last_purchase_at = member.joined_at
    if tier.kind is TierKind.SPEND:
        member.total_spend = member.revenue = tier.threshold + world.life.randrange(400)
    if tier.billed:
        member.billing_day = since.day
        member.due_at = plans.billing_time(world, since)
        member.due_at = _next(member.due_at, tier.months, since.day, world.now)
        plans.billing(world, member)
    _opening_credits(world, member, tier)
    plans.anniversary(world, member, _next(since, 12, since.day, world.now, before=True))
    plans.life(world, member)


def _next(since: datetime, months: int, day: int, now: datetime, *, before: bool = False) -> datetime:
    """Return the first of a row of dates after now, or the last one before."""
    passed = ((now.year - since.year) * 12 + now.month - since.month) // months
    passed -= months_later(since, passed * months, day) > now
    return months_later(since, (passed + (not before)) * months, day)


def _opening_credits(world: World, member: Member, tier: Tier) -> None:
    amount = money(world.life.randrange(0, 4000) / 100)
    if not amount:
        return
    expires = (
        world.now + timedelta(days=world.life.randrange(1, tier.expiry_days)) if tier.expiry_days else None
    )
    lot = Lot(amount, amount, expires)
    given = (
        expires - timedelta(days=tier.expiry_days)
        if expires and tier.expiry_days
        else world.now - timedelta(days=1)
    )
    member.lots.append(lot)
    member.balance = member.earned = amount
    member.ledger.append(Entry(world.next_serial(), given, amount, money(0), amount, "MANUAL", None, expires))
    if expires:
        world.agenda.plan(expires, "lot", member.id, 0, lot)


def invite(world: World, count: int, over_days: float) -> None:
    """Plan that many new customers to join through the days to come."""
    for number in range(count):
        at = world.now + timedelta(days=over_days * (number + world.life.random()) / count)
        world.agenda.plan(at, "arrival", data=number)


def arrive(world: World, happening: Happening) -> Iterator[Event]:
    """Let a new customer join a tier that is open to everybody."""
    member, tier = customer(world, happening.data), pick_tier(world)
    if tier.kind is TierKind.SPEND:
        tier = world.free_tier() or tier
    yield from joining.join(world, member, tier)
