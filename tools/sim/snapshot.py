"""Snapshots of the member record: customer.updated is sent when the record changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim import payloads
from sim.clock import iso
from sim.events import Event
from sim.model import Member
from sim.schedule import ScheduledAction
from sim.world import World


def with_update_event(
    world: World, member: Member, events: Iterator[Event], *, always: bool = False
) -> Iterator[Event]:
    """Yield the events, then customer.updated if they changed the record and the switch `updated_events` says so."""
    if not always and world.switches("updated_events", "profile"):
        yield from events
        return
    before = payloads.member_record(world, member)
    yield from events
    if payloads.member_record(world, member) != before:
        yield update_event(world, member, before)


def update_event(world: World, member: Member, before: dict[str, Any]) -> Event:
    """Return customer.updated. The `updatedAt` in it is as old as in the sample."""
    at = world.next_timestamp(member)
    payload = payloads.updated(payloads.member_record(world, member), before)
    return world.emit(member, "customer.updated", payload, at)


def write_profile(world: World, member: Member, fields: dict[str, Any]) -> Iterator[Event]:
    """Overwrite fields of the profile, as the API and the dashboard do."""
    yield from with_update_event(world, member, _write(world, member, fields), always=True)


def _write(world: World, member: Member, fields: dict[str, Any]) -> Iterator[Event]:
    member.updated_at = world.next_timestamp(member)
    for name, value in fields.items():
        setattr(member, name, value)
    yield from ()


def unchanged_update(world: World, member: Member) -> Iterator[Event]:
    """Return the event of a write that changes only an internal key of the platform, as in the documented sample."""
    at = world.next_timestamp(member)
    now = payloads.member_record(world, member)
    old = now | {"spendingProcess": {"time": iso(at), "status": "ACTIVE"}}
    yield world.emit(member, "customer.updated", payloads.updated(now, old), at)


def anonymise(world: World, member: Member) -> Iterator[Event]:
    """Erase the personal data of a member: the record stays, with `anonymized`; the membership goes on."""
    no_person = {
        "email": "",
        "first_name": "",
        "last_name": "",
        "phone": None,
        "notes": None,
        "birthday": None,
    }
    yield from write_profile(world, member, {**no_person, "anonymized": True})


def perform_anonymisation(world: World, action: ScheduledAction) -> Iterator[Event]:
    """Anonymise the member of a scheduled action."""
    member = world.members[action.member_id]
    if not member.anonymized:
        world.faults.struck["erasure"] += 1
        yield from anonymise(world, member)
