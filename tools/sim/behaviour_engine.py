"""Performs the actions of members by the behaviour rates: one action is drawn at a time, so that it costs what happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from sim import billing, cancellations, credit_ledger, member_schedule, memberships, orders, snapshot
from sim.events import Event
from sim.model import ZERO, Member, Status, money
from sim.schedule import ScheduledAction
from sim.world import World


def perform_action(world: World, action: ScheduledAction) -> Iterator[Event]:
    """Perform the action drawn for now, and draw the next action and its time."""
    member = world.members[action.member_id]
    version, name = action.data
    if member.term != action.term or not member.in_programme or version != world.behaviour.version:
        return
    yield from _ACTIONS[name](world, member)
    # A membership that started in this action has drawn its own next action.
    if member.term == action.term and member.in_programme:
        member_schedule.schedule_action(world, member)


def set_behaviour(world: World, rates: dict[str, float]) -> None:
    """Set the behaviour rates, and draw the next action of every member again."""
    world.behaviour.set(rates)
    for member in world.members.values():
        if member.in_programme:
            member_schedule.schedule_action(world, member)


def _order(world: World, member: Member) -> Iterator[Event]:
    yield from orders.order(world, member, use_code=member.redemption is not None)


def _redeem(world: World, member: Member) -> Iterator[Event]:
    """Redeem a part of the credits; who redeems half of them does so in two steps, a moment apart."""
    if member.balance <= ZERO:
        return
    percent = world.behaviour_rng.choice((25, 50, 100))
    steps = 2 if percent == 50 else 1  # noqa: PLR2004 - half of them
    share = money(member.balance * percent / 100 / steps)
    for _ in range(steps):
        if ZERO < share <= member.balance:
            yield from credit_ledger.redeem(world, member, share)


def _cancel(world: World, member: Member) -> Iterator[Event]:
    if member.status is Status.ACTIVE:
        merchant = world.behaviour_rng.random() < 0.1  # noqa: PLR2004 - one in ten is by the merchant
        yield from cancellations.request(
            world, member, "MERCHANT" if merchant else "CUSTOMER", confirmed=True
        )


def _change_tier(world: World, member: Member) -> Iterator[Event]:
    here = world.tier(member.tier_id)
    if member.status is not Status.ACTIVE or not here.billed or member.failed_attempts or member.on_trial:
        return
    others = [tier for tier in world.tiers.values() if tier.billed and tier is not here]
    if others:
        yield from memberships.move(world, member, others[world.behaviour_rng.randrange(len(others))])


def _renew_card(world: World, member: Member) -> Iterator[Event]:
    if member.contract_id is not None:
        yield from billing.renew_card(world, member)


def _update_profile(world: World, member: Member) -> Iterator[Event]:
    if member.anonymized or world.behaviour_rng.random() < 0.5:  # noqa: PLR2004 - half of all writes change no visible field
        yield from snapshot.unchanged_update(world, member)
    else:
        phone = f"+1202555{world.behaviour_rng.randrange(100, 200):04d}"
        yield from snapshot.write_profile(world, member, {"phone": phone})


_ACTIONS: Final[dict[str, Callable[[World, Member], Iterator[Event]]]] = {
    "orders": _order,
    "redemptions": _redeem,
    "cancellations": _cancel,
    "tier_changes": _change_tier,
    "card_updates": _renew_card,
    "profile_updates": _update_profile,
}
