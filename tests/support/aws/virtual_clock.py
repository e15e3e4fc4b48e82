"""A clock that moves only when a test moves it: days of retention and visibility pass in no time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(slots=True)
class VirtualClock:
    """Wall clock, monotonic clock and sleep of one virtual world."""

    moment: datetime = datetime(2026, 3, 1, 9, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the time (UTC)."""
        return self.moment

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.advance(timedelta(seconds=seconds))

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.moment += by
