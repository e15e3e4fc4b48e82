"""Members that the CRM does not hold as they are now are written, in calls that are as full as can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from relay.crm import coalescing
from relay.crm.circuits import Doors
from relay.crm.claimed_write import ClaimedWrite, cached_result, is_current
from relay.crm.run import NEEDED_MS, SyncRun
from relay.errors import TransientError
from relay.ports.crm import Crm


@dataclass(frozen=True, slots=True)
class ContactWriter:
    """Where an invocation's members are written."""

    crm: Crm
    writing: ClaimedWrite
    doors: Doors

    def mirror(self, this: SyncRun) -> None:
        """Write who differs, until the CRM or the time says stop: the rest then stands like the last."""
        stale = [key for key, wanted in this.profiles.items() if not is_current(this.known[key], wanted)]
        this.standings |= {key: cached_result(this.known[key]) for key in this.profiles}
        if self.crm.bulk:
            self._write(this, [key for key in stale if key not in this.loud], self.crm.bulk.size, by_job=True)
            stale = [key for key in stale if key in this.loud]
        held = self._held(this, stale)
        this.standings |= dict.fromkeys(held, coalescing.wait_for_fuller_batch())
        self._write(this, [key for key in stale if key not in held], self.crm.batch_size)

    def _held(self, this: SyncRun, stale: Sequence[str]) -> set[str]:
        if not this.is_crowded(self.crm.batch_size):
            return set()
        waited = {change.member for message_id, change in this.changes.items() if this.has_waited(message_id)}
        return coalescing.members(stale, waited, self.crm.batch_size)

    def _write(self, this: SyncRun, keys: Sequence[str], size: int, *, by_job: bool = False) -> None:
        for start in range(0, len(keys), size):
            batch = keys[start : start + size]
            left = this.millis
            if this.stop is None and left < NEEDED_MS:
                # Put off rather than handed back: nothing is wrong with them, so it must spend no receives.
                this.stop = TransientError("no time left in this invocation", retry_after=1)
            if this.stop:
                this.standings |= dict.fromkeys(batch, this.stop)
                continue
            found = self.writing.write(
                this.of(batch),
                left=timedelta(milliseconds=left),
                quiet=frozenset(batch) - this.loud,
                by_job=by_job,
            )
            this.standings |= self.doors.heard(this, found)
