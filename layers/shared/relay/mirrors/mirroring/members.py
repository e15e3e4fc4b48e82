"""Members that the CRM does not hold as they are now are written, in calls that are as full as can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from relay.errors import TransientError
from relay.mirrors.mirroring import company
from relay.mirrors.mirroring.doors import Doors
from relay.mirrors.mirroring.invocation import NEEDED_MS, Invocation
from relay.mirrors.writing import Writing, holds, noted
from relay.ports.crm import Crm


@dataclass(frozen=True, slots=True)
class MembersRoom:
    """Where an invocation's members are written."""

    crm: Crm
    writing: Writing
    doors: Doors

    def mirror(self, this: Invocation) -> None:
        """Write who differs, until the CRM or the time says stop: the rest then stands like the last."""
        stale = [key for key, wanted in this.profiles.items() if not holds(this.known[key], wanted)]
        this.standings |= {key: noted(this.known[key]) for key in this.profiles}
        if self.crm.bulk:
            self._write(this, [key for key in stale if key not in this.loud], self.crm.bulk.size, by_job=True)
            stale = [key for key in stale if key in this.loud]
        held = self._held(this, stale)
        this.standings |= dict.fromkeys(held, company.waits())
        self._write(this, [key for key in stale if key not in held], self.crm.batch_size)

    def _held(self, this: Invocation, stale: Sequence[str]) -> set[str]:
        if not this.is_crowded(self.crm.batch_size):
            return set()
        waited = {change.member for message_id, change in this.changes.items() if this.has_waited(message_id)}
        return company.members(stale, waited, self.crm.batch_size)

    def _write(self, this: Invocation, keys: Sequence[str], size: int, *, by_job: bool = False) -> None:
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
