"""What Relay needs of the outside world, said in our own words; `adapters/` keeps these promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol

from relay.canonical import Profile
from relay.changes import Change, Outbox, Telling
from relay.member import Member
from relay.occasions import Occasion
from relay.rules import Rules

if TYPE_CHECKING:
    from inveterate import GrantStatus, Intents
    from inveterate import Member as ApiMember


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What people are to be told: one telling of one occasion.

    `kind` is the opening, a rise in level, or the closing. `member` is the record as it is now, None
    where it cannot be read. `repeat` marks one that may have been told before.
    """

    telling: Telling
    kind: Literal["opening", "rise", "closing"]
    member: Member | None
    repeat: bool = False


class Channel(Protocol):
    """One way to reach people."""

    @property
    def name(self) -> str:
        """What the occasion remembers it by."""
        ...

    def announce(self, announcement: Announcement) -> None:
        """Tell them.

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
    `retry` that the call broke off: what it asked for may be done already, or yet.
    """

    state: Literal["mirrored", "skipped", "retry", "refused", "unauthorised", "pending"]
    reason: str = ""
    id: str | None = None
    retry_after: float | None = None
    unanswered: bool = False


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

    def upsert(self, profiles: Sequence[Profile]) -> Mapping[str, Outcome]:
        """Write the members' fields; an outcome for each, by member key. It raises nothing of its own."""
        ...

    def record(self, changes: Sequence[Change]) -> Mapping[str, Outcome]:
        """Write notes to the members' timelines; an outcome for each, by effect id."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """What is known of one member in one CRM.

    `digest` is that of the profile which the CRM surely holds; None where nobody can be sure. `id` and
    `email` are the CRM's id and the e-mail address last used. `busy_until` is set from before a call until
    its outcome is noted, and stays set, in the past, when nobody lived to note it.
    """

    digest: str | None = None
    state: str = ""
    reason: str = ""
    id: str | None = None
    email: str | None = None
    busy_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The outcome of a call that was made under a claim.

    `profile` is what was sent. With `quiet_until` the member stays claimed, by nobody, until then.
    """

    profile: Profile
    token: str
    outcome: Outcome
    quiet_until: datetime | None = None


class Mirrors(Protocol):
    """What one CRM holds of the members, and who is writing to it just now."""

    def load(self, keys: Sequence[str]) -> Mapping[str, Mirror]:
        """Read the members' mirrors, as of the latest write; an empty one where there is none.

        Raises:
            TransientError: when the table does not answer.

        """
        ...

    def claim(self, keys: Sequence[str], *, now: datetime, until: datetime) -> Mapping[str, str]:
        """Claim members for a call; a token for each that nobody else has claimed beyond `now`.

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
