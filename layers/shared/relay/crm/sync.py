"""Writes changed members to one CRM, as they are now, in as few calls as possible.

A batch of messages names a set of members. All of them are read once. A member that the CRM certainly holds as it is
needs no call (`claimed_write.py`); the others are written in batches of the CRM's size. Notes follow once the CRM holds
their members (`timeline.py`). While the queue is backed up, what would not fill a call waits once for a fuller batch
(`coalescing.py`).

A member that the CRM refuses is stored as refused and not tried again until it changes; one that it does not take for
another lasting reason waits, and is tried again on a schedule (`waiting.py`). What cannot be done now, or not
with these credentials, is deferred (`queues/batch.py`). While the circuit is open, all messages are deferred unread
(`circuit_breaker.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo
from typing import TypeAlias

from relay.crm import coalescing
from relay.crm.address_rings import rings
from relay.crm.circuit_breaker import CircuitBreaker
from relay.crm.claimed_write import ClaimedWrite, SyncResult, cached_result, is_current
from relay.crm.holders import HolderQueue, links_of, load_with_holders
from relay.crm.run import NEEDED_MS, CircuitGuard, SyncRun
from relay.crm.timeline import TimelineWriter
from relay.crm.waiting import WAITING_TOPIC, WaitingMembers, round_message, waits
from relay.errors import PermanentError, TransientError
from relay.model.consistency import NO_EMAIL
from relay.model.member import member_key
from relay.model.messages import CHANGE_TOPIC, MemberChanged, RecheckRequest, load
from relay.ports.crm import Crm, CrmOutcome
from relay.ports.crm_state import SyncStateStore
from relay.ports.members import MemberStore
from relay.ports.runtime import Clock
from relay.queues.batch import Context, Message, Results
from relay.queues.requests import RecheckQueue, expect_topic
from relay.rules.crm_profile import CrmProfile

Command: TypeAlias = Callable[[Message, Context], Exception | None]
"""Work of `crm_sync` other than a member's change, requested by a message; it returns the error, None for success."""


@dataclass(slots=True)
class SyncCounts:
    """What the calls of one invocation did: members written or not taken, and notes dropped."""

    writes: int = 0
    not_taken: int = 0
    notes_dropped: int = 0

    def add(self, outcome: CrmOutcome) -> None:
        """Count a member's outcome, if the CRM decided about it."""
        self.writes += outcome.state in {"mirrored", "waiting", "refused"}
        self.not_taken += outcome.state in {"waiting", "refused"}

    def drop(self, notes: int) -> None:
        """Count notes that waited for too long."""
        self.notes_dropped += notes


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmSync:
    """The work of `crm_sync` for one CRM.

    `credential` is the setting to name if the CRM rejects the credentials; `observe` is called with every call's
    outcomes. `rechecks` takes the requests for missing e-mail addresses; None if no API is configured. `commands`
    are by the topic of their message. `waiting` queues the members that wait; `measure` is called with how many members
    the calls of an invocation wrote, how many of them the CRM did not take, and how many notes were dropped.
    """

    shop: str
    crm: Crm
    members: MemberStore
    sync_states: SyncStateStore
    clock: Clock
    credential: str
    observe: Callable[[str, CrmOutcome], None]
    rechecks: RecheckQueue | None = None
    breaker: CircuitBreaker | None = None
    commands: Mapping[str, Command] = field(default_factory=dict)
    waiting: WaitingMembers | None = None
    measure: Callable[[SyncCounts], None] = lambda _: None
    zone: tzinfo = UTC

    def work(self, messages: Sequence[Message], context: Context) -> Results:
        """Write the members that these change messages name, each once; return an error or None by message id."""
        guard = CircuitGuard(self.crm, self.breaker, self._release_waiting)
        try:
            permit = guard.allow()
        except TransientError as error:
            return dict.fromkeys((message.id for message in messages), error)
        run = SyncRun(self.crm.name, self.credential, permit, context)
        errors = self._read(messages, run)
        if run.changes:
            errors |= self._sync(run, guard)
        guard.release(permit)
        return errors

    def _read(self, messages: Sequence[Message], run: SyncRun) -> dict[str, Exception | None]:
        """Put the changes into the run; run commands; return the results of all other messages."""
        errors: dict[str, Exception | None] = {}
        for message in messages:
            command = self.commands.get(message.header.topic or "")
            try:
                if self.waiting and message.header.topic == WAITING_TOPIC:
                    errors[message.id] = self.waiting.run(message, probe=run.probes_a_code)
                elif command:
                    errors[message.id] = command(message, run.context)
                else:
                    run.changes[message.id] = self._read_change(message)
                    run.messages[message.id] = message
            except PermanentError as error:
                errors[message.id] = error
        return errors

    def _release_waiting(self) -> None:
        """Queue all members that wait: the code that they met is gone. If that fails, their schedule goes on."""
        if self.waiting:
            self.waiting.queue.send([round_message(self.clock(), everyone=True)])

    def _read_change(self, message: Message) -> MemberChanged:
        expect_topic(message, CHANGE_TOPIC)
        change = load(MemberChanged, message.body)
        _, _, customer_id = change.member.rpartition(":")
        if not customer_id or change.member != member_key(self.shop, customer_id):
            raise PermanentError("other_shop", "member")
        return change

    def _sync(self, run: SyncRun, guard: CircuitGuard) -> dict[str, Exception | None]:
        counts = SyncCounts()

        def observe(key: str, outcome: CrmOutcome) -> None:
            counts.add(outcome)
            self.observe(key, outcome)

        writer = ClaimedWrite(
            crm=self.crm,
            members=self.members,
            sync_states=self.sync_states,
            clock=self.clock,
            observe=observe,
            on_waiting=self.waiting.mark if self.waiting else lambda _: None,
            zone=self.zone,
        )
        try:
            # The sync states first: see `claimed_write.py`, 1.
            known = (
                self.sync_states.load(run.members)
                if run.probes_a_code
                else load_with_holders(self.sync_states, run.members)
            )
            run.sync_states = known
            profiles = writer.each_profile(list(known))
        except TransientError as error:
            return dict.fromkeys(run.changes, error)
        errors = run.take_profiles(profiles)
        ContactWriter(self.crm, writer, guard).write(run)
        run.results |= _request_missing_emails(self.rechecks, run.results)
        if self.waiting:
            HolderQueue(self.sync_states, self.waiting.queue).send(run)
        note_errors = TimelineWriter(self.crm, guard, self.rechecks, self.clock, counts.drop).write(run)
        self.measure(counts)
        return errors | {
            message_id: run.to_error(run.results[change.member]) or note_errors.get(message_id)
            for message_id, change in run.changes.items()
        }


@dataclass(frozen=True, slots=True)
class ContactWriter:
    """Writes an invocation's members, in calls that are as full as possible."""

    crm: Crm
    writer: ClaimedWrite
    guard: CircuitGuard

    def write(self, run: SyncRun) -> None:
        """Write the members that differ, and store every member's result in the run.

        When the CRM fails or time is short, the rest gets the result of what stopped the run.
        """
        stale = [key for key, profile in run.profiles.items() if self._is_due(run, key, profile)]
        run.results |= {key: cached_result(run.sync_states[key]) for key in run.profiles}
        # A ring is a call of its own: in a larger one, its members could not be told from others that are refused.
        for ring in rings({key: holder for key, holder in links_of(run.sync_states).items() if key in stale}):
            self._write(run, ring, self.crm.batch_size)
            stale = [key for key in stale if key not in ring]
        if self.crm.bulk:
            backfill = [key for key in stale if key not in run.changed]
            self._write(run, backfill, self.crm.bulk.size, by_job=True)
            stale = [key for key in stale if key in run.changed]
        deferred = self._deferred(run, stale)
        run.results |= dict.fromkeys(deferred, coalescing.wait_for_fuller_batch())
        self._write(run, [key for key in stale if key not in deferred], self.crm.batch_size)

    def _is_due(self, run: SyncRun, key: str, profile: CrmProfile) -> bool:
        """Return whether a member is to be written: it differs, and does not wait for its next try."""
        sync_state = run.sync_states[key]
        if waits(sync_state, profile):
            return key in run.tried_again or key not in run.members
        if sync_state.state == "refused" and key in run.retried:
            return True
        return not is_current(sync_state, profile)

    def _deferred(self, run: SyncRun, stale: Sequence[str]) -> set[str]:
        if not run.is_backed_up(self.crm.batch_size):
            return set()
        waited = {change.member for message_id, change in run.changes.items() if run.has_waited(message_id)}
        return coalescing.deferred_members(stale, waited, self.crm.batch_size)

    def _write(self, run: SyncRun, keys: Sequence[str], size: int, *, by_job: bool = False) -> None:
        for batch in _batches(keys, size, first=1 if run.probes_a_code else size):
            left = run.millis
            if run.stop is None and left < NEEDED_MS:
                # Deferred and not returned: nothing is wrong with these members, so it must cost no receive.
                run.stop = TransientError("no time left in this invocation", retry_after=1)
            if run.stop:
                run.results |= dict.fromkeys(batch, run.stop)
                continue
            results = self.writer.write(
                run.profiles_of(batch),
                left=timedelta(milliseconds=left),
                backfill=frozenset(batch) - run.changed,
                by_job=by_job,
            )
            run.results |= self.guard.record_members(run, results)


def _batches(keys: Sequence[str], size: int, *, first: int) -> Iterator[Sequence[str]]:
    """Yield the keys `size` at a time; the first batch with `first`."""
    yield from ([keys[:first]] if keys else [])
    for start in range(first, len(keys), size):
        yield keys[start : start + size]


def _request_missing_emails(
    rechecks: RecheckQueue | None, results: Mapping[str, SyncResult]
) -> Mapping[str, SyncResult]:
    """Request a recheck of members without an e-mail address; return an error for each that could not be requested.

    `crm_sync` holds no key of Inveterate's API, `reconcile` does. The request follows every message, also one that
    needed no call, because an earlier request may be lost. Only one request of a member within an hour costs a call.
    """
    if rechecks is None:
        return {}
    requests = [
        RecheckRequest(member=key, reason=NO_EMAIL)
        for key, result in results.items()
        if isinstance(result, CrmOutcome) and (result.state, result.reason) == ("skipped", NO_EMAIL)
    ]
    return {
        request.member: TransientError("the recheck of a missing e-mail address could not be requested")
        for request, refusal in zip(requests, rechecks.ask(requests), strict=True)
        if refusal
    }
