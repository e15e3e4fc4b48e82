"""Builds the notes that a CRM shows on a member's timeline and starts flows from.

Their names are a contract with the merchant (`model/timeline_events.py`). `membership_key`, `occurred_at` and
`inveterate_event_id` are the same for all notes of an event. They are added when a note is sent
(`with_common_properties`): until then a note is stored in the item of its member's record, where every byte costs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from inveterate.webhooks.texts import cut

from relay.model.effects import Note
from relay.model.formats import minor_units, rounded, utc_text
from relay.model.member import Member
from relay.model.timeline_events import NoteName, PropertyValue

LONGEST_TEXT: Final = 200
"""Characters of a property: the platform may write texts of any length."""


def note(  # noqa: PLR0913 - what, of which member, and the properties that every note may have
    rule: str,
    name: NoteName,
    member: Member,
    *,
    amount: Decimal | None = None,
    currency: str | None = None,
    key: str = "",
    also: Mapping[str, PropertyValue | date | None] | None = None,
    **more: PropertyValue | date | None,
) -> Note:
    """Return a note about a member, whose record is the one after the event; a property that is None is left out.

    `key` is the note's own where several events can tell it. `more` and
    `also` are the properties that `timeline_events.py` lists for this name alone; moments and days become texts.
    """
    values: dict[str, PropertyValue | date | None] = {
        "tier_id": member.text("tier_id"),
        "tier_name": member.text("tier_name"),
        "status": member.status,
        "amount": amount,
        # Of no known currency an amount has no smallest unit: 980 may be yen.
        "amount_minor": None if amount is None or currency is None else in_minor_units(amount, currency),
        "currency": currency,
        **more,
        **(also or {}),
    }
    return Note(
        rule=rule,
        name=name,
        key=key,
        properties={key: _property(value) for key, value in values.items() if value is not None},
    )


def referral_key(member: Member, count: int) -> str:
    """Return the key of a completed referral, by the count reached: two snapshots that show it are one event."""
    return hashlib.sha256(f"{member.key} referral {count}".encode()).hexdigest()[:32]


def with_common_properties(note_: Note, *, member: str, event_id: str, at: datetime) -> Note:
    """Return the note with the properties that all notes of its event share; `member` is the key."""
    common: Mapping[str, PropertyValue] = {
        "membership_key": member,
        "occurred_at": utc_text(at),
        "inveterate_event_id": event_id,
    }
    return replace(note_, properties={**note_.properties, **common})


def in_minor_units(amount: Decimal, currency: str) -> int:
    """Return an amount in the currency's smallest unit: cents for dollars, yen for yen."""
    return int(rounded(amount.scaleb(minor_units(currency)), 0))


def _property(value: PropertyValue | date) -> PropertyValue:
    match value:
        case str():
            return cut(value, LONGEST_TEXT)
        case datetime():
            return utc_text(value)
        case date():
            return value.isoformat()
        case Decimal():
            # 0.1 + 0.2 arrives as 0.30000000000000004; no currency has more than three decimals.
            short = rounded(value, 3)
            return value if value == short else short
        case _:
            return value
