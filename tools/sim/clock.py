"""Virtual time: it stands still until a command advances it, and it is never ahead of the real time."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from sim.errors import AheadOfTimeError

MARGIN: Final = timedelta(seconds=5)
"""How far virtual time stays behind real time: `triggeredAt` is up to 0.9 s after the event."""


def real_time() -> datetime:
    """Return the real time."""
    return datetime.now(UTC)


class Clock:
    """Virtual time. `advance_to` moves it forward, never past the real time."""

    def __init__(self, start: datetime, wall_clock: Callable[[], datetime] = real_time) -> None:
        self._real_time = wall_clock
        self.now = start
        self.check(start)

    @property
    def latest(self) -> datetime:
        """The latest virtual time allowed now."""
        return self._real_time() - MARGIN

    def check(self, moment: datetime) -> None:
        """Refuse a time in the real future.

        Raises:
            AheadOfTimeError: with the span that is still allowed.

        """
        if moment > self.latest:
            allowed = max(timedelta(), self.latest - self.now)
            raise AheadOfTimeError(f"virtual time cannot pass the real time: at most {allowed} more")

    def advance_to(self, moment: datetime) -> None:
        """Move virtual time to `moment`, if that is later than now."""
        if moment > self.now:
            self.check(moment)
            self.now = moment


def iso(moment: datetime) -> str:
    """Format a time as most fields of the platform do: with milliseconds and Z."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def iso_seconds(moment: datetime) -> str:
    """Format a time as a few fields of the platform do: without milliseconds."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def whole_hour(moment: datetime) -> datetime:
    """Truncate a time to its hour, as the platform does with dates of expiry and of cancellation."""
    return moment.replace(minute=0, second=0, microsecond=0)


def parse(text: str) -> datetime:
    """Parse an ISO time; without a zone it is UTC.

    Raises:
        ValueError: the text is no ISO time.

    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def months_later(moment: datetime, months: int, day: int) -> datetime:
    """Return the same time of day `months` later, on `day` of that month or on its last day."""
    years, month = divmod(moment.month - 1 + months, 12)
    year = moment.year + years
    return moment.replace(year=year, month=month + 1, day=min(day, monthrange(year, month + 1)[1]))
