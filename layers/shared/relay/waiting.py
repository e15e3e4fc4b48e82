"""The waiting room: what is not told at once, because it is night or because too much happens at a time.

It holds no message, only which occasion has one held back (`Occasion.held`). So what is over by the time
it would be told is simply found to hold nothing. A tick of the clock takes what is due out of the room and
keeps it under its own time until everybody has been told: a crash anywhere leaves it there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from relay.effects import Level
from relay.occasions import Why
from relay.rules import Flood

LONGEST: Final = 1_000
"""How many are kept by name. A flood beyond it is counted: the room is one item, and has to stay small."""

_WINDOWS: Final = 4
_RECENT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An occasion that has a telling held back: which event's, of when and how bad."""

    occasion: str
    event_id: str
    at: datetime
    level: Level
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    """What one tick took out of the room, until all of it is told."""

    entries: tuple[Entry, ...]
    uncounted: int = 0

    @property
    def flooded(self) -> bool:
        """Tell whether any of it was held back because it was too much."""
        return self.uncounted > 0 or any(entry.why == "flood" for entry in self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Who was told at once lately (the telling's id and its time), who waits, and what ticks are busy with, by their time.

    `uncounted` are those beyond `LONGEST`, which have no entry.
    """

    version: int = 0
    recent: Mapping[str, datetime] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    uncounted: int = 0
    flushes: Mapping[str, Flush] = field(default_factory=dict)

    def knows(self, entry: Entry) -> bool:
        """Tell whether this one waits, here or in the hands of a tick. One event may tell of two occasions."""
        held = [self.entries, *(flush.entries for flush in self.flushes.values())]
        named = (entry.occasion, entry.event_id)
        return any((one.occasion, one.event_id) == named for entries in held for one in entries)


def admit(room: Room, telling_id: str, at: datetime, flood: Flood) -> tuple[Room, bool]:
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


def enter(room: Room, entry: Entry) -> Room:
    """Let one wait; the same one again changes nothing."""
    if room.knows(entry):
        return room
    if len(room.entries) >= LONGEST:
        return replace(room, uncounted=room.uncounted + 1)
    return replace(room, entries=(*room.entries, entry))


def begin(room: Room, tick: datetime, *, quiet: bool) -> Room:
    """Take out what is due at a tick: by day all that was held back before it, at night what is worse than a warning."""
    key = tick_key(tick)
    if key in room.flushes:
        return room

    def is_due(entry: Entry) -> bool:
        return entry.at <= tick and (entry.level > Level.WARNING or not quiet)

    due = tuple(entry for entry in room.entries if is_due(entry))
    if not due:
        return room
    flush = Flush(entries=due, uncounted=room.uncounted)
    return replace(
        room,
        entries=tuple(entry for entry in room.entries if not is_due(entry)),
        uncounted=0,
        flushes={**room.flushes, key: flush},
    )


def end(room: Room, tick: datetime) -> Room:
    """Forget what a tick was busy with."""
    key = tick_key(tick)
    return replace(room, flushes={name: flush for name, flush in room.flushes.items() if name != key})


def tick_key(tick: datetime) -> str:
    """Return the name of a tick's work."""
    return tick.isoformat(timespec="seconds")
