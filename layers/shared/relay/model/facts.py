"""What one event says of a member, and as of when.

A field that the event lacks is not in here and says nothing; one that it gives as null is here as None
and clears. The names are those of `fields.FIELDS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from relay.model.balance_chain import BalanceChange
from relay.model.fields import FIELDS, Value, whole_millis
from relay.model.milestones import MilestoneKind

if TYPE_CHECKING:
    from inveterate.webhooks.base import Event, WireModel

LONGEST_TEXT: Final = 1_000
"""Characters of a text that a record keeps: a record has to stay far below the table's limit for an item."""

_NOTHING: Final[Mapping[str, Value]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Lot:
    """Credits that were given together and expire together. The amount is what was given, not what is left."""

    amount: Decimal
    expires_at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "expires_at", whole_millis(self.expires_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Values by field name, told by `event_id` as of `at` (aware, UTC); None until somebody dates them."""

    event_id: str
    at: datetime | None
    values: Mapping[str, Value] = field(default_factory=lambda: _NOTHING)
    lot: Lot | None = None
    change: BalanceChange | None = None
    milestone: MilestoneKind | None = None

    def __post_init__(self) -> None:
        unknown = self.values.keys() - FIELDS.keys()
        if unknown:
            raise ValueError(f"not fields of a member: {sorted(unknown)}")
        if self.at:
            object.__setattr__(self, "at", whole_millis(self.at))

    @classmethod
    def of(
        cls,
        event: Event,
        *told: Mapping[str, Value],
        lot: Lot | None = None,
        change: BalanceChange | None = None,
        milestone: MilestoneKind | None = None,
    ) -> Facts:
        """Gather what `event` tells, dated by the event."""
        return cls(
            event_id=event.id,
            at=event.occurred_at,
            values=combine(*told),
            lot=lot,
            change=change,
            milestone=milestone,
        )

    def dated(self, received_at: datetime) -> Facts:
        """Return the same facts, as of their receipt if the event told no time."""
        return self if self.at else replace(self, at=received_at)


def combine(*told: Mapping[str, Value]) -> dict[str, Value]:
    """Put together what was told, each value in the form in which the record keeps it."""
    return {name: _tidy(name, value) for part in told for name, value in part.items()}


def pick(part: WireModel, /, **fields: str) -> dict[str, Value]:
    """Pick what `part` says: `pick(event.contact, email="email", phone_number="phone")`.

    Keys are fields of the part, values those of the member. What the part does not mention is left out.
    """
    return {name: getattr(part, said) for said, name in fields.items() if part.has(said)}


def _tidy(name: str, value: Value) -> Value:
    """Keep addresses trimmed and in lower case, as every mirror compares them; moments as the table does; no text without end."""
    if isinstance(value, datetime):
        return whole_millis(value)
    if not isinstance(value, str):
        return value
    if name == "email":
        value = value.strip().lower()
        return value or None
    return value[:LONGEST_TEXT]
