"""While a CRM is down nobody knocks at it but one caller now and then; the first that gets through opens it to all.

The state is one small item for all environments. It is read once an invocation (half a read unit) and
written only when something changes: when a call got nowhere, at every attempt of the one that is let
through, and when that succeeded. Whoever finds it closed puts its messages back without reading any of
them; that is a deferral, so no receives are spent (`batch.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from relay.errors import ParkedError, TransientError
from relay.ports.crm import Outcome
from relay.ports.mirrors import Gate, Gates
from relay.ports.running import Clock

_FIRST: Final = timedelta(seconds=5)
_LONGEST: Final = timedelta(minutes=5)
"""After an outage, so long may it take until somebody notices that it is over."""

_LONGEST_ASKED: Final = timedelta(minutes=15)
"""Where the CRM itself says when: at most so long, the longest that a queue can put off."""

_ATTEMPT: Final = timedelta(seconds=90)
"""How long the one that was let through keeps the others away: longer than an invocation."""


@dataclass(slots=True)
class Door:
    """One invocation's way in. `probing` says that it is the one that was let through; `gate` is as it last saw it."""

    gate: Gate
    probing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The breaker of one CRM."""

    gates: Gates
    clock: Clock

    def enter(self) -> Door:
        """Go in, if anybody may.

        Raises:
            ParkedError: not now.
            TransientError: when the table does not answer.

        """
        gate, now = self.gates.load(), self.clock()
        if gate.until is None:
            return Door(gate)
        if now < gate.until:
            raise _parked(gate, gate.until - now)
        mine = Gate(
            until=now + _ATTEMPT, failures=gate.failures, reason=gate.reason, version=gate.version + 1
        )
        if not self.gates.swap(gate, mine):
            raise _parked(gate, _FIRST)
        return Door(mine, probing=True)

    def closed(self, door: Door, outcome: Outcome) -> float:
        """Note that nobody got through; return how many seconds all then wait: as the CRM asks, else longer every time."""
        failures = door.gate.failures + 1
        hold: timedelta = min(_FIRST * 2 ** min(failures - 1, 10), _LONGEST)
        if outcome.retry_after is not None:
            hold = min(timedelta(seconds=outcome.retry_after), _LONGEST_ASKED)
        self._write(door, until=self.clock() + hold, failures=failures, reason=outcome.reason)
        return hold.total_seconds()

    def passed(self, door: Door) -> None:
        """Note that somebody got through: the one that was let in opens it to all."""
        if door.probing:
            self._write(door, until=None, failures=0, reason="")

    def left(self, door: Door) -> None:
        """Let another try at once, if this one was let in and had no reason to call."""
        if door.probing:
            self._write(door, until=self.clock(), failures=door.gate.failures, reason=door.gate.reason)

    def _write(self, door: Door, *, until: datetime | None, failures: int, reason: str) -> None:
        """Write what was learnt, unless another has since: then it is the other's word that counts."""
        wanted = Gate(until=until, failures=failures, reason=reason, version=door.gate.version + 1)
        door.probing = False
        try:
            if self.gates.swap(door.gate, wanted):
                door.gate = wanted
        except TransientError:
            # It is an economy, not a promise: the next one finds out by itself.
            return


def _parked(gate: Gate, wait: timedelta) -> ParkedError:
    return ParkedError(f"closed: {gate.reason}", retry_after=max(wait.total_seconds(), 1.0))
