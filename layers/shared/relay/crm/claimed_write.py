"""Members are written to one CRM under a claim: never two calls for one at a time, never an older one last.

What makes any order, any repetition and any crash harmless:

1. A member's mirror is read *before* the member. Where it says that the CRM surely holds just this, and
   nobody is writing, there is nothing to do: whatever is written later is told by a later message.
2. Otherwise the member is claimed, and read again *under* the claim. So of two calls for a member the one
   that was claimed later carries the newer state, and a worker that slept between reading and claiming
   cannot send what it read before.
3. The outcome counts only if the claim still stands. A call that outlived its claim makes sure that
   neither it nor the call that overtook it counts; the member is sent again when both are surely over.
4. A claim lasts as long as the invocation can, and then a minute (`GRACE`): so long may a request, once
   sent, take to take effect though its sender was killed or stopped waiting. A call without an answer
   keeps the member claimed for that minute. HTTP calls give up after 2 + 8 seconds, far within.
5. The claim notes the member's e-mail address before the call is made. So a call that nobody lived to
   settle leaves a trace of where, and that, it may have written; what the member leaves is cleared
   (`vacating.py`). A refusal to clear is never the last word, as another refusal is until the member
   changes: somebody who was erased does not change any more.
6. What a job was given is done only when the job is, and nobody writes the member meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from relay.crm.previous_contacts import NO_OUTCOME, clear_contacts, previous_contacts, stuck
from relay.errors import TransientError
from relay.ports.crm import BulkImport, Crm, CrmOutcome
from relay.ports.crm_state import ClaimResult, SyncState, SyncStateStore
from relay.ports.members import MemberStore
from relay.ports.runtime import Clock
from relay.rules.crm_profile import CrmProfile, crm_profile

GRACE: Final = timedelta(seconds=60)
"""How long a request may still take effect after its sender has stopped listening."""

SyncResult: TypeAlias = CrmOutcome | TransientError
"""Where a member stands: what the CRM made of it, or what kept us from asking."""

_MOVED: Final = CrmOutcome(state="retry", reason="address_changed_meanwhile", retry_after=1.0, alone=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedWrite:
    """What it takes to write members to one CRM. `observe` hears of every call's outcomes."""

    crm: Crm
    members: MemberStore
    mirrors: SyncStateStore
    clock: Clock
    observe: Callable[[str, CrmOutcome], None]

    def profiles(self, keys: Sequence[str]) -> dict[str, CrmProfile]:
        """Return what the CRM shall hold of these members.

        Raises:
            TransientError: when the table does not answer.

        """
        records, rules = self.members.load(keys)
        return {key: crm_profile(records[key].member, rules) for key in keys}

    def write(
        self,
        seen: Mapping[str, CrmProfile],
        *,
        left: timedelta,
        quiet: AbstractSet[str] = frozenset(),
        by_job: bool = False,
    ) -> dict[str, SyncResult]:
        """Write these members, as `seen` a moment ago: no more than a call takes, or than a job does.

        `quiet` are those of a back-fill.
        """
        now = self.clock()
        emails = {key: wanted.email for key, wanted in seen.items() if wanted.email}
        standings: dict[str, SyncResult] = dict.fromkeys(
            seen, TransientError("another invocation is at it", retry_after=5)
        )
        try:
            claims = self.mirrors.claim(list(seen), now=now, until=now + left + GRACE, emails=emails)
            profiles = self.profiles(list(claims)) if claims else {}
        except TransientError as error:
            return dict.fromkeys(seen, error)  # claims, if any, run out by themselves
        known = {key: claim.mirror for key, claim in claims.items()}
        outcomes, offered, left_behind = self._send(profiles, seen, known, quiet=quiet, by_job=by_job)
        answers = self.mirrors.settle(
            [
                ClaimResult(
                    profile=wanted,
                    token=claims[key].token,
                    outcome=outcomes[key],
                    quiet_until=self._quiet_until(outcomes[key]),
                    offered=offered.get(key),
                    sure=key not in left_behind,
                )
                for key, wanted in profiles.items()
            ]
        )
        for key, outcome in outcomes.items():
            self.observe(key, outcome)
        return standings | {key: _unless(answers.get(key), outcome) for key, outcome in outcomes.items()}

    def _send(
        self,
        profiles: Mapping[str, CrmProfile],
        seen: Mapping[str, CrmProfile],
        known: Mapping[str, SyncState],
        *,
        quiet: AbstractSet[str],
        by_job: bool,
    ) -> tuple[dict[str, CrmOutcome], dict[str, str], AbstractSet[str]]:
        """Return outcomes; of those with a job, the digest of what it was given; and who left something behind."""
        outcomes, offered = self._collect(profiles, known)
        if self.crm.homes_by == "email":
            # The claim noted the address that was seen; under any other nothing may be written.
            outcomes |= {
                key: _MOVED
                for key, wanted in profiles.items()
                if key not in outcomes and wanted.email not in {None, seen[key].email}
            }
        due = {key: wanted for key, wanted in profiles.items() if key not in outcomes}
        left_behind = self._leave(due, known)
        outcomes |= left_behind
        due = {key: wanted for key, wanted in due.items() if key not in outcomes}
        if due:
            now = self.clock()
            marked = {key: wanted.sent_at(now, backfill=key in quiet) for key, wanted in due.items()}
            bulk = self.crm.bulk if by_job else None
            outcomes |= _submit(bulk, marked) if bulk else self.crm.upsert(list(marked.values()))
        return {key: outcomes.get(key, NO_OUTCOME) for key in profiles}, offered, left_behind.keys()

    def _leave(self, due: Mapping[str, CrmProfile], known: Mapping[str, SyncState]) -> dict[str, CrmOutcome]:
        """Take members' fields off the contacts that they leave; an outcome for who cannot go on."""
        by_email = self.crm.homes_by == "email"
        leaving = [
            home
            for key, wanted in due.items()
            for home in previous_contacts(wanted, known[key], by_email=by_email)
        ]
        return {
            key: replace(outcome, reason=f"not_cleared_{outcome.reason}")
            for key, outcome in stuck(clear_contacts(self.crm, leaving)).items()
        }

    def _collect(
        self, profiles: Mapping[str, CrmProfile], known: Mapping[str, SyncState]
    ) -> tuple[dict[str, CrmOutcome], dict[str, str]]:
        """Ask what became of jobs. What has changed since a job was given it is sent again."""
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
            # Of whom nothing is told, the job will do nothing any more: cancelled, or forgotten. Sent again.
            outcomes |= bulk.collect(job, keys)
        offered = {key: known[key].offered or "" for key in outcomes}
        for key, outcome in list(outcomes.items()):
            if outcome.state in {"pending", "retry", "unauthorised"}:
                # Nobody can say yet: until somebody can, the job may still write what it was given.
                outcomes[key] = replace(outcome, state="pending", id=known[key].job, unanswered=False)
            elif outcome.state in {"mirrored", "refused"} and offered[key] != profiles[key].digest:
                del outcomes[key]  # the job is over: now comes what is to stand there today
        return outcomes, {key: digest for key, digest in offered.items() if key in outcomes}

    def _quiet_until(self, outcome: CrmOutcome) -> datetime | None:
        return self.clock() + GRACE if outcome.unanswered or outcome.state == "pending" else None


def _submit(bulk: BulkImport, due: Mapping[str, CrmProfile]) -> Mapping[str, CrmOutcome]:
    no_email = CrmOutcome(state="skipped", reason="no_email")
    without = {key: no_email for key, wanted in due.items() if not wanted.email}
    handed = [wanted for key, wanted in due.items() if key not in without]
    return without | (dict.fromkeys((w.key for w in handed), bulk.submit(handed)) if handed else {})


def is_current(known: SyncState, wanted: CrmProfile) -> bool:
    """Say whether the CRM surely holds this profile.

    Not while anybody is writing, and not where somebody died writing: what that call did is not known.
    """
    return known.busy_until is None and known.digest == wanted.digest


def cached_result(known: SyncState) -> CrmOutcome:
    """Return where a member stands that needs no call."""
    if known.state == "refused":
        return CrmOutcome(state="refused", reason=known.reason, id=known.id)
    if known.state == "skipped":
        return CrmOutcome(state="skipped", reason=known.reason)
    return CrmOutcome(state="mirrored", id=known.id)


def _unless(error: Exception | None, outcome: CrmOutcome) -> SyncResult:
    """Return the outcome, unless it could not be noted: then the member is sent again."""
    if error is None:
        return outcome
    if isinstance(error, TransientError):
        return error
    return TransientError("the claim was lost during the call")
