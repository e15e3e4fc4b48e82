"""What is planned for a member: the next billing, the next anniversary, and what they do of their own accord."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sim.clock import months_later
from sim.model import Member
from sim.world import World

BILLING_HOUR: Final = 7


def billing_time(world: World, day: datetime) -> datetime:
    """Return the moment of that day at which a member is billed: seven, and a little later for each."""
    return day.replace(
        hour=BILLING_HOUR, minute=world.life.randrange(50), second=world.life.randrange(60), microsecond=0
    )


def billing(world: World, member: Member) -> None:
    """Plan the first attempt of the coming cycle."""
    if member.due_at is not None:
        world.agenda.plan(member.due_at, "bill", member.id, member.term, (member.due_at, 1))


def anniversary(world: World, member: Member, since: datetime) -> None:
    """Plan the next anniversary, a year after the one at `since`."""
    world.agenda.plan(months_later(since, 12, since.day), "anniversary", member.id, member.term)


def life(world: World, member: Member) -> None:
    """Draw the next thing that a member does and when. Without habits there is none, and nothing is planned."""
    acts = world.habits.acts
    total = sum(rate for _, rate in acts)
    if total:
        at = world.now + timedelta(days=30 * world.life.expovariate(total))
        act = world.life.choices([name for name, _ in acts], [rate for _, rate in acts])[0]
        world.agenda.plan(at, "life", member.id, member.term, (world.habits.version, act))
