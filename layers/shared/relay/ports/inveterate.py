"""What is asked of the platform itself: reading a member, and who was read when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from inveterate import Member as ApiMember


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberReading:
    """A member as the API answered. `date` is the answer's own time, where it told one; `seconds` the call took."""

    member: ApiMember
    date: datetime | None
    seconds: float


class MemberApi(Protocol):
    """The platform's API, as far as one member is concerned."""

    def read(self, customer_id: str) -> MemberReading | None:
        """Read a member; None where the API knows none by this id.

        Raises:
            MisconfiguredError: the key is wrong.
            TransientError: not now.

        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTurn:
    """When a member was last read from the API, and until when it is not to be read again."""

    read_at: datetime | None = None
    free_at: datetime | None = None


class ReadThrottle(Protocol):
    """Who was read when, so that nobody is read too often."""

    def load(self, key: str) -> ReadTurn:
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
