"""Ports to the platform: reading a member from its API, and the limit on how often a member is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from inveterate import Member as ApiMember


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberReading:
    """A member as the API answered. `date` is the answer's own time, None where it has none; the call took `seconds`."""

    member: ApiMember
    date: datetime | None
    seconds: float


class MemberApi(Protocol):
    """The part of the platform's API that reads one member."""

    def read(self, customer_id: str) -> MemberReading | None:
        """Read a member; None where the API knows none by this id.

        Raises:
            MisconfiguredError: the key is wrong.
            TransientError: not now.

        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPage:
    """A page of the list of members. `cursor` is the next page's, None after the last; `date` and `seconds` as of a reading.

    `end` says why the list ended here, empty where it goes on; `is_certain` whether it then surely was whole.
    `unreadable` rows are no members. `total` is how many members the platform says there are, where it says so.
    """

    members: Sequence[ApiMember]
    cursor: str | None
    date: datetime | None
    seconds: float
    end: str = ""
    is_certain: bool = False
    unreadable: int = 0
    total: int | None = None


class MemberList(MemberApi, Protocol):
    """The part of the platform's API that reads members, one or all."""

    def pages(self, cursor: str | None) -> Iterator[MemberPage]:
        """Yield the pages of the list from a cursor on, each fetched when it is asked for. Raises as `read`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSubscription:
    """A subscription as the platform lists it."""

    topic: str
    name: str
    callback_url: str


class SubscriptionList(Protocol):
    """The part of the platform's API that lists the webhook subscriptions."""

    def subscriptions(self) -> Sequence[PlatformSubscription]:
        """Return the subscriptions of the shop, those of other apps included.

        Raises:
            MisconfiguredError: the key is wrong.
            TransientError: not now, or the list cannot be read for certain.

        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadState:
    """When a member was last read from the API, and from when on it may be read again."""

    read_at: datetime | None = None
    next_read_at: datetime | None = None


class ReadThrottle(Protocol):
    """Lets a member be read from the API once an hour. Each method raises a TransientError when the table does not answer."""

    def load(self, key: str) -> ReadState:
        """Return when a member was read and may be read again, as of the latest write."""
        ...

    def claim(self, key: str, *, now: datetime, until: datetime) -> bool:
        """Claim the member's read until then; False while another invocation's claim lasts beyond `now`."""
        ...

    def mark_read(self, key: str, at: datetime) -> None:
        """Record when the member was read; the claim stays."""
        ...

    def release(self, key: str) -> None:
        """Release the claim: the member was not read."""
        ...
