"""Alerts that wait: during quiet hours, or because too many came at a time (flood control). Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from relay.model.effects import Level
from relay.model.incident import DeferReason


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldEntry:
    """An incident that has an alert message held back: which event's, of when and how bad."""

    incident_key: str
    event_id: str
    at: datetime
    level: Level
    why: DeferReason


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBatch:
    """What one tick took out of the room, until all of it is told."""

    entries: tuple[HeldEntry, ...]
    uncounted: int = 0

    @property
    def flooded(self) -> bool:
        """Tell whether any of it was held back because it was too much."""
        return self.uncounted > 0 or any(entry.why == "flood" for entry in self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldQueue:
    """Who was told at once lately (the alert message's id and its time), who waits, and what ticks are busy with, by their time.

    `uncounted` are those beyond `LONGEST`, which have no entry.
    """

    version: int = 0
    recent: Mapping[str, datetime] = field(default_factory=dict)
    entries: tuple[HeldEntry, ...] = ()
    uncounted: int = 0
    flushes: Mapping[str, HeldBatch] = field(default_factory=dict)

    def knows(self, entry: HeldEntry) -> bool:
        """Tell whether this one waits, here or in the hands of a tick. One event may tell of two incidents."""
        held = [self.entries, *(flush.entries for flush in self.flushes.values())]
        named = (entry.incident_key, entry.event_id)
        return any((one.incident_key, one.event_id) == named for entries in held for one in entries)
