"""While a CRM is down nobody knocks at it but one caller now and then; the first that gets through opens it to all.

The state is one small item for all environments. It is read once an invocation (half a read unit) and
written only when something changes: when a call got nowhere, at every attempt of the one that is let
through, and when that succeeded. Whoever finds it closed puts its messages back without reading any of
them; that is a deferral, so no receives are spent (`batch.py`).

Closed is one thing, and somebody at the door another: that takes a second as a rule. Who comes meanwhile
looks again soon, while the one at the door is believed to be alive for as long as it may be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from relay.errors import CircuitOpenError, TransientError
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import CircuitRecord, CircuitStore
from relay.ports.runtime import Clock

_FIRST: Final = timedelta(seconds=5)
_LONGEST: Final = timedelta(minutes=5)
"""After an outage, so long may it take until somebody notices that it is over."""

_LONGEST_ASKED: Final = timedelta(minutes=15)
"""Where the CRM itself says when: at most so long, the longest that a queue can put off."""

_ATTEMPT: Final = timedelta(seconds=90)
"""So long after it was let through, the one that was not heard of is taken for dead: longer than an invocation."""

_LONGEST_MEANWHILE: Final = timedelta(seconds=30)
"""Who comes during an attempt looks again at the latest after so long: soon beside what an outage took to get here."""


@dataclass(slots=True)
class CircuitPass:
    """One invocation's way in. `probing` says that it is the one that was let through; `gate` is as it last saw it."""

    gate: CircuitRecord
    probing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """The breaker of one CRM."""

    gates: CircuitStore
    clock: Clock

    def enter(self) -> CircuitPass:
        """Go in, if anybody may.

        Raises:
            ParkedError: not now.
            TransientError: when the table does not answer.

        """
        gate, now = self.gates.load(), self.clock()
        if gate.until is None:
            return CircuitPass(gate)
        if now < gate.until:
            left = gate.until - now
            raise _parked(gate, min(left, _meanwhile(gate)) if gate.trying else left)
        mine = replace(gate, until=now + _ATTEMPT, trying=True, version=gate.version + 1)
        if not self.gates.swap(gate, mine):
            raise _parked(gate, _meanwhile(gate))
        return CircuitPass(mine, probing=True)

    def closed(self, door: CircuitPass, outcome: CrmOutcome) -> float:
        """Note that nobody got through; return how many seconds all then wait: as the CRM asks, else longer every time."""
        failures = door.gate.failures + 1
        hold, asked = _hold(failures), outcome.retry_after
        if asked is not None:
            hold = min(timedelta(seconds=asked), _LONGEST_ASKED)
        until = self.clock() + hold
        wrote = self._write(door, until=until, failures=failures, reason=outcome.reason)
        if not wrote and asked is not None:
            self._extend(until, outcome.reason)
        return hold.total_seconds()

    def passed(self, door: CircuitPass) -> None:
        """Note that somebody got through: the one that was let in opens it to all."""
        if door.probing:
            self._write(door, until=None, failures=0, reason="")

    def left(self, door: CircuitPass) -> None:
        """Let another try at once, if this one was let in and had no reason to call."""
        if door.probing:
            self._write(door, until=self.clock(), failures=door.gate.failures, reason=door.gate.reason)

    def _write(self, door: CircuitPass, *, until: datetime | None, failures: int, reason: str) -> bool:
        """Write what was learnt, unless another has since: then it is the other's word that counts."""
        wanted = CircuitRecord(until=until, failures=failures, reason=reason, version=door.gate.version + 1)
        door.probing = False
        try:
            if self.gates.swap(door.gate, wanted):
                door.gate = wanted
                return True
        except TransientError:
            # It is an economy, not a promise: the next one finds out by itself.
            return True
        return False

    def _extend(self, until: datetime, reason: str) -> None:
        """Keep it closed for as long as the CRM asked, though another wrote in between, who was not asked to wait."""
        try:
            gate = self.gates.load()
            if gate.until is None or gate.until < until or gate.trying:
                self.gates.swap(
                    gate, replace(gate, until=until, trying=False, reason=reason, version=gate.version + 1)
                )
        except TransientError:
            return


def _hold(failures: int) -> timedelta:
    hold: timedelta = _FIRST * 2 ** min(failures - 1, 10)
    return min(hold, _LONGEST)


def _meanwhile(gate: CircuitRecord) -> timedelta:
    """Return when to look again while somebody tries: as long as it was closed, or would be, but no half minute."""
    return min(_hold(max(gate.failures, 1)), _LONGEST_MEANWHILE)


def _parked(gate: CircuitRecord, wait: timedelta) -> CircuitOpenError:
    return CircuitOpenError(f"closed: {gate.reason}", retry_after=max(wait.total_seconds(), 1.0))
