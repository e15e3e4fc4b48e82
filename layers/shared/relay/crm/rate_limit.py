"""A CRM is never called more often than it allows, by all environments together.

Every request takes turns: moments `step` apart, given out a handful at a time at a turnstile that all
environments share, so that one small write buys several calls. A turn may be used from its moment on,
and only for a while: so in any window no more turns can fall than the rate has calls. With N calls in
T seconds, a burst of B turns (N/8) may be used late, or a little later still (`_slack`): all turns that
can fall into a window lie within T + B·step + slack, and `step` is chosen so that these are N - 1.

What it costs: one write (of $0.625 per million) for about a second of calls, an eighth of a rate's calls
at most. HubSpot takes 100 members a call, so a busy queue pays a write for 800 members beside the two
that each of them costs anyway (`adapters/mirrors.py`); a lone event pays one, a third more.
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

PATIENCE: Final = timedelta(seconds=5)
"""A turn that is further away is not waited for: the messages go back to the queue, which can wait."""

_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Measure:
    """A rate, in turns: `step` apart, usable for `late` after their moment, `handful` at a time.

    Turns that nobody took are given out as far `back` as makes a burst.
    """

    step: timedelta
    back: timedelta
    late: timedelta
    handful: int


def measure(rate: RateLimit) -> Measure:
    """Return the turns by which a rate is kept in every window, wherever that begins."""
    window = timedelta(seconds=rate.seconds)
    slack = min(window / 8, _SECOND)
    burst = rate.calls // 8
    step = (window + slack) / max(rate.calls - burst - 1, 1)
    handful = max(1, min(rate.calls // 8, _SECOND // step))
    return Measure(step, burst * step, burst * step + slack, handful)


@dataclass(slots=True)
class RateLimiter:
    """The pace of one CRM's callers. `sleep` takes seconds."""

    rates: Sequence[RateLimit]
    turnstiles: RateLimitStore
    clock: Clock
    sleep: Callable[[float], None]
    _turns: dict[int, deque[datetime]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, path: str) -> None:
        """Wait until a request to this path may go out.

        Raises:
            TransientError: when that is too far away, or nobody can say; `retry_after` says when to ask again.

        """
        mine = [(number, rate) for number, rate in enumerate(self.rates) if rate.path in path]
        # The long windows first: their turns can bear the wait for the others better than the other way round.
        for number, rate in sorted(mine, key=lambda pair: -pair[1].seconds):
            self._wait(number, measure(rate))

    def _wait(self, number: int, turns: Measure) -> None:
        while True:
            with self._lock:
                moment = self._next(number, turns)
            wait = moment - self.clock()
            if wait > timedelta(0):
                self.sleep(wait.total_seconds())
            # Whoever slept too long has missed its turn: used now, it would fall into a later window.
            if self.clock() <= moment + turns.late:
                return

    def _next(self, number: int, turns: Measure) -> datetime:
        mine = self._turns.setdefault(number, deque())
        now = self.clock()
        while mine and mine[0] + turns.late < now:
            mine.popleft()
        if not mine:
            begin = self.turnstiles.lease(
                number,
                earliest=now - turns.back,
                latest=now + PATIENCE,
                span=turns.step * turns.handful,
            )
            if begin is None:
                raise TransientError("all turns are taken", retry_after=PATIENCE.total_seconds())
            mine.extend(begin + turns.step * turn for turn in range(turns.handful))
        return mine.popleft()
