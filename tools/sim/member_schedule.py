"""The scheduled actions of one member: the next billing, the next anniversary, the next action by the behaviour rates."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sim.clock import months_later
from sim.model import Member
from sim.world import World

BILLING_HOUR: Final = 7


def billing_time(world: World, day: datetime) -> datetime:
    """Return the billing time of that day: a random time between 7:00 and 7:50."""
    return day.replace(
        hour=BILLING_HOUR,
        minute=world.behaviour_rng.randrange(50),
        second=world.behaviour_rng.randrange(60),
        microsecond=0,
    )


def schedule_billing(world: World, member: Member) -> None:
    """Schedule the first billing attempt of the coming cycle."""
    if member.due_at is not None:
        world.schedule.add(member.due_at, "billing_attempt", member.id, member.term, (member.due_at, 1))


def schedule_anniversary(world: World, member: Member, since: datetime) -> None:
    """Schedule the anniversary one year after `since`."""
    world.schedule.add(months_later(since, 12, since.day), "anniversary", member.id, member.term)


def schedule_action(world: World, member: Member) -> None:
    """Draw and schedule the next action of a member; nothing if all behaviour rates are zero."""
    rates = world.behaviour.action_rates
    total = sum(rate for _, rate in rates)
    if total:
        at = world.now + timedelta(days=30 * world.behaviour_rng.expovariate(total))
        name = world.behaviour_rng.choices([name for name, _ in rates], [rate for _, rate in rates])[0]
        world.schedule.add(at, "member_action", member.id, member.term, (world.behaviour.version, name))
