"""Notes are told when the CRM holds their members: in the order of their times, many members in one call.

A note whose member is not mirrored yet stays with its message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from relay.crm import coalescing
from relay.crm.circuits import Doors
from relay.crm.claimed_write import SyncResult
from relay.crm.results import Judge, to_error
from relay.crm.run import NEEDED_MS, SyncRun
from relay.errors import TransientError
from relay.model.effects import effect_id
from relay.model.messages import MemberChanged
from relay.ports.crm import ContactRef, Crm, CrmOutcome
from relay.ports.runtime import Clock
from relay.queues.batch import Message
from relay.queues.requests import RecheckQueue

NOTES_WAIT: Final = 12
"""How long a note waits for a member without an address, in delays of `rechecking.py`: two hours by default.

Within six of them, an hour, the API has been asked.
"""


@dataclass(frozen=True, slots=True)
class TimelineWriter:
    """Where an invocation's notes are told. `rechecks` is None where nobody asks for a missing address."""

    crm: Crm
    doors: Doors
    judge: Judge
    rechecks: RecheckQueue | None
    clock: Clock

    def tell(self, this: SyncRun) -> Mapping[str, Exception]:
        """Tell the notes of members that the CRM holds; what keeps a message's notes back, by message id."""
        back: dict[str, Exception] = {}
        due: dict[str, MemberChanged] = {}
        for message_id, change in this.changes.items():
            standing = this.standings[change.member]
            if not note_ids(change):
                continue
            # Where the member itself waits, so does the message, and its notes with it.
            why = self._keeps(standing, this.messages[message_id])
            if why:
                back[message_id] = why
            elif to_error(standing, "mirrored"):
                due[message_id] = change
        due = dict(sorted(due.items(), key=lambda pair: pair[1].events[0].at))
        held = self._held(this, due)
        told = self._tell(this, {key: due[key] for key in due if key not in held})
        return {**back, **dict.fromkeys(held, coalescing.wait_for_fuller_batch("notes: ")), **told}

    def _keeps(self, standing: SyncResult, message: Message) -> Exception | None:
        """Let notes wait a while for a member whose address is being asked for; a refused one's are dropped."""
        if self.rechecks is None or not to_error(standing, "skipped"):
            return None
        delay = self.rechecks.delay
        if self.clock() - message.waiting_since > timedelta(seconds=NOTES_WAIT * delay):
            return None
        return TransientError("notes wait for their member", retry_after=max(delay / 2, 1))

    def _held(self, this: SyncRun, due: Mapping[str, MemberChanged]) -> set[str]:
        if not this.is_crowded(self.crm.notes_batch_size):
            return set()
        counts = {message_id: len(note_ids(change)) for message_id, change in due.items()}
        return coalescing.notes(counts, set(filter(this.has_waited, due)), self.crm.notes_batch_size)

    def _tell(self, this: SyncRun, due: Mapping[str, MemberChanged]) -> Mapping[str, Exception]:
        told: dict[str, SyncResult] = {}
        late: set[str] = set()
        for call in _calls(due, self.crm.notes_batch_size):
            if this.stop or this.millis < NEEDED_MS:
                # A slow receiver of single notes would else outlast us: a crash tells all of them again.
                late |= call.keys()
                continue
            ordered = list(call.values())
            told |= self.doors.heard(this, self.crm.record(ordered, _homes(this, ordered)))
        stop = self.judge.verdict(this.stop) if this.stop else None
        later = stop or TransientError("notes are for the next invocation", retry_after=1)
        return {**self._failed(due, told), **dict.fromkeys(late, later)}

    def _failed(
        self, due: Mapping[str, MemberChanged], told: Mapping[str, SyncResult]
    ) -> Mapping[str, Exception]:
        """Return, by message, the first of what kept its notes from being told."""
        verdicts = {note: self.judge.verdict(standing) for note, standing in told.items()}
        failures = {
            message_id: [failure for note in note_ids(change) if (failure := verdicts.get(note))]
            for message_id, change in due.items()
        }
        return {message_id: failed[0] for message_id, failed in failures.items() if failed}


def note_ids(change: MemberChanged) -> list[str]:
    """Return the ids of a change's notes."""
    return [
        effect_id(event_effects.event_id, effect)
        for event_effects in change.events
        for effect in event_effects.effects
        if effect.kind == "note"
    ]


def _calls(due: Mapping[str, MemberChanged], size: int) -> Iterator[dict[str, MemberChanged]]:
    """Yield the changes in their order, as many as one call takes the notes of; a larger one alone."""
    call: dict[str, MemberChanged] = {}
    notes = 0
    for message_id, change in due.items():
        more = len(note_ids(change))
        if call and notes + more > size:
            yield call
            call, notes = {}, 0
        call[message_id] = change
        notes += more
    if call:
        yield call


def _homes(this: SyncRun, changes: Sequence[MemberChanged]) -> Mapping[str, ContactRef]:
    homes = {}
    for key in dict.fromkeys(change.member for change in changes):
        standing = this.standings[key]
        found = standing.id if isinstance(standing, CrmOutcome) else None
        homes[key] = ContactRef(key=key, id=found or this.known[key].id, email=this.profiles[key].email)
    return homes
