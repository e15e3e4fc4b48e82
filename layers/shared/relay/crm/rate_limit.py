"""Keeps a CRM's rate limits over all Lambda environments together.

Every request uses a slot. Slots are moments a fixed `interval` apart, reserved in blocks from a store that all
environments share, so that one small write pays for several calls. A slot may be used from its moment on, and only for a
limited time; so no window can hold more slots than the limit has calls. With N calls in T seconds and a burst of B = N/8,
slots may be used B intervals late, or a little later (`slack`): all slots that can fall into a window lie within
T + B·interval + slack, and `interval` is chosen so that these are N - 1.

Cost: one write ($0.625 per million) for about a second of calls, at most an eighth of a limit's calls. HubSpot takes 100
members a call, so a busy queue pays one write for 800 members, beside the two writes that each member costs anyway
(`adapters/dynamodb/crm_state.py`). A single event pays one, a third more.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from relay.errors import TransientError
from relay.ports.crm import RateLimit
from relay.ports.crm_state import RateLimitStore
from relay.ports.runtime import Clock

MAX_WAIT: Final = timedelta(seconds=5)
"""A slot that is further away is not waited for: the messages are deferred (`queues/batch.py`)."""

_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """How a rate limit becomes slots.

    Slots are `interval` apart, usable for `valid_for` after their moment, and reserved in blocks of `block`. Slots that
    no caller used can be reserved up to `burst` in the past.
    """

    interval: timedelta
    burst: timedelta
    valid_for: timedelta
    block: int


def slot_plan(limit: RateLimit) -> SlotPlan:
    """Return the slots that keep a limit in every window, wherever the window begins."""
    window = timedelta(seconds=limit.seconds)
    slack = min(window / 8, _SECOND)
    burst = limit.calls // 8
    interval = (window + slack) / max(limit.calls - burst - 1, 1)
    block = max(1, min(burst, _SECOND // interval))
    return SlotPlan(interval, burst * interval, burst * interval + slack, block)


@dataclass(slots=True)
class RateLimiter:
    """Delays the requests of one environment to one CRM. `sleep` takes seconds."""

    limits: Sequence[RateLimit]
    store: RateLimitStore
    clock: Clock
    sleep: Callable[[float], None]
    _reserved: dict[int, deque[datetime]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, path: str) -> None:
        """Wait until a request to this path may be sent.

        Raises:
            TransientError: the next slot is too far away, or the store does not answer; `retry_after` says when to try again.

        """
        matching = [(number, limit) for number, limit in enumerate(self.limits) if limit.path in path]
        # The long windows first: their slots stay valid during the wait for the others, not the other way round.
        for number, limit in sorted(matching, key=lambda pair: -pair[1].seconds):
            self._wait(number, slot_plan(limit))

    def _wait(self, number: int, plan: SlotPlan) -> None:
        while True:
            with self._lock:
                slot = self._next(number, plan)
            wait = slot - self.clock()
            if wait > timedelta(0):
                self.sleep(wait.total_seconds())
            # After too long a sleep the slot is lost: used now, it would fall into a later window.
            if self.clock() <= slot + plan.valid_for:
                return

    def _next(self, number: int, plan: SlotPlan) -> datetime:
        reserved = self._reserved.setdefault(number, deque())
        now = self.clock()
        while reserved and reserved[0] + plan.valid_for < now:
            reserved.popleft()
        if not reserved:
            begin = self.store.reserve(
                number,
                earliest=now - plan.burst,
                latest=now + MAX_WAIT,
                span=plan.interval * plan.block,
            )
            if begin is None:
                raise TransientError("all slots are taken", retry_after=MAX_WAIT.total_seconds())
            reserved.extend(begin + plan.interval * slot for slot in range(plan.block))
        return reserved.popleft()
