"""Ports of every function: the time, and log lines with metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from relay.model.metrics import Metric, Outcome


class Clock(Protocol):
    """The wall clock: used for back-off and age alone. Everything else goes by the time in the messages."""

    def __call__(self) -> datetime:
        """Return now, aware, in UTC."""
        ...


class Telemetry(Protocol):
    """Log lines and metrics: one line per outcome, never a value of an event."""

    def outcome(self, outcome: Outcome, *, event_id: str | None, topic: str | None, **about: object) -> None:
        """Log one outcome."""
        ...

    def measure(self, metric: Metric, value: float) -> None:
        """Record a value of a metric, where this function measures it."""
        ...
