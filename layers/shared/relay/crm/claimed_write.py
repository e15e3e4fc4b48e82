"""Writes members to one CRM under a claim: never two calls for a member at a time, never an older state last.

Six rules make any order, any repetition and any crash harmless:

1. A member's sync state is read *before* the member. If it says that the CRM certainly holds this profile, and no call
   is under way, there is nothing to do: whatever changes later comes with a later message.
2. Otherwise the member is claimed, and read again *under* the claim. So of two calls for a member the one that was
   claimed later carries the newer state, and an invocation that paused between reading and claiming cannot send what
   it read before.
3. The outcome counts only if the claim still holds. A call that outlived its claim invalidates itself and the call that
   overtook it; the member is sent again when both are certainly over.
4. A claim lasts as long as the invocation can, and then a minute (`GRACE`): a request can still take effect for that
   long after its sender was killed or stopped waiting. A call without an answer keeps the member claimed for that
   minute. HTTP calls give up after 2 + 8 seconds.
5. The claim stores the member's e-mail address before the call is made. So a call whose outcome was never stored leaves
   a trace of where it may have written; the contacts that the member leaves are cleared (`previous_contacts.py`). A
   refusal to clear is never final, unlike another refusal, which is final until the member changes: an erased member
   does not change any more.
6. What a bulk job was given is done only when the job is, and no other call writes the member meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from relay.crm.previous_contacts import NO_OUTCOME, clear_contacts, not_cleared, previous_contacts
from relay.errors import TransientError
from relay.ports.crm import BulkImport, Crm, CrmOutcome
from relay.ports.crm_state import ClaimResult, SyncState, SyncStateStore
from relay.ports.members import MemberStore, load_each
from relay.ports.runtime import Clock
from relay.rules.crm_profile import CrmProfile, crm_profile

GRACE: Final = timedelta(seconds=60)
"""How long a request may still take effect after its sender stopped waiting."""

SyncResult: TypeAlias = CrmOutcome | TransientError
"""A member's result: the CRM's outcome, or the error that prevented the call."""

_MOVED: Final = CrmOutcome(
    state="retry", reason="address_changed_meanwhile", retry_after=1.0, member_only=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedWrite:
    """Writes members to one CRM. `observe` is called with every call's outcomes."""

    crm: Crm
    members: MemberStore
    sync_states: SyncStateStore
    clock: Clock
    observe: Callable[[str, CrmOutcome], None]

    def profiles(self, keys: Sequence[str]) -> dict[str, CrmProfile]:
        """Return what the CRM is to hold of these members, without those that have an error in `each_profile`.

        Raises:
            TransientError: the table does not answer.

        """
        found = self.each_profile(keys)
        return {key: profile for key, profile in found.items() if isinstance(profile, CrmProfile)}

    def each_profile(self, keys: Sequence[str]) -> dict[str, CrmProfile | Exception]:
        """Return the profile of each member, or what prevents it: one member's record costs the others nothing.

        A profile counts as made when the CRM's fields can be made of it, too.

        Raises:
            TransientError: the table does not answer.

        """
        loaded = load_each(self.members, keys)
        found: dict[str, CrmProfile | Exception] = dict(loaded.errors)
        for key, record in loaded.records.items():
            try:
                profile = crm_profile(record.member, loaded.rules)
                _ = profile.digest, self.crm.expected_fields(profile)
            except Exception as error:  # noqa: BLE001 - a defect in one member must not hold up the others
                found[key] = error
            else:
                found[key] = profile
        return found

    def write(
        self,
        seen: Mapping[str, CrmProfile],
        *,
        left: timedelta,
        backfill: AbstractSet[str] = frozenset(),
        by_job: bool = False,
    ) -> dict[str, SyncResult]:
        """Write these members in one call, or with `by_job` in one bulk job; return their results.

        `seen` are the profiles as read a moment ago, at most as many as the call or job takes. `left` is the time that
        the invocation has left. `backfill` are the members that only a back-fill names.
        """
        now = self.clock()
        emails = {key: profile.email for key, profile in seen.items() if profile.email}
        results: dict[str, SyncResult] = dict.fromkeys(
            seen, TransientError("another invocation is writing this member", retry_after=5)
        )
        try:
            claims = self.sync_states.claim(list(seen), now=now, until=now + left + GRACE, emails=emails)
            profiles = self.profiles(list(claims)) if claims else {}
        except TransientError as error:
            return dict.fromkeys(seen, error)  # claims that were made expire by themselves
        known = {key: claim.sync_state for key, claim in claims.items()}
        outcomes, job_digests, uncleared = self._send(profiles, seen, known, backfill=backfill, by_job=by_job)
        errors = self.sync_states.release_claims(
            [
                ClaimResult(
                    profile=profile,
                    token=claims[key].token,
                    outcome=outcomes[key],
                    blocked_until=self._blocked_until(outcomes[key]),
                    job_digest=job_digests.get(key),
                    final=key not in uncleared,
                )
                for key, profile in profiles.items()
            ]
        )
        for key, outcome in outcomes.items():
            self.observe(key, outcome)
        return results | {key: _unless_failed(errors.get(key), outcome) for key, outcome in outcomes.items()}

    def _send(
        self,
        profiles: Mapping[str, CrmProfile],
        seen: Mapping[str, CrmProfile],
        known: Mapping[str, SyncState],
        *,
        backfill: AbstractSet[str],
        by_job: bool,
    ) -> tuple[dict[str, CrmOutcome], dict[str, str], AbstractSet[str]]:
        """Return the outcomes; the digests that jobs were given; and the members whose previous contact is not clear."""
        outcomes, job_digests = self._collect(profiles, known)
        if self.crm.identified_by == "email":
            # The claim stored the address that was seen; nothing may be written under any other.
            outcomes |= {
                key: _MOVED
                for key, profile in profiles.items()
                if key not in outcomes and profile.email not in {None, seen[key].email}
            }
        due = {key: profile for key, profile in profiles.items() if key not in outcomes}
        uncleared = self._clear_previous(due, known)
        outcomes |= uncleared
        due = {key: profile for key, profile in due.items() if key not in outcomes}
        if due:
            now = self.clock()
            sent = {key: profile.sent_at(now, backfill=key in backfill) for key, profile in due.items()}
            bulk = self.crm.bulk if by_job else None
            outcomes |= _submit(bulk, sent) if bulk else self.crm.upsert(list(sent.values()))
        return {key: outcomes.get(key, NO_OUTCOME) for key in profiles}, job_digests, uncleared.keys()

    def _clear_previous(
        self, due: Mapping[str, CrmProfile], known: Mapping[str, SyncState]
    ) -> dict[str, CrmOutcome]:
        """Clear the contacts that members leave; return an outcome for each member that must not be written yet."""
        by_email = self.crm.identified_by == "email"
        contacts = [
            contact
            for key, profile in due.items()
            for contact in previous_contacts(profile, known[key], by_email=by_email)
        ]
        return {
            key: replace(outcome, reason=f"not_cleared_{outcome.reason}")
            for key, outcome in not_cleared(clear_contacts(self.crm, contacts)).items()
        }

    def _collect(
        self, profiles: Mapping[str, CrmProfile], known: Mapping[str, SyncState]
    ) -> tuple[dict[str, CrmOutcome], dict[str, str]]:
        """Return the outcomes of members with a job, and the digests that jobs were given.

        A member that changed since its job was submitted has no outcome here, and is sent again.
        """
        bulk = self.crm.bulk
        if bulk is None:
            return {}, {}
        jobs: dict[str, list[str]] = {}
        for key in profiles:
            job = known[key].job
            if job:
                jobs.setdefault(job, []).append(key)
        outcomes: dict[str, CrmOutcome] = {}
        for job, keys in jobs.items():
            # A member that is missing from the answer is sent again: the job was cancelled or forgotten.
            outcomes |= bulk.collect(job, keys)
        digests = {key: known[key].job_digest or "" for key in outcomes}
        for key, outcome in list(outcomes.items()):
            if outcome.state in {"pending", "retry", "unauthorised"}:
                # Until the job's end is known, it may still write what it was given.
                outcomes[key] = replace(outcome, state="pending", id=known[key].job, unanswered=False)
            elif outcome.state in {"mirrored", "refused"} and digests[key] != profiles[key].digest:
                del outcomes[key]  # the job is over: the profile of today is written now
        return outcomes, {key: digest for key, digest in digests.items() if key in outcomes}

    def _blocked_until(self, outcome: CrmOutcome) -> datetime | None:
        return self.clock() + GRACE if outcome.unanswered or outcome.state == "pending" else None


def is_current(sync_state: SyncState, profile: CrmProfile) -> bool:
    """Return whether the CRM certainly holds this profile.

    It does not while a call is under way, nor after a caller died: the result of that call is unknown.
    """
    return sync_state.claimed_until is None and sync_state.digest == profile.digest


def cached_result(sync_state: SyncState) -> CrmOutcome:
    """Return the result of a member that needs no call."""
    if sync_state.state == "refused":
        return CrmOutcome(state="refused", reason=sync_state.reason, id=sync_state.id)
    if sync_state.state == "skipped":
        return CrmOutcome(state="skipped", reason=sync_state.reason)
    return CrmOutcome(state="mirrored", id=sync_state.id)


def has_state(result: SyncResult, *states: str) -> bool:
    """Return whether the CRM was asked and its outcome has one of these states."""
    return isinstance(result, CrmOutcome) and result.state in states


def _submit(bulk: BulkImport, due: Mapping[str, CrmProfile]) -> Mapping[str, CrmOutcome]:
    no_email = CrmOutcome(state="skipped", reason="no_email")
    skipped = {key: no_email for key, profile in due.items() if not profile.email}
    submitted = [profile for key, profile in due.items() if key not in skipped]
    if not submitted:
        return skipped
    return skipped | dict.fromkeys((profile.key for profile in submitted), bulk.submit(submitted))


def _unless_failed(error: Exception | None, outcome: CrmOutcome) -> SyncResult:
    """Return the outcome, or the error if it could not be stored: then the member is sent again."""
    if error is None:
        return outcome
    if isinstance(error, TransientError):
        return error
    return TransientError("the claim was lost during the call")
