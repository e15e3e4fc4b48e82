"""Limit on requests per second, shared by all threads and tasks of a client."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class RateLimiter:
    """Spaces requests evenly, after a first burst of up to one second's worth.

    It does not wait itself: `reserve` returns the delay, and the transport waits.
    """

    def __init__(self, per_second: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap = 0.0 if per_second is None else 1.0 / per_second
        self._clock = clock
        self._burst = max(0.0, 1.0 - self._gap)
        self._next = 0.0
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Reserve the next free slot; return the seconds until it."""
        if not self._gap:
            return 0.0
        with self._lock:
            now = self._clock()
            self._next = max(self._next, now - self._burst)
            wait = self._next - now
            self._next += self._gap
        return max(0.0, wait)
