"""Notes for the member's timeline in the CRM: which moments they are, and what each carries.

Names are a contract with the merchant, who builds flows on them: never renamed. `membership_key`,
`occurred_at` and `inveterate_event_id` are the same for all notes of an event: they are added when a note is
sent (`completed`), since a note travels in the item of its member's record, and bytes there are paid for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Literal, TypeAlias

from relay.effects import Note
from relay.member import Member
from relay.wording import minor_units

NoteName: TypeAlias = Literal[
    "Membership Joined",
    "Membership Tier Changed",
    "Membership Payment Failed",
    "Membership Payment Recovered",
    "Store Credit Changed",
    "Store Credit Expiring",
    "Store Credit Expired",
    "Membership Cancellation Pending",
    "Membership Cancelled",
    "Membership Rejoined",
    "Renewal Upcoming",
    "Trial Ending",
    "Member Ordered",
]

Property: TypeAlias = str | Decimal | int | bool

LONGEST_TEXT: Final = 200
"""Characters of a property: a note is no place for what the platform wrote without end."""


def note(
    rule: str,
    name: NoteName,
    member: Member,
    *,
    amount: Decimal | None = None,
    currency: str | None = None,
    **more: Property | None,
) -> Note:
    """Return a note about a member as the record is after the event. What is None is left out."""
    told: dict[str, Property | None] = {
        "tier_id": member.text("tier_id"),
        "tier_name": member.text("tier_name"),
        "status": member.status,
        "amount": amount,
        "amount_minor": None if amount is None else in_minor_units(amount, currency),
        "currency": currency,
        **more,
    }
    return Note(
        rule=rule,
        name=name,
        properties={key: _cut(value) for key, value in told.items() if value is not None},
    )


def completed(made: Note, *, member: str, event_id: str, at: datetime) -> Note:
    """Return the note with what is the same for all notes of its event."""
    common: Mapping[str, Property] = {
        "membership_key": member,
        "occurred_at": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "inveterate_event_id": event_id,
    }
    return replace(made, properties={**made.properties, **common})


def in_minor_units(amount: Decimal, currency: str | None) -> int:
    """Return an amount in the currency's smallest unit: cents, or yen as they are."""
    return int(amount.scaleb(minor_units(currency)).quantize(Decimal(1), ROUND_HALF_EVEN))


def _cut(value: Property) -> Property:
    return value[:LONGEST_TEXT] if isinstance(value, str) else value
