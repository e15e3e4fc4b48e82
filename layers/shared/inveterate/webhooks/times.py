"""Chooses the time of an event among those that it brings: the first that was possible when it was triggered.

An event is never dropped for its clock. A time before 2015 or later than the trigger (or the receipt) by more than
ten minutes cannot be right; the next one takes its place, and the receipt is the last. Nothing that differs between two
deliveries of an event dates it, where it brings a possible time of its own. For the event's *id* its own time counts as
written, possible or not (`identity.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""No event is older: the platform did not exist."""

CLOCKS_DIFFER: Final = timedelta(minutes=10)
"""How far a time may lie after the one that follows it: clocks differ by seconds, not by more."""


def possible(moment: datetime | None, latest: datetime | None) -> datetime | None:
    """Return the moment if an event can be of it, else None; `latest` is the moment after which it was told."""
    if moment is None or moment < EARLIEST:
        return None
    return moment if latest is None or moment - latest <= CLOCKS_DIFFER else None


def own_time(
    told: Iterable[datetime | None], triggered_at: datetime | None, received_at: datetime | None
) -> datetime | None:
    """Return the first of the event's own times that is possible. `triggered_at` is a possible one, or None."""
    latest = triggered_at or received_at
    return next((moment for moment in told if possible(moment, latest)), None)
