"""The member's own record: writing it, and telling that it was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim import payloads
from sim.clock import iso
from sim.events import Event
from sim.model import Member
from sim.world import World


def changing(
    world: World, member: Member, events: Iterator[Event], *, always: bool = False
) -> Iterator[Event]:
    """Let something happen, and tell of the record if that changed it and the switch wants it told."""
    if not always and world.switches("updated_events", "profile"):
        yield from events
        return
    before = payloads.record(world, member)
    yield from events
    if payloads.record(world, member) != before:
        yield tell(world, member, before)


def tell(world: World, member: Member, before: dict[str, Any]) -> Event:
    """Tell that the record was written. Its own updatedAt is as stale as in the sample."""
    at = world.stamp(member)
    payload = payloads.updated(payloads.record(world, member), before)
    return world.tell(member, "customer.updated", payload, at)


def write(world: World, member: Member, fields: dict[str, Any]) -> Iterator[Event]:
    """Overwrite fields of the profile, as the API and the dashboard do."""
    yield from changing(world, member, _write(world, member, fields), always=True)


def _write(world: World, member: Member, fields: dict[str, Any]) -> Iterator[Event]:
    member.updated_at = world.stamp(member)
    for name, value in fields.items():
        setattr(member, name, value)
    yield from ()


def noise(world: World, member: Member) -> Iterator[Event]:
    """Tell of a write that changed nothing but a key of the platform's own, as the documented sample does."""
    at = world.stamp(member)
    now = payloads.record(world, member)
    old = now | {"spendingProcess": {"time": iso(at), "status": "ACTIVE"}}
    yield world.tell(member, "customer.updated", payloads.updated(now, old), at)
