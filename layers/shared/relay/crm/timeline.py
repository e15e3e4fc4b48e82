"""Writes notes to a CRM's timeline once the CRM holds their members: by time, many members in one call.

A note whose member is not mirrored yet waits, and its message is deferred; so does a note that the CRM does not take. A
day later it is dropped, and counted: a flow that starts weeks late does harm. A reminder whose reason is gone is left out
(`past_reminders.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from relay.crm import coalescing
from relay.crm.claimed_write import SyncResult, has_state
from relay.crm.past_reminders import without_past_reminders
from relay.crm.run import NEEDED_MS, CircuitGuard, SyncRun
from relay.errors import TransientError
from relay.model.effects import effect_id
from relay.model.messages import MemberChanged
from relay.ports.crm import ContactRef, Crm, CrmOutcome
from relay.ports.runtime import Clock
from relay.queues.batch import Message
from relay.queues.requests import RecheckQueue

NOTES_WAIT: Final = 12
"""How long a note waits for a member's e-mail address, in delays of `RecheckQueue`: two hours by default.

The API has been asked within six of them, an hour.
"""


DROPPED_AFTER: Final = timedelta(days=1)
"""How long a note waits for a member, or for itself, if the CRM does not take it."""

_LOOK_AGAIN_AT_FIRST: Final = 60.0
_LOOK_AGAIN: Final = 900.0


@dataclass(frozen=True, slots=True)
class TimelineWriter:
    """Writes an invocation's notes. `rechecks` is None if missing e-mail addresses are not requested.

    `on_dropped` is called with the number of notes that have waited for too long.
    """

    crm: Crm
    guard: CircuitGuard
    rechecks: RecheckQueue | None
    clock: Clock
    on_dropped: Callable[[int], None] = lambda _: None

    def write(self, run: SyncRun) -> Mapping[str, Exception]:
        """Write the notes of members that the CRM holds; return the error of each message whose notes wait."""
        errors: dict[str, Exception] = {}
        due: dict[str, MemberChanged] = {}
        for message_id, told in run.changes.items():
            result = run.results[told.member]
            profile = run.profiles.get(told.member)
            change = without_past_reminders(told, profile, self.clock()) if profile else told
            if not note_ids(change):
                continue
            # If the member itself waits, so does the message, and its notes with it.
            error = self._waits_for_email(result, run.messages[message_id])
            if has_state(result, "waiting"):
                error = self._waits_or_dropped(run, message_id)
            if error:
                errors[message_id] = error
            elif has_state(result, "mirrored"):
                due[message_id] = change
        due = dict(sorted(due.items(), key=lambda pair: pair[1].events[0].at))
        deferred = self._deferred(run, due)
        failed = self._record(run, {key: due[key] for key in due if key not in deferred})
        return {**errors, **dict.fromkeys(deferred, coalescing.wait_for_fuller_batch("notes: ")), **failed}

    def _waits_for_email(self, result: SyncResult, message: Message) -> Exception | None:
        """Return the error of a message whose member's address is being requested; None after `NOTES_WAIT`."""
        if self.rechecks is None or not has_state(result, "skipped"):
            return None
        delay = self.rechecks.delay
        if self.clock() - message.waiting_since > timedelta(seconds=NOTES_WAIT * delay):
            return None
        return TransientError("notes wait for their member", retry_after=max(delay / 2, 1))

    def _waits_or_dropped(self, run: SyncRun, message_id: str) -> Exception | None:
        """Return the error of a message whose notes cannot be written yet; None, after a day, for one whose notes are dropped."""
        waited = self.clock() - run.messages[message_id].waiting_since
        if waited <= DROPPED_AFTER:
            # Again after as long as they have waited: what was short is over soon, and a long wait costs few looks.
            again = min(max(waited.total_seconds(), _LOOK_AGAIN_AT_FIRST), _LOOK_AGAIN)
            return TransientError("notes wait until the CRM takes them", retry_after=again)
        self.on_dropped(len(note_ids(run.changes[message_id])))
        return None

    def _deferred(self, run: SyncRun, due: Mapping[str, MemberChanged]) -> set[str]:
        if not run.is_backed_up(self.crm.notes_batch_size):
            return set()
        counts = {message_id: len(note_ids(change)) for message_id, change in due.items()}
        waited = set(filter(run.has_waited, due))
        return coalescing.deferred_notes(counts, waited, self.crm.notes_batch_size)

    def _record(self, run: SyncRun, due: Mapping[str, MemberChanged]) -> Mapping[str, Exception]:
        results: dict[str, SyncResult] = {}
        late: set[str] = set()
        for call in _calls(due, self.crm.notes_batch_size):
            if run.stop or run.millis < NEEDED_MS:
                # A slow receiver of single notes could outlast the invocation, and all notes would be sent again.
                late |= call.keys()
                continue
            changes = list(call.values())
            results |= self.guard.record_outcomes(run, self.crm.record(changes, _contacts(run, changes)))
        stop = run.to_error(run.stop) if run.stop else None
        later = stop or TransientError("notes wait for the next invocation", retry_after=1)
        failed = _failed(run, due, results)
        waiting = {
            message_id: error
            for message_id, change in due.items()
            if message_id not in failed
            and any(has_state(results[note], "waiting") for note in note_ids(change) if note in results)
            and (error := self._waits_or_dropped(run, message_id))
        }
        return {**failed, **waiting, **dict.fromkeys(late, later)}


def note_ids(change: MemberChanged) -> list[str]:
    """Return the ids of a change's notes."""
    return [
        effect_id(event_effects.event_id, effect)
        for event_effects in change.events
        for effect in event_effects.effects
        if effect.kind == "note"
    ]


def _failed(
    run: SyncRun, due: Mapping[str, MemberChanged], results: Mapping[str, SyncResult]
) -> Mapping[str, Exception]:
    """Return, by message id, the first error of its notes."""
    errors = {note_id: run.to_error(result) for note_id, result in results.items()}
    failures = {
        message_id: [error for note_id in note_ids(change) if (error := errors.get(note_id))]
        for message_id, change in due.items()
    }
    return {message_id: failed[0] for message_id, failed in failures.items() if failed}


def _calls(due: Mapping[str, MemberChanged], size: int) -> Iterator[dict[str, MemberChanged]]:
    """Yield the changes in their order, with at most `size` notes a call; a change with more notes alone."""
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


def _contacts(run: SyncRun, changes: Sequence[MemberChanged]) -> Mapping[str, ContactRef]:
    contacts = {}
    for key in dict.fromkeys(change.member for change in changes):
        result = run.results[key]
        written = result.id if isinstance(result, CrmOutcome) else None
        contacts[key] = ContactRef(
            key=key, id=written or run.sync_states[key].id, email=run.profiles[key].email
        )
    return contacts
