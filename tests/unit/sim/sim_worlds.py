"""Small simulated worlds for tests, and their events by day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby

from sim import memberships, population, programme
from sim.events import Event
from sim.model import Member
from sim.world import World

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
WALL = datetime(2027, 6, 1, tzinfo=UTC)
FREE, SPEND, TRIAL, GOLD, YEARLY, LIFETIME = (
    "0d0c6284",
    "5b1e77c0",
    "c669d6e7",
    "3a636361",
    "c560bce7",
    "d689602f",
)


def make_world(
    seed: int = 1, members: int = 0, switches: Mapping[str, str] | None = None, **more: str
) -> World:
    made = programme.create_world(
        programme.WorldSettings(seed=seed, members=members, start=START, wall_clock=lambda: WALL)
    )
    for name, value in (dict(switches or {}) | more).items():
        made.switches.set(name, value)
    return made


def joined(world: World, tier_id: str = GOLD) -> tuple[Member, list[Event]]:
    member = population.create_customer(world, 0)
    return member, list(memberships.join(world, member, world.tiers[tier_id]))


def days(world: World, count: float) -> list[Event]:
    return list(programme.advance(world, timedelta(days=count)))


def by_day(events: Iterable[Event], *, v1: bool = False) -> list[tuple[str, list[str]]]:
    """Return the topics of each day, in order."""
    dated = [(f"{event.at:%m-%d}", event.v1 if v1 else event.topic) for event in events]
    kept = [(day, topic) for day, topic in dated if topic]
    return [(day, [topic for _, topic in group]) for day, group in groupby(kept, lambda each: each[0])]
