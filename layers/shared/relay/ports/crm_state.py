"""What is remembered of each CRM: what it holds of whom, whether it may be called, and how far the long runs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, TypeAlias

from relay.ports.crm import CrmOutcome
from relay.rules.crm_profile import CrmProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """What is known of one member in one CRM.

    `digest` is that of the profile which the CRM surely holds; None where nobody can be sure. `id` and
    `email` are the CRM's id and the e-mail address last used; `strays` are addresses under which a call
    whose end nobody saw may have written the member as well. `busy_until` is set from before a call until
    its outcome is noted, and stays set, in the past, when nobody lived to note it. A `job` that works on the
    member was given the profile with the digest `offered`.
    """

    digest: str | None = None
    state: str = ""
    reason: str = ""
    id: str | None = None
    email: str | None = None
    strays: frozenset[str] = frozenset()
    busy_until: datetime | None = None
    job: str | None = None
    offered: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A member claimed for a call: by which token, and its mirror as it was then."""

    token: str
    mirror: SyncState


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """The outcome of a call that was made under a claim.

    `profile` is what was sent. With `quiet_until` the member stays claimed, by nobody, until then. `offered`
    is the digest of what a job was given, where that is not what `profile` says. `sure` is false of a
    refusal that is to be tried again though the member does not change.
    """

    profile: CrmProfile
    token: str
    outcome: CrmOutcome
    quiet_until: datetime | None = None
    offered: str | None = None
    sure: bool = True


class SyncStateStore(Protocol):
    """What one CRM holds of the members, and who is writing to it just now."""

    def load(self, keys: Sequence[str]) -> Mapping[str, SyncState]:
        """Read the members' mirrors, as of the latest write; an empty one where there is none.

        Raises:
            TransientError: when the table does not answer.

        """
        ...

    def claim(
        self, keys: Sequence[str], *, now: datetime, until: datetime, emails: Mapping[str, str] = ...
    ) -> Mapping[str, Claim]:
        """Claim members for a call; a claim on each that nobody else has claimed beyond `now`.

        `emails` are addresses under which the call may write them: strays, until it is settled as mirrored or skipped.

        Raises:
            TransientError: when the table does not answer.

        """
        ...

    def settle(self, settlements: Sequence[ClaimResult]) -> Mapping[str, Exception | None]:
        """Note outcomes, by member key, and give the claims back.

        An answer is a `ConflictError` where the claim was lost meanwhile: the mirror's digest is then
        cleared and the claim of whoever has it is void, so that neither call counts.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitRecord:
    """Whether a CRM is called: closed to all until `until`; None while it is open to everybody.

    `trying` says that until then somebody finds out whether it can be opened. `failures` counts the calls in
    a row that got nowhere, `reason` is the latest's, `version` the writes.
    """

    until: datetime | None = None
    trying: bool = False
    failures: int = 0
    reason: str = ""
    version: int = 0


class CircuitStore(Protocol):
    """Where one CRM's gate is kept, for all environments."""

    def load(self) -> CircuitRecord:
        """Return it; an open one where there is none.

        Raises:
            TransientError: when the table does not answer.

        """
        ...

    def swap(self, known: CircuitRecord, wanted: CircuitRecord) -> bool:
        """Write it as the next version; False where somebody wrote since `known`. Errors as in `load`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStatePage:
    """Some members' mirrors, by key; `cursor` leads to the next ones, None where these were the last."""

    mirrors: Mapping[str, SyncState]
    cursor: str | None


RunName: TypeAlias = Literal["fill", "audit"]


class SyncStateScan(Protocol):
    """All that was noted of one CRM's members, and where its long runs stand. Each raises `TransientError`."""

    def page(self, cursor: str | None = None) -> SyncStatePage:
        """Return a page of the mirrors; it may be empty and not the last."""
        ...

    def run(self, name: RunName) -> Mapping[str, Any]:
        """Return what was noted of a run; empty where there was none."""
        ...

    def note(self, name: RunName, run: Mapping[str, Any]) -> None:
        """Note where a run stands."""
        ...


class RateLimitStore(Protocol):
    """Where the turns of a CRM's callers are given out, for all environments."""

    def lease(self, number: int, *, earliest: datetime, latest: datetime, span: timedelta) -> datetime | None:
        """Take the next `span` of time at a rate's turnstile, by its number; return when it begins.

        It begins when the span before ends, but not before `earliest`; None where that is after `latest`.

        Raises:
            TransientError: when the table does not answer.

        """
        ...
