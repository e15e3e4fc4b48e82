"""The moments of a membership that a CRM is told of as events: their names and what each carries.

Merchants start flows by these names: none is ever renamed, and none begins with `Inveterate:`, which is
the platform's own link's. This is the one list of them: who makes notes, who defines events at a CRM and
who sends samples all go by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, TypeAlias, get_args

from relay.fields import Kind

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

METRICS: Final[tuple[NoteName, ...]] = get_args(NoteName)
"""`Member Ordered` is sent where the setting `orders_to_crm` says so, and is defined and sampled like the others."""

CARRIED: Final[Mapping[str, Kind]] = {
    "membership_key": Kind.TEXT,
    "tier_id": Kind.TEXT,
    "tier_name": Kind.TEXT,
    "status": Kind.TEXT,
    "amount": Kind.MONEY,
    "amount_minor": Kind.COUNT,
    "currency": Kind.TEXT,
    "occurred_at": Kind.MOMENT,
    "inveterate_event_id": Kind.TEXT,
}
"""What every event may carry, typed alike in every CRM."""

_MORE: Final[Mapping[str, Mapping[str, Kind]]] = {
    "Membership Joined": {"again": Kind.FLAG},
    "Membership Tier Changed": {"direction": Kind.TEXT, "previous_tier_name": Kind.TEXT},
    "Membership Payment Failed": {
        "attempt": Kind.COUNT,
        "attempts_left": Kind.COUNT,
        "reason": Kind.TEXT,
    },
    "Store Credit Changed": {"delta": Kind.MONEY, "reason": Kind.TEXT},
    "Store Credit Expiring": {"days": Kind.COUNT, "expires_at": Kind.MOMENT},
    "Membership Cancellation Pending": {"cancel_at": Kind.MOMENT, "reason": Kind.TEXT},
    "Membership Cancelled": {"type": Kind.TEXT},
    "Membership Rejoined": {"times": Kind.COUNT},
    "Renewal Upcoming": {"days": Kind.COUNT, "renews_on": Kind.DAY},
    "Trial Ending": {"days": Kind.COUNT, "trial_ends_at": Kind.MOMENT},
}


def with_amounts(name: str, properties: Mapping[str, Property]) -> dict[str, Property]:
    """Return what an event carries with its amounts as such: in JSON they travel as texts, so that none loses a cent."""
    kinds = carried_by(name)
    return {
        carried: _amount(value) if kinds.get(carried) is Kind.MONEY else value
        for carried, value in properties.items()
    }


def _amount(value: Property) -> Property:
    try:
        return Decimal(value) if isinstance(value, str) else value
    except InvalidOperation:
        return value


def carried_by(name: str) -> Mapping[str, Kind]:
    """Return what the event of this name may carry."""
    return {**CARRIED, **_MORE.get(name, {})}
