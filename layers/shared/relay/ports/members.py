"""How members are kept: one record each, which is written only by whoever has seen its latest state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from relay.model.member import Member
from relay.model.messages import Outbox
from relay.rules.settings import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRecord:
    """A member as the table holds it: `version` counts its writes (0: not there yet), `seen` remembers event ids."""

    member: Member
    version: int = 0
    seen: tuple[str, ...] = ()


class MemberStore(Protocol):
    """The members table."""

    def load(self, keys: Iterable[str]) -> tuple[Mapping[str, MemberRecord], Rules]:
        """Read the members with these keys (an empty record for a new one) and the rules, in one go.

        Raises:
            TransientError: when the table does not answer, or the rules cannot be read.

        """
        ...

    def save(self, record: MemberRecord, outbox: Outbox) -> None:
        """Write a record as version + 1, with what it has to tell; all or nothing.

        Raises:
            ConflictError: when the table holds another version than the one that was read.
            TransientError: when the table does not answer.

        """
        ...
