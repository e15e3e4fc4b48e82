"""Flood control and quiet hours: decides which alerts wait in the hold queue, and which of them a clock tick takes out.

The queue holds no message, only which incident has one deferred (`Incident.deferred`). So an incident that is
resolved by the time of the tick simply has nothing deferred. A tick takes the due entries out as a batch and keeps
it under its own time until all of them are sent: after a crash the next try finds it there. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from relay.model.effects import Level
from relay.model.hold_queue import DueBatch, GivenUp, HoldQueue, HoldQueueEntry
from relay.rules.settings import Flood

MAX_ENTRIES: Final = 1_000
"""Entries kept by name, those in the batches of ticks included: while a channel is down, batches add up. A flood beyond it
is only counted: the queue is one item, and a table refuses one of over 400 KB, with every alert after it."""

MAX_GIVEN_UP: Final = 200
"""Notifications that were given up and are kept by name. Of older ones only the dead letter of their tick is left."""

_WINDOWS: Final = 4
_MAX_RECENT: Final = 500


def admit(queue: HoldQueue, message_id: str, at: datetime, flood: Flood) -> tuple[HoldQueue, bool]:
    """Return whether one more alert may be sent now, and the queue that remembers it."""
    if message_id in queue.recently_sent:
        return queue, True
    window = timedelta(minutes=flood.minutes)
    if sum(abs(at - other) < window for other in queue.recently_sent.values()) >= flood.alerts:
        return queue, False
    # Bounded by number and not by time: events of an outage arrive late, between those of today.
    kept = max(flood.alerts, min(_WINDOWS * flood.alerts, _MAX_RECENT))
    recent = list({**queue.recently_sent, message_id: at}.items())[-kept:]
    return replace(queue, recently_sent=dict(recent)), True


def add(queue: HoldQueue, entry: HoldQueueEntry) -> HoldQueue:
    """Return the queue with one more entry; an entry that it contains changes nothing."""
    if queue.contains(entry):
        return queue
    kept = len(queue.entries) + sum(len(batch.entries) for batch in queue.due.values())
    if kept >= MAX_ENTRIES:
        return replace(queue, uncounted=queue.uncounted + 1)
    return replace(queue, entries=(*queue.entries, entry))


def take_due(queue: HoldQueue, tick: datetime, *, quiet: bool) -> HoldQueue:
    """Return the queue with the due entries moved to this tick's batch: in quiet hours those above a warning, else all."""
    key = tick_key(tick)
    if key in queue.due:
        return queue

    def is_due(entry: HoldQueueEntry) -> bool:
        return entry.at <= tick and (entry.level > Level.WARNING or not quiet)

    due = tuple(entry for entry in queue.entries if is_due(entry))
    if not due:
        return queue
    return replace(
        queue,
        entries=tuple(entry for entry in queue.entries if not is_due(entry)),
        uncounted=0,
        due={**queue.due, key: DueBatch(entries=due, uncounted=queue.uncounted)},
    )


def finish(queue: HoldQueue, tick: datetime, given_up: Iterable[GivenUp] = ()) -> HoldQueue:
    """Return the queue without this tick's batch, and with what the tick has given up, in one write: nothing is between."""
    key = tick_key(tick)
    others = (one for one in queue.given_up if one.tick != key)
    return replace(
        queue,
        due={name: batch for name, batch in queue.due.items() if name != key},
        given_up=(*others, *given_up)[-MAX_GIVEN_UP:],
    )


def tick_key(tick: datetime) -> str:
    """Return the key of a tick's batch."""
    return tick.isoformat(timespec="seconds")
