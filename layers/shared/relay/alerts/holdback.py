"""The waiting room: what is not told at once, because it is night or because too much happens at a time.

It holds no message, only which incident has one held back (`Incident.held`). So what is over by the time
it would be told is simply found to hold nothing. A tick of the clock takes what is due out of the room and
keeps it under its own time until everybody has been told: a crash anywhere leaves it there.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from relay.model.effects import Level
from relay.model.hold_queue import HeldBatch, HeldEntry, HoldQueue
from relay.rules.settings import Flood

LONGEST: Final = 1_000
"""How many are kept by name. A flood beyond it is counted: the room is one item, and has to stay small."""

_WINDOWS: Final = 4
_RECENT: Final = 500


def admit(room: HoldQueue, telling_id: str, at: datetime, flood: Flood) -> tuple[HoldQueue, bool]:
    """Say whether one more may be told at once, and remember that it was."""
    if telling_id in room.recent:
        return room, True
    window = timedelta(minutes=flood.minutes)
    if sum(abs(at - other) < window for other in room.recent.values()) >= flood.alerts:
        return room, False
    # By their number and not by their time: an outage's events come late, and mixed with those of today.
    kept = max(flood.alerts, min(_WINDOWS * flood.alerts, _RECENT))
    recent = list({**room.recent, telling_id: at}.items())[-kept:]
    return replace(room, recent=dict(recent)), True


def enter(room: HoldQueue, entry: HeldEntry) -> HoldQueue:
    """Let one wait; the same one again changes nothing."""
    if room.knows(entry):
        return room
    if len(room.entries) >= LONGEST:
        return replace(room, uncounted=room.uncounted + 1)
    return replace(room, entries=(*room.entries, entry))


def begin(room: HoldQueue, tick: datetime, *, quiet: bool) -> HoldQueue:
    """Take out what is due at a tick: by day all that was held back before it, at night what is worse than a warning."""
    key = tick_key(tick)
    if key in room.flushes:
        return room

    def is_due(entry: HeldEntry) -> bool:
        return entry.at <= tick and (entry.level > Level.WARNING or not quiet)

    due = tuple(entry for entry in room.entries if is_due(entry))
    if not due:
        return room
    flush = HeldBatch(entries=due, uncounted=room.uncounted)
    return replace(
        room,
        entries=tuple(entry for entry in room.entries if not is_due(entry)),
        uncounted=0,
        flushes={**room.flushes, key: flush},
    )


def end(room: HoldQueue, tick: datetime) -> HoldQueue:
    """Forget what a tick was busy with."""
    key = tick_key(tick)
    return replace(room, flushes={name: flush for name, flush in room.flushes.items() if name != key})


def tick_key(tick: datetime) -> str:
    """Return the name of a tick's work."""
    return tick.isoformat(timespec="seconds")
