"""What every part needs while it runs: the time, and a place for log lines and metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The wall clock: used for back-off and age alone. Everything else goes by the time in the messages."""

    def __call__(self) -> datetime:
        """Return now, aware, in UTC."""
        ...


class Telemetry(Protocol):
    """Log lines and metrics: one line per outcome, never a value of an event."""

    def outcome(self, outcome: str, *, event_id: str | None, topic: str | None, **about: object) -> None:
        """Log what became of one thing, and count it under its outcome."""
        ...

    def measure(self, name: str, value: float, unit: str = "Count", **by: str) -> None:
        """Record a figure, by the dimensions given."""
        ...

    def flush(self) -> None:
        """Write the figures of this invocation."""
        ...
