"""The hold queue: alerts that are deferred by flood control or quiet hours. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from relay.model.effects import Level
from relay.model.incident import DeferReason


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldQueueEntry:
    """An incident with a deferred notification: the event of that notification, its time, and the incident's level."""

    incident_key: str
    event_id: str
    at: datetime
    level: Level
    reason: DeferReason


@dataclass(frozen=True, slots=True, kw_only=True)
class DueBatch:
    """The entries that one clock tick took from the hold queue, kept until all of them are sent."""

    entries: tuple[HoldQueueEntry, ...]
    uncounted: int = 0

    @property
    def has_flood(self) -> bool:
        """Whether flood control deferred any of them."""
        return self.uncounted > 0 or any(entry.reason == "flood" for entry in self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """A notification that a channel refused for good when a tick sent it: the tick, by its key, the incident and the event."""

    tick: str
    incident_key: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldQueue:
    """Deferred alerts, and the alerts sent lately, by which flood control decides.

    `recently_sent` maps the id of an alert message to its time. `uncounted` is the number of deferred alerts beyond
    the most that are kept by name. `due` maps a tick to the batch that is being sent at it. `given_up` is what a tick could
    not send: its message may come again before its dead letter was written, and comes again with a redrive.
    """

    version: int = 0
    recently_sent: Mapping[str, datetime] = field(default_factory=dict)
    entries: tuple[HoldQueueEntry, ...] = ()
    uncounted: int = 0
    due: Mapping[str, DueBatch] = field(default_factory=dict)
    given_up: tuple[GivenUp, ...] = ()

    def contains(self, entry: HoldQueueEntry) -> bool:
        """Return whether an entry waits, in the queue or in a batch. One event may have entries of two incidents."""
        waiting = [self.entries, *(batch.entries for batch in self.due.values())]
        wanted = (entry.incident_key, entry.event_id)
        return any((one.incident_key, one.event_id) == wanted for entries in waiting for one in entries)
