"""What Relay needs of the outside world, said in our own words; `adapters/` keeps these promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Protocol, TypeAlias, TypeVar

from relay.canonical import Profile
from relay.changes import Change, Outbox, Telling
from relay.figures import Counted
from relay.member import Member
from relay.occasions import Kind, Occasion
from relay.rules import Rules
from relay.waiting import Room

if TYPE_CHECKING:
    from inveterate import GrantStatus, Intents
    from inveterate import Member as ApiMember

    from relay.rounds import Round

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A member as the table holds it: `version` counts its writes (0: not there yet), `seen` remembers event ids."""

    member: Member
    version: int = 0
    seen: tuple[str, ...] = ()


class Members(Protocol):
    """The members table."""

    def load(self, keys: Iterable[str]) -> tuple[Mapping[str, Record], Rules]:
        """Read the members with these keys (an empty record for a new one) and the rules, in one go.

        Raises:
            TransientError: when the table does not answer, or the rules cannot be read.

        """
        ...

    def save(self, record: Record, outbox: Outbox) -> None:
        """Write a record as version + 1, with what it has to tell; all or nothing.

        Raises:
            ConflictError: when the table holds another version than the one that was read.
            TransientError: when the table does not answer.

        """
        ...


class Journal(Protocol):
    """The archive of everything that was processed."""

    def write(self, lines: Sequence[Mapping[str, Any]]) -> Sequence[Exception | None]:
        """Append lines; one answer for each, None where it was taken."""
        ...


class Outgoing(Protocol):
    """A queue or topic that is sent to in batches."""

    def send(self, messages: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        """Send; one answer for each message, None where it was taken."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message to send: text attributes, and a delay in seconds (0 to 900) where the target is a queue."""

    body: str
    attributes: Mapping[str, str]
    delay: int = 0


class Occasions(Protocol):
    """The notifier's memory."""

    def load(self, key: str) -> Occasion:
        """Read an occasion; an untouched one where there is none yet."""
        ...

    def save(self, occasion: Occasion) -> None:
        """Write it as version + 1.

        Raises:
            ConflictError: when it was written since.

        """
        ...

    def room(self) -> Room:
        """Read the waiting room; an empty one where there is none yet."""
        ...

    def keep(self, room: Room) -> None:
        """Write the waiting room as version + 1. Errors as in `save`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What people are to be told: one telling of one occasion.

    `kind` is the opening, a rise in level, a mention, the closing, or a notice that is over at once.
    `member` is the record as it is now, None where it cannot be read; `people` are those that a message
    about many names. `repeat` marks one that may have been told before. `first` is what people were told
    of this matter first, `thread` where the channel keeps it, as its `announce` has said. `mask` keeps
    names and addresses short.
    """

    telling: Telling
    kind: Kind
    member: Member | None
    repeat: bool = False
    first: Telling | None = None
    thread: str | None = None
    people: Mapping[str, Member] = field(default_factory=dict)
    mask: bool = True


class Channel(Protocol):
    """One way to reach people."""

    @property
    def name(self) -> str:
        """What the occasion remembers it by."""
        ...

    def announce(self, announcement: Announcement) -> str | None:
        """Tell them; return where it was kept, for a channel that can add to it later.

        Raises:
            TransientError: not now.
            MisconfiguredError: the setting that it names is wrong.
            PermanentError: never in this form.

        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
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
class Home:
    """Where a member's fields stand in a CRM, as far as was noted: the CRM's own id, and the e-mail address used."""

    key: str
    id: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many calls in any so many seconds, kept over all environments; of paths that contain `path` alone.

    A request takes its turn with every rate that names its path. Say a little less than the provider
    allows: others of the merchant's tools call it as well.
    """

    calls: int
    seconds: float
    path: str = ""


class Bulk(Protocol):
    """Jobs by which a CRM takes very many members at once and in its own time: for back-fills alone."""

    @property
    def size(self) -> int:
        """How many members one job takes."""
        ...

    def submit(self, profiles: Sequence[Profile]) -> Outcome:
        """Hand a job in: `pending` with its id, or what kept us from it, which is then true of each member."""
        ...

    def collect(self, job: str, keys: Sequence[str]) -> Mapping[str, Outcome]:
        """Return what became of a job's members, after its errors were read; `pending` while it runs.

        Without those of whom a job that is over says nothing, a cancelled one for instance: they are sent again.
        """
        ...


NOT_READABLE: Final = "not_readable"
"""The reason of a CRM's `PermanentError` that can be told and never asked."""


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
    def rates(self) -> Sequence[Rate]:
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
    def bulk(self) -> Bulk | None:
        """Its way of taking very many members quietly; None where it has none."""
        ...

    def upsert(self, profiles: Sequence[Profile]) -> Mapping[str, Outcome]:
        """Write the members' fields; an outcome for each, by member key. It raises nothing of its own."""
        ...

    def record(self, changes: Sequence[Change], homes: Mapping[str, Home] = ...) -> Mapping[str, Outcome]:
        """Write notes to the members' timelines, in the order given; an outcome for each, by effect id.

        `homes` says by member key where to; every member in it is mirrored. A note that is repeated is not
        told twice, as far as the CRM can tell (its id follows from the effect's). Of a change marked
        `quiet`, nothing may be started. It raises nothing of its own.
        """
        ...

    def clear(self, homes: Sequence[Home]) -> Mapping[str, Outcome]:
        """Take the key and all of our fields off these contacts, and touch nothing else; by member key.

        `mirrored` where they bear nothing of this member's any more, `skipped` where there was no such
        contact. One that bears another key is left alone, and `skipped`.
        """
        ...

    def read(self, homes: Sequence[Home]) -> Mapping[str, Mapping[str, str]]:
        """Return what it holds of these members, by key and canonical name, in the notation of `shown`.

        A member whom it does not have is missing, and so is a field without a value.

        Raises:
            MisconfiguredError: not with these credentials.
            TransientError: not now.
            PermanentError: `NOT_READABLE`.

        """
        ...

    def shown(self, profile: Profile) -> Mapping[str, str]:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
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
    mirror: Mirror


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The outcome of a call that was made under a claim.

    `profile` is what was sent. With `quiet_until` the member stays claimed, by nobody, until then. `offered`
    is the digest of what a job was given, where that is not what `profile` says.
    """

    profile: Profile
    token: str
    outcome: Outcome
    quiet_until: datetime | None = None
    offered: str | None = None


class Mirrors(Protocol):
    """What one CRM holds of the members, and who is writing to it just now."""

    def load(self, keys: Sequence[str]) -> Mapping[str, Mirror]:
        """Read the members' mirrors, as of the latest write; an empty one where there is none.

        Raises:
            TransientError: when the table does not answer.

        """
        ...

    def claim(
        self, keys: Sequence[str], *, now: datetime, until: datetime, emails: Mapping[str, str] = ...
    ) -> Mapping[str, Claim]:
        """Claim members for a call; a claim on each that nobody else has claimed beyond `now`.

        `emails` are addresses under which the call may write them: strays, until it is settled as mirrored.

        Raises:
            TransientError: when the table does not answer.

        """
        ...

    def settle(self, settlements: Sequence[Settlement]) -> Mapping[str, Exception | None]:
        """Note outcomes, by member key, and give the claims back.

        An answer is a `ConflictError` where the claim was lost meanwhile: the mirror's digest is then
        cleared and the claim of whoever has it is void, so that neither call counts.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Whether a CRM is called: closed to all until `until`; None while it is open to everybody.

    `failures` counts the calls in a row that got nowhere, `reason` is the latest's, `version` the writes.
    """

    until: datetime | None = None
    failures: int = 0
    reason: str = ""
    version: int = 0


class Gates(Protocol):
    """Where one CRM's gate is kept, for all environments."""

    def load(self) -> Gate:
        """Return it; an open one where there is none.

        Raises:
            TransientError: when the table does not answer.

        """
        ...

    def swap(self, known: Gate, wanted: Gate) -> bool:
        """Write it as the next version; False where somebody wrote since `known`. Errors as in `load`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorPage:
    """Some members' mirrors, by key; `cursor` leads to the next ones, None where these were the last."""

    mirrors: Mapping[str, Mirror]
    cursor: str | None


RunName: TypeAlias = Literal["fill", "audit"]


class Inventory(Protocol):
    """All that was noted of one CRM's members, and where its long runs stand. Each raises `TransientError`."""

    def page(self, cursor: str | None = None) -> MirrorPage:
        """Return a page of the mirrors; it may be empty and not the last."""
        ...

    def run(self, name: RunName) -> Mapping[str, Any]:
        """Return what was noted of a run; empty where there was none."""
        ...

    def note(self, name: RunName, run: Mapping[str, Any]) -> None:
        """Note where a run stands."""
        ...


class Turnstiles(Protocol):
    """Where the turns of a CRM's callers are given out, for all environments."""

    def lease(self, number: int, *, earliest: datetime, latest: datetime, span: timedelta) -> datetime | None:
        """Take the next `span` of time at a rate's turnstile, by its number; return when it begins.

        It begins when the span before ends, but not before `earliest`; None where that is after `latest`.

        Raises:
            TransientError: when the table does not answer.

        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A member as the API answered. `date` is the answer's own time, where it told one; `seconds` the call took."""

    member: ApiMember
    date: datetime | None
    seconds: float


class Api(Protocol):
    """The platform's API, as far as one member is concerned."""

    def read(self, customer_id: str) -> Reading | None:
        """Read a member; None where the API knows none by this id.

        Raises:
            MisconfiguredError: the key is wrong.
            TransientError: not now.

        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Credits that were written down before anything was sent; `granted` once it is certain that they were.

    `by` is the id of the effect that asked first.
    """

    customer_id: str
    amount: Decimal
    by: str
    granted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What may be promised for one calendar month (`2026-11`): `ceiling` in all, granted or not."""

    month: str
    ceiling: Decimal


class Promises(Protocol):
    """What was promised, by key, and how much in each month. Any method may raise a TransientError."""

    def load(self, key: str) -> Promise | None:
        """Return what is promised under a key, as of the latest write; None where nothing is."""
        ...

    def promised(self, month: str) -> Decimal:
        """Return how much is promised for a month, as of the latest write."""
        ...

    def intents(self, allowance: Allowance | None, by: str) -> Intents:
        """Return the intents of one grant: its claim and its part of the month are one write, or none.

        A new claim raises OverCeilingError where the allowance leaves no room. Without an allowance
        there is no new claim at all, but a ConflictError: what is not promised is not to be granted.
        """
        ...


class Giver(Protocol):
    """The platform's API, as far as credits are concerned."""

    def grant(  # noqa: PLR0913 - what, to whom, once per what, and whether to try again
        self, customer_id: str, amount: Decimal, *, key: str, note: str, intents: Intents, again: bool
    ) -> GrantStatus:
        """Grant credits once for the key; without `again` a request that may have been lost stays so.

        Raises:
            MisconfiguredError: the key is wrong; nothing was granted.
            PermanentError: `grant_refused`; nothing was granted.
            TransientError: not now; what is promised is in the intents.
            ConflictError, OverCeilingError: the intents said so.

        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """When a member was last read from the API, and until when it is not to be read again."""

    read_at: datetime | None = None
    free_at: datetime | None = None


class Turns(Protocol):
    """Who was read when, so that nobody is read too often."""

    def load(self, key: str) -> Turn:
        """Return a member's turn, as of the latest write.

        Raises:
            TransientError: when the table does not answer.

        """
        ...

    def claim(self, key: str, *, now: datetime, until: datetime) -> bool:
        """Take the member's turn; False where somebody has it beyond `now`. Errors as in `load`."""
        ...

    def settle(self, key: str, read_at: datetime | None) -> None:
        """Note when it was read; None gives the turn back, since it was not. Errors as in `load`."""
        ...


class Figures(Protocol):
    """The programme's figures, and by the hour how many webhooks came."""

    def keep(self, figures: Sequence[Counted]) -> Sequence[Exception | None]:
        """Keep figures; one answer for each, None where it is kept. One that is kept again is kept once."""
        ...

    def between(self, begin: datetime, end: datetime) -> Iterable[Counted]:
        """Return the figures from `begin` on and before `end`, the oldest first.

        Raises:
            TransientError: when the table does not answer.

        """
        ...

    def hear(self, hours: Mapping[datetime, int]) -> None:
        """Add to the hours' numbers of webhooks. Errors as in `between`."""
        ...

    def heard(self, begin: datetime, end: datetime) -> Mapping[datetime, int]:
        """Return the numbers of webhooks by hour, where there were any. Errors as in `between`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """Some of a table's items, and where to go on: `after` is None when these were the last.

    `unreadable` counts those that newer code has written in a way that this one cannot read.
    """

    items: Sequence[Item]
    after: str | None = None
    unreadable: int = 0


class Pages(Protocol[Item]):
    """A table that is read through, page by page, in its own order."""

    def page(self, after: str | None = None) -> Page[Item]:
        """Return the page that follows the key `after`, the first one for None.

        Raises:
            TransientError: when the table does not answer.

        """
        ...


class Rounds(Protocol):
    """Where the daily round keeps how far it is."""

    def load(self) -> Round | None:
        """Read it, as of the latest write; None where there never was one.

        Raises:
            TransientError: when the table does not answer.

        """
        ...

    def save(self, round_: Round) -> None:
        """Write it as version + 1.

        Raises:
            ConflictError: when it was written since.
            TransientError: when the table does not answer.

        """
        ...


class Clock(Protocol):
    """The wall clock: used for back-off and age alone. Everything else goes by the time in the messages."""

    def __call__(self) -> datetime:
        """Return now, aware, in UTC."""
        ...


class Telemetry(Protocol):
    """Log lines and metrics: one line per outcome, never a value of an event."""

    def outcome(self, outcome: str, *, event_id: str | None, topic: str | None, **about: object) -> None:
        """Log what became of one thing, and count it under its outcome."""
        ...

    def measure(self, name: str, value: float, unit: str = "Count", **by: str) -> None:
        """Record a figure, by the dimensions given."""
        ...

    def flush(self) -> None:
        """Write the figures of this invocation."""
        ...
