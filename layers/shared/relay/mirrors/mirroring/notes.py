"""Notes are told when the CRM holds their members: in the order of their times, many members in one call.

A note whose member is not mirrored yet stays with its message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from relay.batch import Message
from relay.changes import Change
from relay.effects import effect_id
from relay.errors import TransientError
from relay.mirrors.mirroring import company
from relay.mirrors.mirroring.doors import Doors
from relay.mirrors.mirroring.invocation import NEEDED_MS, Invocation
from relay.mirrors.mirroring.verdicts import Judge, stands
from relay.mirrors.writing import Standing
from relay.ports.crm import Crm, Home, Outcome
from relay.ports.running import Clock
from relay.rechecking import Rechecks

NOTES_WAIT: Final = 12
"""How long a note waits for a member without an address, in delays of `rechecking.py`: two hours by default.

Within six of them, an hour, the API has been asked.
"""


@dataclass(frozen=True, slots=True)
class NotesRoom:
    """Where an invocation's notes are told. `rechecks` is None where nobody asks for a missing address."""

    crm: Crm
    doors: Doors
    judge: Judge
    rechecks: Rechecks | None
    clock: Clock

    def tell(self, this: Invocation) -> Mapping[str, Exception]:
        """Tell the notes of members that the CRM holds; what keeps a message's notes back, by message id."""
        back: dict[str, Exception] = {}
        due: dict[str, Change] = {}
        for message_id, change in this.changes.items():
            standing = this.standings[change.member]
            if not note_ids(change) or self.judge.verdict(standing):
                continue  # the message waits with its member
            why = self._keeps(standing, this.messages[message_id])
            if why:
                back[message_id] = why
            elif stands(standing, "mirrored"):
                due[message_id] = change
        due = dict(sorted(due.items(), key=lambda pair: pair[1].happenings[0].at))
        held = self._held(this, due)
        told = self._tell(this, {key: due[key] for key in due if key not in held})
        return {**back, **dict.fromkeys(held, company.waits("notes: ")), **told}

    def _keeps(self, standing: Standing, message: Message) -> Exception | None:
        """Let notes wait a while for a member whose address is being asked for; a refused one's are dropped."""
        if self.rechecks is None or not stands(standing, "skipped"):
            return None
        delay = self.rechecks.delay
        if self.clock() - message.first_received_at > timedelta(seconds=NOTES_WAIT * delay):
            return None
        return TransientError("notes wait for their member", retry_after=max(delay / 2, 1))

    def _held(self, this: Invocation, due: Mapping[str, Change]) -> set[str]:
        if not this.is_crowded(self.crm.notes_batch_size):
            return set()
        counts = {message_id: len(note_ids(change)) for message_id, change in due.items()}
        return company.notes(counts, set(filter(this.has_waited, due)), self.crm.notes_batch_size)

    def _tell(self, this: Invocation, due: Mapping[str, Change]) -> Mapping[str, Exception]:
        told: dict[str, Standing] = {}
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

    def _failed(self, due: Mapping[str, Change], told: Mapping[str, Standing]) -> Mapping[str, Exception]:
        """Return, by message, the first of what kept its notes from being told."""
        verdicts = {note: self.judge.verdict(standing) for note, standing in told.items()}
        failures = {
            message_id: [failure for note in note_ids(change) if (failure := verdicts.get(note))]
            for message_id, change in due.items()
        }
        return {message_id: failed[0] for message_id, failed in failures.items() if failed}


def note_ids(change: Change) -> list[str]:
    """Return the ids of a change's notes."""
    return [
        effect_id(happening.event_id, effect)
        for happening in change.happenings
        for effect in happening.effects
        if effect.kind == "note"
    ]


def _calls(due: Mapping[str, Change], size: int) -> Iterator[dict[str, Change]]:
    """Yield the changes in their order, as many as one call takes the notes of; a larger one alone."""
    call: dict[str, Change] = {}
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


def _homes(this: Invocation, changes: Sequence[Change]) -> Mapping[str, Home]:
    homes = {}
    for key in dict.fromkeys(change.member for change in changes):
        standing = this.standings[key]
        found = standing.id if isinstance(standing, Outcome) else None
        homes[key] = Home(key=key, id=found or this.known[key].id, email=this.profiles[key].email)
    return homes
