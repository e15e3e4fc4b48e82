"""Writes changed members to one CRM, as they are now, in as few calls as possible.

A batch of messages names a set of members. All of them are read once. A member that the CRM certainly holds as it is
needs no call (`claimed_write.py`); the others are written in batches of the CRM's size. Notes follow once the CRM holds
their members (`timeline.py`). While the queue is backed up, what would not fill a call waits once for a fuller batch
(`coalescing.py`).

A member that the CRM refuses is stored as refused and not tried again until it changes. What cannot be done now, or not
with these credentials, is deferred (`queues/batch.py`). While the circuit is open, all messages are deferred unread
(`circuit_breaker.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from relay.crm import coalescing
from relay.crm.circuit_breaker import CircuitBreaker
from relay.crm.claimed_write import ClaimedWrite, SyncResult, cached_result, is_current
from relay.crm.run import NEEDED_MS, CircuitGuard, SyncRun
from relay.crm.timeline import TimelineWriter
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

Command: TypeAlias = Callable[[Message, Context], Exception | None]
"""Work of `crm_sync` other than a member's change, requested by a message; it returns the error, None for success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmSync:
    """The work of `crm_sync` for one CRM.

    `credential` is the setting to name if the CRM rejects the credentials; `observe` is called with every call's
    outcomes. `rechecks` takes the requests for missing e-mail addresses; None if no API is configured. `commands`
    are by the topic of their message.
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

    def work(self, messages: Sequence[Message], context: Context) -> Results:
        """Write the members that these change messages name, each once; return an error or None by message id."""
        guard = CircuitGuard(self.crm, self.breaker)
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
                if command:
                    errors[message.id] = command(message, run.context)
                else:
                    run.changes[message.id] = self._read_change(message)
                    run.messages[message.id] = message
            except PermanentError as error:
                errors[message.id] = error
        return errors

    def _read_change(self, message: Message) -> MemberChanged:
        expect_topic(message, CHANGE_TOPIC)
        change = load(MemberChanged, message.body)
        _, _, customer_id = change.member.rpartition(":")
        if not customer_id or change.member != member_key(self.shop, customer_id):
            raise PermanentError("other_shop", "member")
        return change

    def _sync(self, run: SyncRun, guard: CircuitGuard) -> dict[str, Exception | None]:
        writer = ClaimedWrite(
            crm=self.crm,
            members=self.members,
            sync_states=self.sync_states,
            clock=self.clock,
            observe=self.observe,
        )
        try:
            # The sync states first: see `claimed_write.py`, 1.
            run.sync_states = self.sync_states.load(run.members)
            profiles = writer.each_profile(run.members)
        except TransientError as error:
            return dict.fromkeys(run.changes, error)
        errors = run.take_profiles(profiles)
        ContactWriter(self.crm, writer, guard).write(run)
        run.results |= _request_missing_emails(self.rechecks, run.results)
        note_errors = TimelineWriter(self.crm, guard, self.rechecks, self.clock).write(run)
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
        stale = [
            key for key, profile in run.profiles.items() if not is_current(run.sync_states[key], profile)
        ]
        run.results |= {key: cached_result(run.sync_states[key]) for key in run.profiles}
        if self.crm.bulk:
            backfill = [key for key in stale if key not in run.changed]
            self._write(run, backfill, self.crm.bulk.size, by_job=True)
            stale = [key for key in stale if key in run.changed]
        deferred = self._deferred(run, stale)
        run.results |= dict.fromkeys(deferred, coalescing.wait_for_fuller_batch())
        self._write(run, [key for key in stale if key not in deferred], self.crm.batch_size)

    def _deferred(self, run: SyncRun, stale: Sequence[str]) -> set[str]:
        if not run.is_backed_up(self.crm.batch_size):
            return set()
        waited = {change.member for message_id, change in run.changes.items() if run.has_waited(message_id)}
        return coalescing.deferred_members(stale, waited, self.crm.batch_size)

    def _write(self, run: SyncRun, keys: Sequence[str], size: int, *, by_job: bool = False) -> None:
        for start in range(0, len(keys), size):
            batch = keys[start : start + size]
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
            run.results |= self.guard.record_outcomes(run, results)


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
