"""The simulator's own time: it stands still until somebody turns it, and is never ahead of the real one."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from sim.errors import AheadOfTimeError

MARGIN: Final = timedelta(seconds=5)
"""How far the clock stays behind: deliveries are stamped a moment after what they tell of."""


def wall() -> datetime:
    """Return the real time."""
    return datetime.now(UTC)


class Clock:
    """Virtual time. `reach` turns it and refuses to go back or past the wall clock."""

    def __init__(self, start: datetime, wall_clock: Callable[[], datetime] = wall) -> None:
        self._wall = wall_clock
        self.now = start
        self.check(start)

    @property
    def latest(self) -> datetime:
        """The latest moment that the clock may show now."""
        return self._wall() - MARGIN

    def check(self, moment: datetime) -> None:
        """Refuse a moment in the real future.

        Raises:
            AheadOfTimeError: says how much room there is.

        """
        if moment > self.latest:
            room = max(timedelta(), self.latest - self.now)
            raise AheadOfTimeError(f"never ahead of the wall clock: at most {room} more can be advanced")

    def reach(self, moment: datetime) -> None:
        """Turn the clock to `moment`, if that is later than now."""
        if moment > self.now:
            self.check(moment)
            self.now = moment


def iso(moment: datetime) -> str:
    """Write a moment as the platform mostly does: with milliseconds and Z."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def iso_seconds(moment: datetime) -> str:
    """Write a moment as the platform does in a few fields: without milliseconds."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def whole_hour(moment: datetime) -> datetime:
    """Cut a moment to its hour, as the platform does with dates of expiry and of cancellation."""
    return moment.replace(minute=0, second=0, microsecond=0)


def parse(text: str) -> datetime:
    """Read an ISO moment; one without a zone is UTC.

    Raises:
        ValueError: when it is none.

    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def months_later(moment: datetime, months: int, day: int) -> datetime:
    """Return the same time of day `months` later, on `day` of the month or on its last day."""
    years, month = divmod(moment.month - 1 + months, 12)
    year = moment.year + years
    return moment.replace(year=year, month=month + 1, day=min(day, monthrange(year, month + 1)[1]))
