"""Circuit breaker for one CRM, shared by all Lambda environments. While open, one probe at a time is let through.

A success of the probe closes the circuit. The state is one small item. An invocation reads it once (half a read unit);
a write follows only a change: a failed call, a probe, a probe's success. While the circuit is open, an invocation defers
its messages without reading any of them, which spends no receives (`queues/batch.py`).

An open circuit and a probe under way are waited for differently. A probe usually takes a second, so an invocation that
meets one looks again soon; the probe itself counts as alive for as long as an invocation can last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from relay.errors import CircuitOpenError, TransientError
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import CircuitRecord, CircuitStore
from relay.ports.runtime import Clock

_FIRST_OPEN: Final = timedelta(seconds=5)
_LONGEST_OPEN: Final = timedelta(minutes=5)
"""At most this long after an outage until a probe finds that it is over."""

_OPEN_BY_CODE: Final = timedelta(minutes=5)
"""How long one code that met many members keeps the circuit open, until one member is tried."""

_LONGEST_ASKED: Final = timedelta(minutes=15)
"""At most this long if the CRM itself says when: the longest delay of a queue."""

_PROBE_TIMEOUT: Final = timedelta(seconds=90)
"""A probe that has not reported by then counts as dead: longer than an invocation."""

_LONGEST_WAIT_FOR_PROBE: Final = timedelta(seconds=30)
"""An invocation that meets a probe looks again after at most this long: short beside the outage so far."""


@dataclass(slots=True)
class CircuitPass:
    """One invocation's permission to call. `probing` marks the probe; `record` is the circuit as last seen."""

    record: CircuitRecord
    probing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """The circuit breaker of one CRM."""

    circuits: CircuitStore
    clock: Clock

    def allow(self) -> CircuitPass:
        """Return the permission to call; that of the probe if the circuit was open for long enough.

        Raises:
            CircuitOpenError: the circuit is open, or a probe is under way.
            TransientError: the table does not answer.

        """
        record, now = self.circuits.load(), self.clock()
        if record.state == "closed" or record.until is None:
            return CircuitPass(record)
        if now < record.until:
            left = record.until - now
            half_open = record.state == "half_open"
            raise _open_error(record, min(left, _wait_for_probe(record)) if half_open else left)
        probe = replace(record, state="half_open", until=now + _PROBE_TIMEOUT, version=record.version + 1)
        if not self.circuits.compare_and_swap(record, probe):
            raise _open_error(record, _wait_for_probe(record))
        return CircuitPass(probe, probing=True)

    def trip(self, permit: CircuitPass, outcome: CrmOutcome) -> float:
        """Open the circuit after a failed call; return for how many seconds.

        That is what the CRM asks for, otherwise longer after every failure in a row.
        """
        failures = permit.record.failures + 1
        duration, asked = _open_for(failures), outcome.retry_after
        if asked is not None:
            duration = min(timedelta(seconds=asked), _LONGEST_ASKED)
        until = self.clock() + duration
        # What one code has opened stays that: an outage in between must not make its closing forget who waits.
        known = permit.record
        reason = known.reason if known.by_code else outcome.reason
        wanted = CircuitRecord(
            state="open", until=until, failures=failures, reason=reason, by_code=known.by_code
        )
        written = self._swap(permit, wanted)
        if not written and asked is not None:
            self._extend(until, outcome.reason)
        return duration.total_seconds()

    def open_by_code(self, permit: CircuitPass, code: str) -> float:
        """Open the circuit because one code meets many members; return for how many seconds."""
        wanted = CircuitRecord(
            state="open", until=self.clock() + _OPEN_BY_CODE, failures=1, reason=code, by_code=True
        )
        self._swap(permit, wanted)
        return _OPEN_BY_CODE.total_seconds()

    def keep(self, permit: CircuitPass, evidence: tuple[tuple[str, str], ...]) -> None:
        """Store what speaks for a fault of the provider, if it changed and the circuit is closed."""
        changed = evidence != permit.record.evidence and permit.record.state == "closed"
        if changed and not self._swap(permit, replace(permit.record, evidence=evidence)):
            self._load(permit)

    def reset(self, permit: CircuitPass) -> bool:
        """Close the circuit after a successful call, if this invocation is the probe; return whether a code had opened it."""
        if not permit.probing:
            return False
        by_code = permit.record.by_code
        return self._swap(permit, CircuitRecord()) and by_code

    def release(self, permit: CircuitPass) -> None:
        """Let another probe through at once, if this invocation is the probe and made no call."""
        if permit.probing:
            record = permit.record
            self._swap(permit, replace(record, state="open", until=self.clock()))

    def _swap(self, permit: CircuitPass, wanted: CircuitRecord) -> bool:
        """Write the circuit over the record last seen; return False if another invocation wrote first."""
        wanted = replace(wanted, version=permit.record.version + 1)
        permit.probing = False
        try:
            if self.circuits.compare_and_swap(permit.record, wanted):
                permit.record = wanted
                return True
        except TransientError:
            # The breaker only saves calls: without this write, the next invocation makes a call that fails.
            return True
        return False

    def _load(self, permit: CircuitPass) -> None:
        try:
            permit.record = self.circuits.load()
        except TransientError:
            return

    def _extend(self, until: datetime, reason: str) -> None:
        """Keep the circuit open for as long as the CRM asked, though another invocation wrote in between."""
        try:
            record = self.circuits.load()
            if record.until is None or record.until < until or record.state == "half_open":
                extended = replace(
                    record, state="open", until=until, reason=reason, version=record.version + 1
                )
                self.circuits.compare_and_swap(record, extended)
        except TransientError:
            return


def _open_for(failures: int) -> timedelta:
    duration: timedelta = _FIRST_OPEN * 2 ** min(failures - 1, 10)
    return min(duration, _LONGEST_OPEN)


def _wait_for_probe(record: CircuitRecord) -> timedelta:
    """Return when to look again while a probe is under way: as long as the circuit was open, at most half a minute."""
    return min(_open_for(max(record.failures, 1)), _LONGEST_WAIT_FOR_PROBE)


def _open_error(record: CircuitRecord, wait: timedelta) -> CircuitOpenError:
    return CircuitOpenError(f"circuit open: {record.reason}", retry_after=max(wait.total_seconds(), 1.0))
