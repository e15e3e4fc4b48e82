"""One page of a CRM's members is read, compared with our records, and put right where it differs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from relay.crm.backfill import backfill_change
from relay.crm.claimed_write import ClaimedWrite, SyncResult, is_current
from relay.errors import TransientError
from relay.ports.crm import ContactRef, CrmOutcome
from relay.ports.crm_state import SyncStatePage
from relay.ports.messaging import MessageSender
from relay.queues.batch import Context
from relay.rules.crm_profile import NOT_COMPARED, CrmProfile

REPAIRED: Final = frozenset({"mirrored", "skipped"})
LASTING: Final = REPAIRED | {"refused"}
"""A refusal is the member's own matter: a state that is shown, and nothing that time would mend."""

_BATCH_MS: Final = 25_000
"""One batch takes no longer; `mirroring/invocation.py` leaves it as much."""


@dataclass(frozen=True, slots=True)
class Look:
    """A page's members whom the CRM should hold as they are; in which fields it differs; and who is to be repaired."""

    profiles: Mapping[str, CrmProfile]
    differing: Mapping[str, tuple[str, ...]]
    wrong: Mapping[str, CrmProfile]


@dataclass(frozen=True, slots=True)
class MirrorRepair:
    """What it takes to repair a page. `queue` is the target's own."""

    writing: ClaimedWrite
    queue: MessageSender

    def look(self, page: SyncStatePage) -> Look:
        """Read what the CRM holds of a page's members."""
        homes = {
            key: ContactRef(key=key, id=mirror.id, email=mirror.email)
            for key, mirror in page.mirrors.items()
            if mirror.state == "mirrored"
        }
        profiles = self.writing.profiles(list(homes)) if homes else {}
        settled = {key: wanted for key, wanted in profiles.items() if is_current(page.mirrors[key], wanted)}
        theirs = self.writing.crm.read([homes[key] for key in settled]) if settled else {}
        differing = {
            key: names
            for key, wanted in settled.items()
            if key in theirs and (names := differences(self.writing.crm.shown(wanted), theirs[key]))
        }
        missing = [key for key in settled if key not in theirs]
        return Look(settled, differing, {key: settled[key] for key in [*differing, *missing]})

    def repair(self, wrong: Mapping[str, CrmProfile], context: Context) -> dict[str, SyncResult]:
        """Write these members while there is time, a call's worth at least; where each stands that was tried."""
        size = self.writing.crm.batch_size
        keys: Sequence[str] = list(wrong)
        tried: dict[str, SyncResult] = {}
        for begin in range(0, len(keys), size):
            left = context.get_remaining_time_in_millis()
            if tried and left < _BATCH_MS:
                break
            batch = {key: wrong[key] for key in keys[begin : begin + size]}
            tried |= self.writing.write(batch, left=timedelta(milliseconds=left))
        return tried

    def unsure(self, page: SyncStatePage, settled: Mapping[str, CrmProfile]) -> list[str]:
        """Return of whom nobody is sure, and whom nobody is writing."""
        now = self.writing.clock()
        return [
            key
            for key, mirror in page.mirrors.items()
            if key not in settled
            and (mirror.digest is None or mirror.busy_until is not None)
            and (mirror.busy_until is None or mirror.busy_until <= now)
        ]

    def name(self, keys: Sequence[str]) -> None:
        """Have members written by the queue.

        Raises:
            TransientError: when it does not take one of them.

        """
        if keys and any(self.queue.send([backfill_change(key) for key in keys])):
            raise TransientError("the target's queue does not take its messages")


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[str, ...]:
    """Return the fields in which a CRM shows something else than we wrote."""
    return tuple(
        name for name in sorted({*ours, *theirs} - NOT_COMPARED) if ours.get(name, "") != theirs.get(name, "")
    )


def has_state(standing: SyncResult, states: Collection[str]) -> bool:
    """Say whether the CRM was asked, and this is one of the things that it made of it."""
    return isinstance(standing, CrmOutcome) and standing.state in states
