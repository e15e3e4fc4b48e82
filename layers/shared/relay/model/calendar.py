"""Computes days by the shop's clock: when one begins and ends, and when the daily run is due.

Everything else in Relay is UTC. A day has 23 or 25 hours when the clocks change. A time of day that the change
skips counts an hour later; a time that comes twice counts the first time.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

DAY: Final = timedelta(days=1)


def moment(day: date, at: time, zone: tzinfo) -> datetime:
    """Return the moment (UTC) at which the shop's clock shows `at` on a day."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def day_in(value: object, zone: tzinfo) -> date | None:
    """Return a day as it is, and of a moment the day that the zone's clock shows; None for anything else."""
    if isinstance(value, datetime):
        return value.astimezone(zone).date()
    return value if isinstance(value, date) else None


def bounds(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return when a day begins and when the next one does."""
    return moment(day, time(), zone), moment(day + DAY, time(), zone)


def latest(now: datetime, at: time, zone: tzinfo) -> date:
    """Return the latest day on which the shop's clock has reached the time `at`."""
    today = now.astimezone(zone).date()
    return today if moment(today, at, zone) <= now else today - DAY
