"""A membership programme that runs: the world, and what is done when something planned is due."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sim import billing, catalogue, crediting, joining, leaving, living, population
from sim.clock import Clock, months_later, wall
from sim.events import Event
from sim.world import Handlers, World

HANDLERS: Final[Handlers] = {
    "bill": billing.bill,
    "end": leaving.end,
    "lot": crediting.expire,
    "drop": crediting.drop,
    "anniversary": crediting.anniversary,
    "sign_up": crediting.sign_up_later,
    "review": joining.review,
    "life": living.live,
    "arrival": population.arrive,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """How a history begins: with the same values it is the same history."""

    seed: int = 0
    members: int = 0
    shop_domain: str = "relay-demo.myshopify.com"
    start: datetime | None = None
    wall_clock: Callable[[], datetime] = wall

    @property
    def begins(self) -> datetime:
        """When it begins: unless given, at noon 60 days ago, so that some months can be played."""
        if self.start is not None:
            return self.start.astimezone(UTC)
        return self.wall_clock().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=60)


def begin(beginning: Beginning) -> World:
    """Make the world as it is before anything happens."""
    clock = Clock(beginning.begins, beginning.wall_clock)
    tiers = catalogue.tiers()
    world = World(catalogue.shop(beginning.shop_domain, clock.now, tiers), tiers, clock, beginning.seed)
    population.settle(world, beginning.members)
    morning = clock.now.replace(hour=9, minute=0, second=0, microsecond=0)
    for place, tier in enumerate(tiers):
        if tier.credit(crediting.RECURRING):
            world.agenda.plan(morning + timedelta(days=7 + place), "drop", data=tier.id)
    world.agenda.plan(months_later(morning, 1, 1), "review")
    return world


def advance(world: World, span: timedelta) -> Iterator[Event]:
    """Turn the clock by `span` and let happen what is due, in order."""
    yield from world.advance(world.now + span, HANDLERS)


def live_by(world: World, habits: dict[str, float]) -> None:
    """Let members live by other habits from now on."""
    if habits:
        living.wake(world, habits)
