"""Notes for the member's timeline in the CRM: which moments they are, and what each carries.

Names are a contract with the merchant, who builds flows on them: never renamed. `membership_key`,
`occurred_at` and `inveterate_event_id` are the same for all notes of an event: they are added when a note is
sent (`completed`), since a note travels in the item of its member's record, and bytes there are paid for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from relay.model.effects import Note
from relay.model.formats import minor_units, rounded, utc_text
from relay.model.member import Member
from relay.model.timeline_events import NoteName, Property

LONGEST_TEXT: Final = 200
"""Characters of a property: a note is no place for what the platform wrote without end."""


def note(
    rule: str,
    name: NoteName,
    member: Member,
    *,
    amount: Decimal | None = None,
    currency: str | None = None,
    **more: Property | date | None,
) -> Note:
    """Return a note about a member as the record is after the event. What is None is left out.

    `more` is what `metrics.py` says that an event of this name carries besides; moments and days become texts.
    """
    told: dict[str, Property | date | None] = {
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
        properties={key: _told(value) for key, value in told.items() if value is not None},
    )


def completed(made: Note, *, member: str, event_id: str, at: datetime) -> Note:
    """Return the note with what is the same for all notes of its event."""
    common: Mapping[str, Property] = {
        "membership_key": member,
        "occurred_at": utc_text(at),
        "inveterate_event_id": event_id,
    }
    return replace(made, properties={**made.properties, **common})


def in_minor_units(amount: Decimal, currency: str | None) -> int:
    """Return an amount in the currency's smallest unit: cents, or yen as they are."""
    return int(rounded(amount.scaleb(minor_units(currency)), 0))


def _told(value: Property | date) -> Property:
    match value:
        case str():
            return value[:LONGEST_TEXT]
        case datetime():
            return utc_text(value)
        case date():
            return value.isoformat()
        case Decimal():
            # A sum like 0.1 + 0.2 reaches us as 0.30000000000000004; the finest currencies have three decimals.
            short = rounded(value, 3)
            return value if value == short else short
        case _:
            return value
