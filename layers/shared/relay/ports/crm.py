"""What a CRM must be able to do to mirror the members: this is what an adapter for another one keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from relay.model.messages import MemberChanged
from relay.rules.crm_profile import CrmProfile

NOT_READABLE: Final = "not_readable"
"""The reason of a CRM's `PermanentError` that can be told and never asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmOutcome:
    """What became of one member in a CRM.

    `state` is `mirrored`, `skipped` (nothing to do, `reason` says why), `retry` (not now), `refused`
    (this member never, as it is), `unauthorised` (nobody, until the credentials are mended) or `pending`
    (a job works on it). `id` is the CRM's own; `retry_after` is in seconds. `unanswered` says of a
    `retry` that the call broke off: what it asked for may be done already, or yet. `alone` says of a
    `retry` that it is this one's own matter, and no sign that the CRM is closed to the others.
    """

    state: Literal["mirrored", "skipped", "retry", "refused", "unauthorised", "pending"]
    reason: str = ""
    id: str | None = None
    retry_after: float | None = None
    unanswered: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRef:
    """Where a member's fields stand in a CRM, as far as was noted: the CRM's own id, and the e-mail address used."""

    key: str
    id: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """So many calls in any so many seconds, kept over all environments; of paths that contain `path` alone.

    A request takes its turn with every rate that names its path. Say a little less than the provider
    allows: others of the merchant's tools call it as well.
    """

    calls: int
    seconds: float
    path: str = ""


class BulkImport(Protocol):
    """Jobs by which a CRM takes very many members at once and in its own time: for back-fills alone."""

    @property
    def size(self) -> int:
        """How many members one job takes."""
        ...

    def submit(self, profiles: Sequence[CrmProfile]) -> CrmOutcome:
        """Hand a job in: `pending` with its id, or what kept us from it, which is then true of each member."""
        ...

    def collect(self, job: str, keys: Sequence[str]) -> Mapping[str, CrmOutcome]:
        """Return what became of a job's members, after its errors were read; `pending` while it runs.

        Without those of whom a job that is over says nothing, a cancelled one for instance: they are sent again.
        """
        ...


class Crm(Protocol):
    """A CRM that mirrors the members."""

    @property
    def name(self) -> str:
        """The target's name, as in the parameter `Targets`."""
        ...

    @property
    def batch_size(self) -> int:
        """How many members one call takes; `upsert` splits what is more."""
        ...

    @property
    def notes_batch_size(self) -> int:
        """How many notes one call takes, of whichever members; `record` splits what is more."""
        ...

    @property
    def rates(self) -> Sequence[RateLimit]:
        """How often it may be called. Kept for the adapter by the transport that the wiring gives it (`pacing.py`)."""
        ...

    @property
    def homes_by(self) -> Literal["key", "email"]:
        """What identifies a member there.

        By `key`, an upsert moves a member to a new address. By `email`, it would leave the former contact
        as it was: `clear` is called for that one first.
        """
        ...

    @property
    def automations(self) -> str:
        """What a mere write can start there, in the merchant's words ("workflows"); empty where nothing."""
        ...

    @property
    def bulk(self) -> BulkImport | None:
        """Its way of taking very many members quietly; None where it has none."""
        ...

    def upsert(self, profiles: Sequence[CrmProfile]) -> Mapping[str, CrmOutcome]:
        """Write the members' fields; an outcome for each, by member key. It raises nothing of its own."""
        ...

    def record(
        self, changes: Sequence[MemberChanged], homes: Mapping[str, ContactRef] = ...
    ) -> Mapping[str, CrmOutcome]:
        """Write notes to the members' timelines, in the order given; an outcome for each, by effect id.

        `homes` says by member key where to; every member in it is mirrored. A note that is repeated is not
        told twice, as far as the CRM can tell (its id follows from the effect's). Of a change marked
        `quiet`, nothing may be started. It raises nothing of its own.
        """
        ...

    def clear(self, homes: Sequence[ContactRef]) -> Mapping[str, CrmOutcome]:
        """Take the key and all of our fields off these contacts, and touch nothing else; by member key.

        `mirrored` where they bear nothing of this member's any more, `skipped` where there was no such
        contact. One that bears another key is left alone, and `skipped`.
        """
        ...

    def read(self, homes: Sequence[ContactRef]) -> Mapping[str, Mapping[str, str]]:
        """Return what it holds of these members, by key and canonical name, in the notation of `shown`.

        A member whom it does not have is missing, and so is a field without a value.

        Raises:
            MisconfiguredError: not with these credentials.
            TransientError: not now.
            PermanentError: `NOT_READABLE`.

        """
        ...

    def shown(self, profile: CrmProfile) -> Mapping[str, str]:
        """Return what `read` would find after this profile was written: fields with a value alone."""
        ...

    def check(self) -> None:
        """Make one cheap call. Errors as in `read`."""
        ...

    def ensure_schema(self, *, dry_run: bool = False) -> Sequence[str]:
        """Define what the CRM lacks of our fields and events; return the names made, or that would be.

        Errors as in `read`; a CRM that needs no definitions returns none.
        """
        ...
