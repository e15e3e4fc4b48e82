"""What one member's profile must say, field by field, and which fields the documents leave open."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TypeAlias

Scalar: TypeAlias = "str | int | Decimal | date | bool | None"

MOMENTS = frozenset(
    {
        "joined_at",
        "first_joined_at",
        "tier_changed_at",
        "pending_cancel_at",
        "cancelled_at",
        "last_order_at",
        "trial_ends_at",
        "last_payment_at",
        "recovered_at",
        "rejoined_at",
        "payment_method_updated_at",
        "credits_expired_at",
    }
)
PERSONAL = ("email", "first_name", "last_name", "phone")


@dataclass(slots=True)
class Answer:
    """What one member's profile must say: `fields` by canonical name (crm.md part 6), and what is open."""

    member: str
    fields: dict[str, Scalar] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    erased: bool = False
    erased_once: bool = False
    credit_certain: bool = True
    pairs: dict[str, int] = field(default_factory=lambda: {"rejoined": 0, "recovered": 0, "lost": 0})

    def determined(self) -> dict[str, Scalar]:
        """Return the fields that the documents determine."""
        return {name: value for name, value in self.fields.items() if name not in self.open}
