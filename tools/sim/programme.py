"""A running membership programme: it creates the world and maps each scheduled action to its handler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sim import (
    behaviour_engine,
    billing,
    cancellations,
    catalogue,
    credit_ledger,
    memberships,
    population,
    snapshot,
)
from sim.clock import Clock, months_later, real_time
from sim.events import Event
from sim.world import Handlers, World

HANDLERS: Final[Handlers] = {
    "billing_attempt": billing.bill,
    "end_of_cycle": cancellations.end_of_cycle,
    "credit_expiry": credit_ledger.expire,
    "recurring_credits": credit_ledger.grant_recurring,
    "anniversary": credit_ledger.grant_anniversary,
    "sign_up": credit_ledger.grant_delayed_sign_up,
    "spend_review": memberships.review_spend_tiers,
    "member_action": behaviour_engine.perform_action,
    "anonymise": snapshot.perform_anonymisation,
    "new_customer": population.join_new_customer,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSettings:
    """The start of a history; the same settings and commands give the same history."""

    seed: int = 0
    members: int = 0
    shop_domain: str = "relay-demo.myshopify.com"
    start: datetime | None = None
    wall_clock: Callable[[], datetime] = real_time

    @property
    def start_time(self) -> datetime:
        """The given start, or noon 60 days ago, so that there is time to play two months."""
        if self.start is not None:
            return self.start.astimezone(UTC)
        return self.wall_clock().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=60)


def create_world(settings: WorldSettings) -> World:
    """Create the world before its first event."""
    clock = Clock(settings.start_time, settings.wall_clock)
    tiers = catalogue.tiers()
    world = World(catalogue.shop(settings.shop_domain, clock.now, tiers), tiers, clock, settings.seed)
    population.add_existing_members(world, settings.members)
    morning = clock.now.replace(hour=9, minute=0, second=0, microsecond=0)
    for place, tier in enumerate(tiers):
        if tier.credit(credit_ledger.RECURRING):
            world.schedule.add(morning + timedelta(days=7 + place), "recurring_credits", data=tier.id)
    world.schedule.add(months_later(morning, 1, 1), "spend_review")
    return world


def advance(world: World, span: timedelta) -> Iterator[Event]:
    """Advance virtual time by `span` and perform the actions due, in order."""
    yield from world.advance(world.now + span, HANDLERS)
