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


class TryCounter(Protocol):
    """Counts how often each suspect message was begun alone, beyond the end of an invocation."""

    def begin(self, message: str) -> int:
        """Count one more try; return how many there are with it. Raises `TransientError`: then nothing may be begun."""
        ...

    def clear(self, message: str) -> None:
        """Begin the count anew: the message ended in order. Raises `TransientError`."""
        ...


class UncountedTries:
    """Counts nothing: for a function whose settings name no table for the count."""

    def begin(self, message: str) -> int:  # noqa: ARG002 - the port's signature
        """Return 1: every try is the first."""
        return 1

    def clear(self, message: str) -> None:
        """Do nothing."""
