"""The moments of a membership that a CRM is told of as events: their names and what each carries.

Merchants start flows by these names: none is ever renamed, and none begins with `Inveterate:`, which is
the platform's own link's. This is the one list of them: who makes notes, who defines events at a CRM and
who sends samples all go by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, TypeAlias, get_args

from relay.model.fields import ValueKind

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

TIMELINE_EVENTS: Final[tuple[NoteName, ...]] = get_args(NoteName)
"""`Member Ordered` is sent where the setting `orders_to_crm` says so, and is defined and sampled like the others."""

CARRIED: Final[Mapping[str, ValueKind]] = {
    "membership_key": ValueKind.TEXT,
    "tier_id": ValueKind.TEXT,
    "tier_name": ValueKind.TEXT,
    "status": ValueKind.TEXT,
    "amount": ValueKind.MONEY,
    "amount_minor": ValueKind.COUNT,
    "currency": ValueKind.TEXT,
    "occurred_at": ValueKind.MOMENT,
    "inveterate_event_id": ValueKind.TEXT,
}
"""What every event may carry, typed alike in every CRM."""

_MORE: Final[Mapping[str, Mapping[str, ValueKind]]] = {
    "Membership Joined": {"again": ValueKind.FLAG},
    "Membership Tier Changed": {"direction": ValueKind.TEXT, "previous_tier_name": ValueKind.TEXT},
    "Membership Payment Failed": {
        "attempt": ValueKind.COUNT,
        "attempts_left": ValueKind.COUNT,
        "reason": ValueKind.TEXT,
    },
    "Store Credit Changed": {"delta": ValueKind.MONEY, "reason": ValueKind.TEXT},
    "Store Credit Expiring": {"days": ValueKind.COUNT, "expires_at": ValueKind.MOMENT},
    "Membership Cancellation Pending": {"cancel_at": ValueKind.MOMENT, "reason": ValueKind.TEXT},
    "Membership Cancelled": {"type": ValueKind.TEXT},
    "Membership Rejoined": {"times": ValueKind.COUNT},
    "Renewal Upcoming": {"days": ValueKind.COUNT, "renews_on": ValueKind.DAY},
    "Trial Ending": {"days": ValueKind.COUNT, "trial_ends_at": ValueKind.MOMENT},
}


def with_amounts(name: str, properties: Mapping[str, Property]) -> dict[str, Property]:
    """Return what an event carries with its amounts as such: in JSON they travel as texts, so that none loses a cent."""
    kinds = carried_by(name)
    return {
        carried: _amount(value) if kinds.get(carried) is ValueKind.MONEY else value
        for carried, value in properties.items()
    }


def _amount(value: Property) -> Property:
    try:
        return Decimal(value) if isinstance(value, str) else value
    except InvalidOperation:
        return value


def carried_by(name: str) -> Mapping[str, ValueKind]:
    """Return what the event of this name may carry."""
    return {**CARRIED, **_MORE.get(name, {})}
