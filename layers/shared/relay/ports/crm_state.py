"""What Relay stores about each CRM: the sync state of every member, the circuit, the rate limits and the long runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, TypeAlias

from relay.ports.crm import CrmOutcome
from relay.ports.scans import Page
from relay.rules.crm_profile import CrmProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A member that the CRM does not take, for a reason that may pass: since when, and when it is tried again.

    `tried` is when it was last tried, or queued to be. `digest` is that of the profile that was tried, `backfill` whether it was a back-fill's. `holder` is the key of the member
    whose contact has the address that this one waits for; empty where it waits for something else.
    """

    since: datetime
    tries: int
    tried: datetime
    next_try: datetime
    digest: str
    backfill: bool = False
    holder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """What is known of one member in one CRM.

    `digest` is that of the profile which the CRM certainly holds; None if that is uncertain. `id` and `email` are
    the CRM's id and the e-mail address last used. `possible_emails` are addresses under which a call without a
    known result may have written the member as well. `claimed_until` is set from before a call until its outcome
    is stored; a time in the past means that the caller died. `job` is the bulk job that works on the member, and
    `job_digest` the digest of the profile that the job was given. `previous_contacts` are the CRM's ids of contacts
    (addresses, where no id is known) that may hold the member's fields and are not its contact. `made_contacts` are the
    ids of those that Relay made for the member: what a CRM's answer said, and nothing else. `waiting` is set from a
    `state` that is `waiting` until a final one.
    """

    digest: str | None = None
    state: str = ""
    reason: str = ""
    id: str | None = None
    email: str | None = None
    possible_emails: frozenset[str] = frozenset()
    claimed_until: datetime | None = None
    job: str | None = None
    job_digest: str | None = None
    previous_contacts: frozenset[str] = frozenset()
    made_contacts: frozenset[str] = frozenset()
    waiting: Waiting | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim on one member for one call: its token, and the member's sync state at that moment."""

    token: str
    sync_state: SyncState


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """The outcome of a call that was made under a claim.

    `profile` is what was sent. Until `blocked_until` no other call may claim the member, though this claim ends.
    `job_digest` is the digest of what a job was given, where it differs from `profile`. `final` is false for a
    refusal that must be tried again even if the member does not change. `previous_contacts` are those that are left to
    clear; None leaves them as they are noted. `made_contacts` are all that Relay made. `waiting` goes with an outcome `waiting`. `held` says that the CRM holds
    the profile although the outcome is another: only a previous contact is left to clear.
    """

    profile: CrmProfile
    token: str
    outcome: CrmOutcome
    blocked_until: datetime | None = None
    job_digest: str | None = None
    final: bool = True
    previous_contacts: frozenset[str] | None = None
    made_contacts: frozenset[str] = frozenset()
    waiting: Waiting | None = None
    held: bool = False


class SyncStateStore(Protocol):
    """The sync states of one CRM's members, and the claims on them."""

    def load(self, members: Sequence[str]) -> Mapping[str, SyncState]:
        """Return the sync states of these member keys as of the latest write; an empty one for a member without any.

        Raises:
            TransientError: the table does not answer.

        """
        ...

    def claim(
        self, members: Sequence[str], *, now: datetime, until: datetime, emails: Mapping[str, str] = ...
    ) -> Mapping[str, Claim]:
        """Claim members for a call; return a claim on each that no other call has claimed beyond `now`.

        `emails` are the addresses under which the call may write them. They stay `possible_emails` until a claim is
        released as mirrored or skipped.

        Raises:
            TransientError: the table does not answer.

        """
        ...

    def note_previous(self, member: str, token: str, contacts: Collection[str]) -> None:
        """Note contacts that may hold a member's fields, under the claim with this token, before they are written.

        Raises:
            TransientError: the table does not answer, or the claim was lost.

        """
        ...

    def release_claims(self, results: Sequence[ClaimResult]) -> Mapping[str, Exception | None]:
        """Store outcomes and release the claims; return errors by member key, None for success.

        `ConflictError` means that another call took over the claim meanwhile. The digest is then cleared and the
        other call's claim is void, so that neither call counts.
        """
        ...


CircuitState: TypeAlias = Literal["closed", "open", "half_open"]
"""`closed`: calls flow. `open`: no call is made. `half_open`: one probe is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitRecord:
    """The stored circuit of one CRM.

    `until` is when an open circuit lets a probe through, or when a probe counts as dead; None while closed.
    `failures` counts the failures in a row, `reason` is the latest's, `version` counts the writes. `by_code` marks a
    circuit that is open because one code met many members (`crm/provider_fault.py`); `evidence` are the latest calls
    that speak for that, as pairs of a member key and a code.
    """

    state: CircuitState = "closed"
    until: datetime | None = None
    failures: int = 0
    reason: str = ""
    version: int = 0
    by_code: bool = False
    evidence: tuple[tuple[str, str], ...] = ()


class CircuitStore(Protocol):
    """Where the circuit of one CRM is stored, for all environments."""

    def load(self) -> CircuitRecord:
        """Return the record; a closed circuit if there is none.

        Raises:
            TransientError: the table does not answer.

        """
        ...

    def compare_and_swap(self, known: CircuitRecord, wanted: CircuitRecord) -> bool:
        """Write `wanted` over `known`; return False if it was written since. Errors as in `load`."""
        ...


RunName: TypeAlias = Literal["backfill", "audit", "waiting"]


class SyncStateScan(Protocol):
    """All sync states of one CRM, page by page, and the progress of its long runs. Each raises `TransientError`."""

    def page(self, cursor: str | None = None) -> Page[tuple[str, SyncState]]:
        """Return a page of (member key, sync state); it may be empty without being the last."""
        ...

    def waiting(self) -> Sequence[tuple[str, SyncState]]:
        """Return all members that wait, with their sync states; also those whose latest try has no result yet."""
        ...

    def postpone(self, members: Sequence[str], now: datetime, until: datetime) -> None:
        """Set the next try of these members, as far as they still wait: they were queued `now`."""
        ...

    def load_run(self, name: RunName) -> Mapping[str, Any]:
        """Return the stored progress of a run; empty if there was none."""
        ...

    def save_run(self, name: RunName, progress: Mapping[str, Any]) -> None:
        """Store the progress of a run."""
        ...


class MemberKeyScan(Protocol):
    """The keys of all members, page by page."""

    def page(self, cursor: str | None = None) -> Page[str]:
        """Return a page of keys.

        Raises:
            TransientError: the table does not answer.

        """
        ...


class RateLimitStore(Protocol):
    """Where the slots of a CRM's rate limits are given out, for all environments."""

    def reserve(
        self, number: int, *, earliest: datetime, latest: datetime, span: timedelta
    ) -> datetime | None:
        """Reserve the next `span` of time of the rate limit with this number; return when it begins.

        It begins when the span reserved before it ends, but not before `earliest`; None if that is after `latest`.

        Raises:
            TransientError: the table does not answer.

        """
        ...
