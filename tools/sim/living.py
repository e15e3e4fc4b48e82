"""What members do of their own accord, by the habits of the scenario: drawn one at a time, so that it costs what happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from sim import billing, crediting, joining, leaving, orders, plans, record
from sim.agenda import Happening
from sim.events import Event
from sim.model import ZERO, Member, Status, money
from sim.world import World


def live(world: World, happening: Happening) -> Iterator[Event]:
    """Let a member do what was drawn for now, and draw what comes next and when."""
    member = world.members[happening.member_id]
    version, act = happening.data
    if member.term != happening.term or not member.in_programme or version != world.habits.version:
        return
    yield from _ACTS[act](world, member)
    # A membership that began in this very act has drawn its own next thing.
    if member.term == happening.term and member.in_programme:
        plans.life(world, member)


def wake(world: World, rates: dict[str, float]) -> None:
    """Give the programme other habits, and draw anew for everybody."""
    world.habits.set(rates)
    for member in world.members.values():
        if member.in_programme:
            plans.life(world, member)


def _order(world: World, member: Member) -> Iterator[Event]:
    yield from orders.order(world, member, use_code=member.redemption is not None)


def _redeem(world: World, member: Member) -> Iterator[Event]:
    if member.balance > ZERO:
        share = money(member.balance * world.life.choice((25, 50, 100)) / 100)
        if share:
            yield from crediting.redeem(world, member, share)


def _cancel(world: World, member: Member) -> Iterator[Event]:
    if member.status is Status.ACTIVE:
        merchant = world.life.random() < 0.1  # noqa: PLR2004 - one in ten is the shop's doing
        yield from leaving.request(world, member, "MERCHANT" if merchant else "CUSTOMER", confirmed=True)


def _change_tier(world: World, member: Member) -> Iterator[Event]:
    here = world.tier(member.tier_id)
    if member.status is not Status.ACTIVE or not here.billed or member.failed_attempts or member.on_trial:
        return
    others = [tier for tier in world.tiers.values() if tier.billed and tier is not here]
    if others:
        yield from joining.move(world, member, others[world.life.randrange(len(others))])


def _renew_card(world: World, member: Member) -> Iterator[Event]:
    if member.contract_id is not None:
        yield from billing.renew_card(world, member)


def _write(world: World, member: Member) -> Iterator[Event]:
    if world.life.random() < 0.5:  # noqa: PLR2004 - half of all writes change nothing that anybody sees
        yield from record.noise(world, member)
    else:
        phone = f"+1202555{world.life.randrange(100, 200):04d}"
        yield from record.write(world, member, {"phone": phone})


_ACTS: Final[dict[str, Callable[[World, Member], Iterator[Event]]]] = {
    "orders": _order,
    "redemptions": _redeem,
    "cancellations": _cancel,
    "tier_changes": _change_tier,
    "card_updates": _renew_card,
    "profile_updates": _write,
}
