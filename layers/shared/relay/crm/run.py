"""The state of one invocation of `crm_sync`: its messages, what is known of their members, and whether calls go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from relay.crm import provider_fault
from relay.crm.circuit_breaker import CircuitBreaker, CircuitPass
from relay.crm.claimed_write import GRACE, SyncResult, has_state
from relay.errors import CircuitOpenError, MisconfiguredError, TransientError
from relay.model.messages import MemberChanged
from relay.ports.crm import Crm, CrmOutcome
from relay.ports.crm_state import CircuitRecord, SyncState
from relay.queues.batch import Context, Message
from relay.rules.crm_profile import CrmProfile

NEEDED_MS: Final = 25_000
"""One batch, with a conflict or a missing property to correct, takes no longer (`adapters/hubspot/upsert.py`)."""

_CRM_ANSWERED: Final = ("mirrored", "refused", "waiting", "pending")


@dataclass(slots=True)
class SyncRun:
    """One invocation. Messages and changes are by message id, everything else by member key.

    `sync_states`, `profiles` and `results` also have members that no message names: those whose address others wait for.
    `credential` is the setting to name if the CRM rejects the credentials. `stop` is set when no further call may be
    made, and says why.
    """

    crm: str
    credential: str
    permit: CircuitPass
    context: Context
    messages: dict[str, Message] = field(default_factory=dict)
    changes: dict[str, MemberChanged] = field(default_factory=dict)
    sync_states: Mapping[str, SyncState] = field(default_factory=dict)
    profiles: Mapping[str, CrmProfile] = field(default_factory=dict)
    results: dict[str, SyncResult] = field(default_factory=dict)
    stop: SyncResult | None = None

    @property
    def members(self) -> list[str]:
        """The members that the messages name, each once."""
        return list(dict.fromkeys(change.member for change in self.changes.values()))

    @property
    def changed(self) -> frozenset[str]:
        """The members that at least one message names outside of a back-fill, and those taken along that are none's."""
        named = frozenset(change.member for change in self.changes.values() if not change.backfill)
        taken_along = self.sync_states.keys() - set(self.members)
        return named | {
            key
            for key in taken_along
            if not ((waiting := self.sync_states[key].waiting) and waiting.backfill)
        }

    @property
    def tried_again(self) -> frozenset[str]:
        """The members that at least one message asks to try though they wait: a fill, a retry or their next try."""
        return frozenset(
            change.member for change in self.changes.values() if change.backfill or change.retry or change.due
        )

    @property
    def retried(self) -> frozenset[str]:
        """The members that at least one message asks to try though they were refused."""
        return frozenset(change.member for change in self.changes.values() if change.retry)

    @property
    def probes_a_code(self) -> bool:
        """Whether this invocation tries one member, to find out whether the CRM takes members again."""
        return self.permit.probing and self.permit.record.by_code

    @property
    def millis(self) -> int:
        """The milliseconds that are left."""
        return self.context.get_remaining_time_in_millis()

    def is_backed_up(self, size: int) -> bool:
        """Return whether to wait for fuller batches: there are more messages than a call takes, and this is no probe."""
        return len(self.messages) > size and not self.permit.probing

    def has_waited(self, message_id: str) -> bool:
        """Return whether a message was deferred for a fuller batch before."""
        return bool(self.messages[message_id].header.coalesced)

    def take_profiles(self, profiles: Mapping[str, CrmProfile | Exception]) -> dict[str, Exception | None]:
        """Keep the profiles, and take the messages of members that have none out of the run; return these with the error."""
        self.profiles = {key: profile for key, profile in profiles.items() if isinstance(profile, CrmProfile)}
        failed = {
            message_id: error
            for message_id, change in self.changes.items()
            if isinstance(error := profiles[change.member], Exception)
        }
        for message_id in failed:
            del self.changes[message_id], self.messages[message_id]
        return dict(failed)

    def profiles_of(self, keys: Iterable[str]) -> dict[str, CrmProfile]:
        """Return the profiles of these members."""
        return {key: self.profiles[key] for key in keys}

    def to_error(self, result: SyncResult) -> Exception | None:
        """Return the error for the messages that wait for this result; None if they are done."""
        if isinstance(result, TransientError):
            return result
        text = f"{self.crm}: {result.reason or result.state}"
        match result.state:
            case "mirrored" | "skipped" | "refused" | "waiting":
                # What waits is tried again by its sync state: its message has nothing to add.
                return None
            case "unauthorised":
                setting = result.setting or self.credential
                return MisconfiguredError(text, setting=setting, retry_after=result.retry_after)
            case "pending":
                return TransientError(text, retry_after=GRACE.total_seconds())
            case _:
                wait = max(result.retry_after or 0, GRACE.total_seconds()) if result.unanswered else None
                return TransientError(text, retry_after=wait or result.retry_after)


@dataclass(frozen=True, slots=True)
class CircuitGuard:
    """Asks the circuit breaker before the first call, and reports every call's outcomes to it.

    Every call is allowed where there is no breaker. `on_recovery` is called when a circuit closes that one code had
    opened.
    """

    crm: Crm
    breaker: CircuitBreaker | None
    on_recovery: Callable[[], None] = lambda: None

    def allow(self) -> CircuitPass:
        """Return the permission to call; a probe first makes the cheapest call there is.

        Raises:
            TransientError: not now.

        """
        if self.breaker is None:
            return CircuitPass(CircuitRecord())
        permit = self.breaker.allow()
        if permit.probing:
            try:
                self.crm.check()
            except TransientError as error:
                raise _failed_probe(self.breaker, permit, error) from error
        return permit

    def release(self, permit: CircuitPass) -> None:
        """Let another probe through if this invocation is the probe and had no reason to call."""
        if self.breaker:
            self.breaker.release(permit)

    def record_outcomes(self, run: SyncRun, results: Mapping[str, SyncResult]) -> Mapping[str, SyncResult]:
        """Report a call's results to the breaker; return them, with `CircuitOpenError` for those that must wait.

        A call in which no member got through opens the circuit and stops the run, for example after a 429.
        The rejected members then wait as long as the circuit is open. Their own count of deferrals does not decide: it
        is high after an outage, and they would wait a quarter of an hour for one more 503.
        """
        outcomes = [result for result in results.values() if isinstance(result, CrmOutcome)]
        failure = batch_failure(outcomes)
        if failure:
            run.stop = run.stop or failure
        if self.breaker is None:
            return results
        if failure is None:
            if self._is_still_met(run, outcomes):
                self._open_by_code(run, self.breaker, run.permit.record.reason)
            elif any(has_state(outcome, *_CRM_ANSWERED) for outcome in outcomes) and self.breaker.reset(
                run.permit
            ):
                self.on_recovery()
            return results
        seconds = self.breaker.trip(run.permit, failure)
        if failure.state != "retry":
            return results
        run.stop = CircuitOpenError(f"{self.crm.name}: {failure.reason}", retry_after=seconds)
        return {key: run.stop if _waits(result) else result for key, result in results.items()}

    def record_members(self, run: SyncRun, results: Mapping[str, SyncResult]) -> Mapping[str, SyncResult]:
        """Report a call's members, as `record_outcomes`; open the circuit if one code meets many of them."""
        recorded = self.record_outcomes(run, results)
        if self.breaker is None or run.stop or run.permit.record.state != "closed":
            return recorded
        outcomes = {key: result for key, result in results.items() if isinstance(result, CrmOutcome)}
        evidence = provider_fault.add(
            run.permit.record.evidence, outcomes, members_per_call=self.crm.members_per_call
        )
        code = provider_fault.code_of(evidence)
        if code:
            self._open_by_code(run, self.breaker, code)
        else:
            self.breaker.keep(run.permit, evidence)
        return recorded

    def _is_still_met(self, run: SyncRun, outcomes: Sequence[CrmOutcome]) -> bool:
        """Return whether the one member of a probe met the code that had opened the circuit."""
        return run.probes_a_code and any(
            outcome.state == "waiting" and outcome.reason.partition(" ")[0] == run.permit.record.reason
            for outcome in outcomes
        )

    def _open_by_code(self, run: SyncRun, breaker: CircuitBreaker, code: str) -> None:
        seconds = breaker.open_by_code(run.permit, code)
        run.stop = CircuitOpenError(f"{self.crm.name}: {code}", retry_after=seconds)


def batch_failure(outcomes: Sequence[CrmOutcome]) -> CrmOutcome | None:
    """Return the outcome because of which no further call may be made; None if calls may go on.

    That is a rejection of the credentials, or a `retry` of every member of the call that is not the member's own.
    """
    for outcome in outcomes:
        if outcome.state == "unauthorised":
            return outcome
    retries = [outcome for outcome in outcomes if outcome.state == "retry" and not outcome.member_only]
    called = [outcome for outcome in outcomes if outcome.state != "skipped"]
    return retries[0] if retries and len(retries) == len(called) else None


def _waits(result: SyncResult) -> bool:
    """Return whether the result waits for the circuit. What may still take effect has a wait of its own."""
    return (
        isinstance(result, CrmOutcome)
        and result.state == "retry"
        and not (result.member_only or result.unanswered)
    )


def _failed_probe(breaker: CircuitBreaker, permit: CircuitPass, error: TransientError) -> TransientError:
    misconfigured = isinstance(error, MisconfiguredError)
    state: Literal["unauthorised", "retry"] = "unauthorised" if misconfigured else "retry"
    outcome = CrmOutcome(state=state, reason="probe_failed", retry_after=error.retry_after)
    seconds = breaker.trip(permit, outcome)
    if isinstance(error, MisconfiguredError):
        return MisconfiguredError(str(error), setting=error.setting, retry_after=seconds)
    return CircuitOpenError(str(error), retry_after=seconds)
