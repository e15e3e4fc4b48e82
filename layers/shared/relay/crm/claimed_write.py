"""Writes members to one CRM under a claim: never two calls for a member at a time, never an older state last.

Seven rules make any order, any repetition and any crash harmless:

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
6. A step that destroys comes last, and what it leaves behind is noted first. A member that moves to another contact is
   written there before the former one is cleared, and the sync state names the former one until it is clear. A clearing
   that fails is tried again as a clearing.
7. What a bulk job was given is done only when the job is, and no other call writes the member meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal, TypeAlias

from relay.crm.previous_contacts import (
    NO_OUTCOME,
    clear_contacts,
    clear_each,
    known_contacts,
    left_contacts,
    not_cleared,
)
from relay.crm.waiting import is_over, next_waiting
from relay.errors import TransientError
from relay.model.formats import json_value
from relay.ports.crm import BulkImport, ContactNotes, ContactRef, Crm, CrmOutcome
from relay.ports.crm_state import Claim, ClaimResult, SyncState, SyncStateStore
from relay.ports.members import MemberStore, load_each
from relay.ports.runtime import Clock
from relay.rules.crm_profile import CrmProfile, crm_profile

GRACE: Final = timedelta(seconds=60)
"""How long a request may still take effect after its sender stopped waiting."""

SyncResult: TypeAlias = CrmOutcome | TransientError
"""A member's result: the CRM's outcome, or the error that prevented the call."""

_ENDED: Final = (None, "none", "cancelled")

_MOVED: Final = CrmOutcome(
    state="retry", reason="address_changed_meanwhile", retry_after=1.0, member_only=True
)


@dataclass(slots=True)
class _Notes:
    """`ContactNotes` under these claims; `noted` is what was added, by member key."""

    profiles_of: Callable[[Sequence[str]], Mapping[str, CrmProfile]]
    sync_states: SyncStateStore
    claims: Mapping[str, Claim]
    noted: dict[str, set[str]] = field(default_factory=dict)

    def add(self, key: str, contacts: Collection[str]) -> None:
        """Note contacts that may hold the member's fields."""
        self.sync_states.note_previous(key, self.claims[key].token, contacts)
        self.noted.setdefault(key, set()).update(contacts)

    def home(self, key: str) -> str | None:
        """Return the contact that the sync state knew when the member was claimed."""
        claim = self.claims.get(key)
        return claim.sync_state.id if claim else None

    def gives_way(self, key: str, holder: str) -> bool:
        """Return whether the other member has ended, has no address or is unknown, and this one has not ended."""
        profiles = self.profiles_of([key, holder])
        own, other = profiles.get(key), profiles.get(holder)
        if own is None or other is None or own.values["status"] in _ENDED:
            return False  # of two that have ended, the one that has the contact keeps it
        return other.email is None or other.values["status"] in _ENDED


@dataclass(slots=True)
class _Sent:
    """The results of the members of one call, by key.

    `uncleared` are members whose address is gone and whose contacts are not clear. `left` are the contacts that a written
    member still has to leave; None for a member that was not written. `held` are written members with an outcome that
    is about such a contact. `made` are all contacts that Relay made for a member, as far as known.
    """

    outcomes: dict[str, CrmOutcome]
    job_digests: dict[str, str]
    uncleared: AbstractSet[str] = frozenset()
    left: dict[str, frozenset[str]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    made: dict[str, frozenset[str]] = field(default_factory=dict)

    def made_contacts(self, profile: CrmProfile) -> frozenset[str]:
        """Return the contacts to note as made by Relay; none once the member's erasure has reached them all."""
        outcome, made = self.outcomes[profile.key], self.made[profile.key]
        if profile.erased and profile.key not in self.uncleared and outcome.state in {"mirrored", "skipped"}:
            return frozenset()
        return made | {outcome.id} if outcome.made and outcome.id else made


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedWrite:
    """Writes members to one CRM. `observe` is called with every call's outcomes, `on_waiting` with the time of a next try.

    `zone` is the shop's.
    """

    crm: Crm
    members: MemberStore
    sync_states: SyncStateStore
    clock: Clock
    observe: Callable[[str, CrmOutcome], None]
    on_waiting: Callable[[datetime], None] = lambda _: None
    zone: tzinfo = UTC

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
                profile = crm_profile(record.member, loaded.rules, self.zone)
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
        notes = _Notes(self.profiles, self.sync_states, claims)
        sent = self._send(profiles, seen, known, notes, backfill=backfill, by_job=by_job)
        outcomes = sent.outcomes
        for key, outcome in outcomes.items():
            if outcome.state == "waiting" and is_over(known[key].waiting, now):
                outcomes[key] = replace(outcome, state="refused")
        results_to_store = [
            self._claim_result(claims[key], profile, sent, backfill=key in backfill)
            for key, profile in profiles.items()
        ]
        self._mark_waiting(results_to_store)
        errors = self.sync_states.release_claims(results_to_store)
        for key, outcome in outcomes.items():
            self.observe(key, outcome)
        return results | {key: _unless_failed(errors.get(key), outcome) for key, outcome in outcomes.items()}

    def _claim_result(self, claim: Claim, profile: CrmProfile, sent: _Sent, *, backfill: bool) -> ClaimResult:
        key, now = profile.key, self.clock()
        outcome = sent.outcomes[key]
        waits = outcome.state == "waiting"
        return ClaimResult(
            profile=profile,
            token=claim.token,
            outcome=outcome,
            blocked_until=self._blocked_until(outcome),
            job_digest=sent.job_digests.get(key),
            final=key not in sent.uncleared,
            previous_contacts=sent.left.get(key),
            waiting=next_waiting(
                claim.sync_state.waiting, profile, now, backfill=backfill, holder=outcome.holder
            )
            if waits
            else None,
            held=key in sent.held,
            made_contacts=sent.made_contacts(profile),
        )

    def _mark_waiting(self, results: Sequence[ClaimResult]) -> None:
        """Remember the earliest next try, before it is stored: a crash in between costs a look at the table."""
        tries = [result.waiting.next_try for result in results if result.waiting]
        if tries:
            try:
                self.on_waiting(min(tries))
            except TransientError:
                return  # the table is looked at once a day in any case

    def _send(  # noqa: PLR0913 - what one call knows of its members
        self,
        profiles: Mapping[str, CrmProfile],
        seen: Mapping[str, CrmProfile],
        known: Mapping[str, SyncState],
        notes: _Notes,
        *,
        backfill: AbstractSet[str],
        by_job: bool,
    ) -> _Sent:
        """Write the members; then clear the contacts that they left."""
        outcomes, job_digests, made = self._collect(profiles, known)
        known = {**known, **{key: _with_made(known[key], contact) for key, contact in made.items()}}
        if self.crm.identified_by == "email":
            # The claim stored the address that was seen; nothing may be written under any other.
            outcomes |= {
                key: _MOVED
                for key, profile in profiles.items()
                if key not in outcomes and profile.email not in {None, seen[key].email}
            }
        due = {key: profile for key, profile in profiles.items() if key not in outcomes}
        uncleared = self._clear_gone(due, known)
        outcomes |= uncleared
        # A member that the CRM holds already only has a contact to leave.
        outcomes |= {
            key: CrmOutcome(state="mirrored", id=known[key].id)
            for key, profile in due.items()
            if key not in outcomes and _only_leaves(known[key], profile)
        }
        due = {key: profile for key, profile in due.items() if key not in outcomes}
        if due:
            now = self.clock()
            sent = {key: profile.sent_at(now, backfill=key in backfill) for key, profile in due.items()}
            bulk = self.crm.bulk if by_job else None
            outcomes |= _submit(bulk, sent, notes) if bulk else self.crm.upsert(list(sent.values()), notes)
        result = _Sent(
            {key: outcomes.get(key, NO_OUTCOME) for key in profiles}, job_digests, uncleared.keys()
        )
        result.made = {key: known[key].made_contacts for key in profiles}
        self._leave(profiles, known, notes.noted, result)
        return result

    def _clear_gone(
        self, due: Mapping[str, CrmProfile], known: Mapping[str, SyncState]
    ) -> dict[str, CrmOutcome]:
        """Clear all contacts of members without an address; return an outcome for each that is not clear.

        There is nothing to write before: after an erasure, for instance, no contact may keep the member's fields.
        """
        contacts = [
            contact
            for key, profile in due.items()
            if profile.email is None and _is_anywhere(known[key], profile)
            for contact in known_contacts(key, known[key], version=_version(profile), erased=profile.erased)
        ]
        return {
            key: _not_cleared(outcome)
            for key, outcome in not_cleared(clear_contacts(self.crm, contacts)).items()
        }

    def _leave(
        self,
        profiles: Mapping[str, CrmProfile],
        known: Mapping[str, SyncState],
        noted: Mapping[str, AbstractSet[str]],
        sent: _Sent,
    ) -> None:
        """Clear the contacts that the written members have left; what is not clear stays noted, and is tried again."""
        by_email = self.crm.identified_by == "email"
        contacts = [
            contact
            for key, profile in profiles.items()
            if sent.outcomes[key].state == "mirrored" and profile.email is not None
            for contact in left_contacts(
                profile,
                known[key],
                noted.get(key, frozenset()),
                home=sent.outcomes[key].id,
                by_email=by_email,
            )
        ]
        written = [key for key, outcome in sent.outcomes.items() if outcome.state == "mirrored"]
        uncleared: dict[str, list[tuple[ContactRef, CrmOutcome]]] = {key: [] for key in written}
        for contact, outcome in clear_each(self.crm, contacts):
            if not_cleared({contact.key: outcome}):
                uncleared[contact.key].append((contact, outcome))
        for key, failed in uncleared.items():
            sent.left[key] = frozenset(contact.id or contact.email or "" for contact, _ in failed)
            if failed:
                sent.held.add(key)
                sent.outcomes[key] = replace(_not_cleared(failed[0][1]), id=sent.outcomes[key].id)

    def _collect(
        self, profiles: Mapping[str, CrmProfile], known: Mapping[str, SyncState]
    ) -> tuple[dict[str, CrmOutcome], dict[str, str], dict[str, str]]:
        """Return the outcomes of members with a job, the digests that jobs were given, and the contacts that jobs made.

        A member that changed since its job was submitted has no outcome here, and is sent again.
        """
        bulk = self.crm.bulk
        if bulk is None:
            return {}, {}, {}
        jobs: dict[str, list[str]] = {}
        for key in profiles:
            job = known[key].job
            if job:
                jobs.setdefault(job, []).append(key)
        outcomes: dict[str, CrmOutcome] = {}
        for job, keys in jobs.items():
            # A member that is missing from the answer is sent again: the job was cancelled or forgotten.
            outcomes |= bulk.collect(job, keys)
        made = {key: outcome.id for key, outcome in outcomes.items() if outcome.made and outcome.id}
        digests = {key: known[key].job_digest or "" for key in outcomes}
        for key, outcome in list(outcomes.items()):
            if outcome.state in {"pending", "retry", "unauthorised"}:
                # Until the job's end is known, it may still write what it was given.
                outcomes[key] = replace(outcome, state="pending", id=known[key].job, unanswered=False)
            elif outcome.state in {"mirrored", "refused"} and digests[key] != profiles[key].digest:
                del outcomes[key]  # the job is over: the profile of today is written now
        return outcomes, {key: digest for key, digest in digests.items() if key in outcomes}, made

    def _blocked_until(self, outcome: CrmOutcome) -> datetime | None:
        return self.clock() + GRACE if outcome.unanswered or outcome.state == "pending" else None


def is_current(sync_state: SyncState, profile: CrmProfile) -> bool:
    """Return whether the CRM certainly holds this profile, on one contact alone, and no contact that an erasure ends.

    It does not while a call is under way, nor after a caller died: the result of that call is unknown.
    """
    return (
        sync_state.claimed_until is None
        and sync_state.digest == profile.digest
        and (not sync_state.previous_contacts or sync_state.state == "refused")
        and not (profile.erased and sync_state.made_contacts)
    )


def _only_leaves(sync_state: SyncState, profile: CrmProfile) -> bool:
    """Return whether the CRM holds this profile, and only a previous contact is left to clear."""
    return bool(
        sync_state.previous_contacts and sync_state.digest == profile.digest and sync_state.state != "refused"
    )


def _version(profile: CrmProfile) -> str:
    """Return what is the same for every try of one removal: the record that asks for it."""
    return f"{profile.digest}|{json_value(profile.values['last_event_at'])}"


def _is_anywhere(sync_state: SyncState, profile: CrmProfile) -> bool:
    """Return whether a contact may have the member's fields, or is one that its erasure ends.

    A receiver of the signed webhook has no id, and holds a member without an address as well.
    """
    if profile.erased and sync_state.made_contacts:
        return True
    if profile.erased == "delete" and sync_state.state == "mirrored":
        return True
    return bool(
        sync_state.email or sync_state.id or sync_state.possible_emails or sync_state.previous_contacts
    )


def _with_made(sync_state: SyncState, contact: str) -> SyncState:
    return replace(sync_state, made_contacts=sync_state.made_contacts | {contact})


def _not_cleared(outcome: CrmOutcome) -> CrmOutcome:
    """Return the outcome of a member with a contact that is not clear; a refusal to clear waits, and is never final."""
    state = "waiting" if outcome.state == "refused" else outcome.state
    return replace(outcome, state=state, reason=f"not_cleared_{outcome.reason}")


def cached_result(sync_state: SyncState) -> CrmOutcome:
    """Return the result of a member that needs no call."""
    if sync_state.state in {"refused", "waiting"}:
        state: Literal["refused", "waiting"] = "refused" if sync_state.state == "refused" else "waiting"
        return CrmOutcome(state=state, reason=sync_state.reason, id=sync_state.id)
    if sync_state.state == "skipped":
        return CrmOutcome(state="skipped", reason=sync_state.reason)
    return CrmOutcome(state="mirrored", id=sync_state.id)


def has_state(result: SyncResult, *states: str) -> bool:
    """Return whether the CRM was asked and its outcome has one of these states."""
    return isinstance(result, CrmOutcome) and result.state in states


def _submit(bulk: BulkImport, due: Mapping[str, CrmProfile], notes: ContactNotes) -> Mapping[str, CrmOutcome]:
    no_email = CrmOutcome(state="skipped", reason="no_email")
    skipped = {key: no_email for key, profile in due.items() if not profile.email}
    submitted = [profile for key, profile in due.items() if key not in skipped]
    if not submitted:
        return skipped
    return skipped | dict.fromkeys((profile.key for profile in submitted), bulk.submit(submitted, notes))


def _unless_failed(error: Exception | None, outcome: CrmOutcome) -> SyncResult:
    """Return the outcome, or the error if it could not be stored: then the member is sent again."""
    if error is None:
        return outcome
    if isinstance(error, TransientError):
        return error
    return TransientError("the claim was lost during the call")
