"""What a CRM adapter must do to keep one CRM equal to the programme. An adapter for another CRM implements `Crm`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, Protocol, TypeAlias

from relay.model.messages import MemberChanged
from relay.rules.crm_profile import CrmProfile
from relay.rules.settings import ErasedContacts

NOT_READABLE: Final = "not_readable"
"""The reason of the `PermanentError` that `Crm.read` raises for a target that cannot be read."""


CrmState: TypeAlias = Literal["mirrored", "skipped", "retry", "waiting", "refused", "unauthorised", "pending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmOutcome:
    """The result of one member, or of one note, in a call to a CRM.

    `state` is one of:

    * `mirrored`: the CRM holds it;
    * `skipped`: there is nothing to do, `reason` says why;
    * `retry`: not now;
    * `waiting`: a lasting answer that a person can mend, or that is not known to be the member's own fault. It is
      tried again on a schedule (`crm/waiting.py`);
    * `refused`: never, as it is: the member's own fault, by a short list of each adapter;
    * `unauthorised`: no call succeeds until a setting is corrected. `setting` is its name in the stack; empty, it is
      the credential;
    * `pending`: a job works on it, and `id` is the job's.

    `id` is otherwise the CRM's own id of the contact. `retry_after` is in seconds. `unanswered` marks a `retry`
    whose request may still take effect, or already has. `member_only` marks a `retry` that concerns this member
    alone and is no sign that the CRM is down. `made` marks a `mirrored` whose contact did not exist before: it is Relay's,
    and no merchant's. `holder` is the key of our member whose contact has the address that this
    member waits for.
    """

    state: CrmState
    reason: str = ""
    id: str | None = None
    retry_after: float | None = None
    unanswered: bool = False
    member_only: bool = False
    setting: str = ""
    holder: str = ""
    made: bool = False


CONTACT_DELETED: Final = CrmOutcome(state="refused", reason="contact_deleted")
"""For a member whose contact the merchant deleted, where none may be made again."""


class ContactNotes(Protocol):
    """Where a write notes, before it moves a member, which contacts may hold the member's fields meanwhile.

    So a crash between two calls leaves no contact that no sync state names. It also knows the other members of our shop,
    and the contact in which the CRM held a member last.
    """

    def home(self, key: str) -> str | None:
        """Return the CRM's id of the contact in which it held this member last; None if it never did."""
        ...

    def add(self, key: str, contacts: Collection[str]) -> None:
        """Note the CRM's ids of contacts that may hold this member's fields.

        Raises:
            TransientError: it could not be noted; the move must not begin.

        """
        ...

    def gives_way(self, key: str, holder: str) -> bool:
        """Return whether the member `holder` has no claim any more to a contact that `key` needs.

        It has ended, has no address, or is unknown: a contact that still bears its key must lock no member out.

        Raises:
            TransientError: the table does not answer.

        """
        ...


class NoNotes:
    """Notes nothing and knows no other member: for a write that no sync state follows, such as the sample's."""

    def home(self, key: str) -> str | None:  # noqa: ARG002 - the port's argument
        """Return None."""
        return None

    def add(self, key: str, contacts: Collection[str]) -> None:
        """Do nothing."""

    def gives_way(self, key: str, holder: str) -> bool:  # noqa: ARG002 - the port's arguments
        """Return False."""
        return False


NO_NOTES: Final = NoNotes()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRef:
    """Where a CRM holds a member's fields, as far as known: the CRM's own id and the e-mail address last used.

    `previous` marks a contact that the member has left: it may hold the member's fields without its key. `version` is the
    same for every try of one removal, and another for the next one of the same member; empty where that is not known.
    `made` says that Relay made the contact with this `id`; `erased` that the member is erased, and what is to happen to
    such a contact then.
    """

    key: str
    id: str | None = None
    email: str | None = None
    previous: bool = False
    version: str = ""
    made: bool = False
    erased: ErasedContacts | None = None

    @property
    def loses_the_person(self) -> bool:
        """Whether e-mail address, names and phone number go as well: of an erased member's contact that Relay made."""
        return self.made and self.erased is not None and bool(self.id)

    @property
    def is_deleted(self) -> bool:
        """Whether the contact itself goes in the end."""
        return self.loses_the_person and self.erased == "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """At most `calls` requests in any window of `seconds`, over all environments, for paths that contain `path`.

    A request counts against every limit whose `path` it contains. Set `calls` a little below what the provider
    allows: the merchant's other tools call it as well.
    """

    calls: int
    seconds: float
    path: str = ""


class BulkImport(Protocol):
    """Jobs by which a CRM takes thousands of members at once and processes them later. Used for back-fills only."""

    @property
    def size(self) -> int:
        """How many members one job takes."""
        ...

    def submit(self, profiles: Sequence[CrmProfile], notes: ContactNotes = NO_NOTES) -> CrmOutcome:
        """Submit a job; return `pending` with its id, or the outcome of every member where it was not taken.

        A member whose contact must not be made again is left out: the job's end says that it was not imported.
        """
        ...

    def collect(self, job: str, keys: Sequence[str]) -> Mapping[str, CrmOutcome]:
        """Return the outcomes of a job's members, after its errors were read; `pending` while it runs.

        A member that a finished or cancelled job does not mention is missing from the result, and is sent again.
        """
        ...


class Crm(Protocol):
    """One CRM that Relay keeps equal to the programme."""

    @property
    def name(self) -> str:
        """The target's name, as in the parameter `Targets`."""
        ...

    @property
    def batch_size(self) -> int:
        """How many members one `upsert` takes; it splits longer lists."""
        ...

    @property
    def members_per_call(self) -> int:
        """How many members one request to the CRM holds."""
        ...

    @property
    def notes_batch_size(self) -> int:
        """How many notes one call takes, of any members; `record` splits longer lists."""
        ...

    @property
    def rate_limits(self) -> Sequence[RateLimit]:
        """How often the CRM may be called. The transport that the wiring passes in keeps them (`crm/rate_limit.py`)."""
        ...

    @property
    def identified_by(self) -> Literal["key", "email"]:
        """What identifies a member in the CRM.

        With `key`, an upsert moves a member to a new e-mail address. With `email`, an upsert leaves the previous contact
        as it was, so `clear` is called for that contact afterwards.
        """
        ...

    @property
    def automations(self) -> str:
        """What a write alone can start in the CRM, in the merchant's words ("workflows"); empty if nothing."""
        ...

    @property
    def bulk(self) -> BulkImport | None:
        """The CRM's bulk jobs; None if it has none."""
        ...

    def upsert(
        self, profiles: Sequence[CrmProfile], notes: ContactNotes = NO_NOTES
    ) -> Mapping[str, CrmOutcome]:
        """Write the members' fields; return an outcome for each, by member key. Raises no error of its own.

        A member that moves to another contact: that contact is noted first, written, and only then the former one loses
        the key. The fields that stay on the former one are the caller's to `clear`. A member whose contact was deleted in
        the CRM gets `CONTACT_DELETED`, unless its profile says that the contact may be made again.
        """
        ...

    def record(
        self, changes: Sequence[MemberChanged], contacts: Mapping[str, ContactRef] = ...
    ) -> Mapping[str, CrmOutcome]:
        """Write notes to the members' timelines, in the order given; return an outcome for each, by effect id.

        `contacts` are the members' contacts by member key; the CRM holds each of them. A note that is sent twice
        appears once where the CRM can tell (its id follows from the effect's id). A change of a back-fill starts
        no automation. Raises no error of its own.
        """
        ...

    def clear(self, contacts: Sequence[ContactRef]) -> Mapping[str, CrmOutcome]:
        """Remove the key and all of our fields from these contacts; outcomes by member key.

        Nothing else is touched, but on a contact that `loses_the_person`: there e-mail address, names and phone number
        go as well; then the contact itself where it `is_deleted`. Such a contact is found by its id, with no other
        member's key. `mirrored` if the contact no longer carries this member's fields, `skipped` if there is no such contact.
        A contact under another key is not touched, and is `skipped`. A `previous` contact is found by its id alone, and
        cleared where it has this member's fields and no other key.
        """
        ...

    def read(self, contacts: Sequence[ContactRef]) -> Mapping[str, Mapping[str, str]]:
        """Return what the CRM holds of these members, by member key and canonical name, as `expected_fields` has it.

        A member that the CRM does not have is missing, and so is a field without a value.

        Raises:
            MisconfiguredError: the credentials or their scopes do not allow it.
            TransientError: not now.
            PermanentError: `NOT_READABLE`.

        """
        ...

    def expected_fields(self, profile: CrmProfile) -> Mapping[str, str]:
        """Return what `read` finds after this profile was written: only fields with a value."""
        ...

    def fill_names(self, profiles: Sequence[CrmProfile], contacts: Sequence[ContactRef]) -> None:
        """Write the members' names and phone numbers where the contact's own field is empty, and nothing anywhere else.

        Only of profiles that may have them here (`CrmProfile.person`). An `upsert` does it for a contact that it makes.
        Errors as in `read`; a refused value is left out.
        """
        ...

    def check(self) -> None:
        """Make one cheap call. Errors as in `read`."""
        ...

    def ensure_schema(self, *, dry_run: bool = False) -> Sequence[str]:
        """Define the fields and events that the CRM lacks; return their names, with `dry_run` without defining them.

        Errors as in `read`. Returns nothing for a CRM that needs no definitions.
        """
        ...

    @property
    def version_ends(self) -> date | None:
        """The day on which the provider ends the version of its API that is set; None if none is known."""
        ...
