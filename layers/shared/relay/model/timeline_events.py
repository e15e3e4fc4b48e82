"""Lists the events that a CRM shows on a member's timeline: their names, and the properties of each.

Merchants start flows by these names: no name is ever changed, and none begins with `Inveterate:`, which the
platform's own integration uses. Notes, the definitions of events at a CRM and sample events all follow this list.
A new name may be added. `docs/hubspot.md` and `docs/klaviyo.md` list it too.
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
    "Membership Referral Completed",
]

PropertyValue: TypeAlias = str | Decimal | int | bool

TIMELINE_EVENTS: Final[tuple[NoteName, ...]] = get_args(NoteName)
"""`Member Ordered` is sent only with the setting `orders_to_crm`, but is defined and sampled like the others."""

COMMON_PROPERTIES: Final[Mapping[str, ValueKind]] = {
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
"""Properties that every event may have, of the same type in every CRM."""

_ACTIONABLE: Final[Mapping[str, ValueKind]] = {
    "next_attempt_at": ValueKind.MOMENT,
    "final_attempt_at": ValueKind.MOMENT,
    "manage_url": ValueKind.TEXT,
}
"""What a message to the member needs: until when, and where to act. Deadlines only while a fee is open."""

_OWN_PROPERTIES: Final[Mapping[str, Mapping[str, ValueKind]]] = {
    "Membership Joined": {"again": ValueKind.FLAG},
    "Membership Tier Changed": {"direction": ValueKind.TEXT, "previous_tier_name": ValueKind.TEXT},
    "Membership Payment Failed": {
        "attempt": ValueKind.COUNT,
        "attempts_left": ValueKind.COUNT,
        "reason": ValueKind.TEXT,
        "decline_code": ValueKind.TEXT,
        **_ACTIONABLE,
    },
    "Membership Payment Recovered": _ACTIONABLE,
    "Store Credit Changed": {
        "delta": ValueKind.MONEY,
        "reason": ValueKind.TEXT,
        "credit_kind": ValueKind.TEXT,
    },
    "Store Credit Expiring": {"days": ValueKind.COUNT, "expires_at": ValueKind.MOMENT, **_ACTIONABLE},
    "Store Credit Expired": {"credit_kind": ValueKind.TEXT, **_ACTIONABLE},
    "Membership Cancellation Pending": {
        "cancel_at": ValueKind.MOMENT,
        "reason": ValueKind.TEXT,
        **_ACTIONABLE,
    },
    "Membership Cancelled": {"type": ValueKind.TEXT, **_ACTIONABLE},
    "Membership Rejoined": {"times": ValueKind.COUNT},
    "Renewal Upcoming": {"days": ValueKind.COUNT, "renews_on": ValueKind.DAY},
    "Trial Ending": {"days": ValueKind.COUNT, "trial_ends_at": ValueKind.MOMENT},
    "Membership Referral Completed": {"referrals_count": ValueKind.COUNT},
}

MONEY_RECEIVED: Final = frozenset({"Membership Joined", "Membership Payment Recovered", "Member Ordered"})
"""Events whose amount the member has paid. Only of these may a CRM take the amount for revenue."""


def with_amounts(name: str, properties: Mapping[str, PropertyValue]) -> dict[str, PropertyValue]:
    """Return an event's properties with amounts as `Decimal`: as JSON they are texts, so that no cent is lost."""
    kinds = properties_of(name)
    return {
        key: _amount(value) if kinds.get(key) is ValueKind.MONEY else value
        for key, value in properties.items()
    }


def _amount(value: PropertyValue) -> PropertyValue:
    try:
        return Decimal(value) if isinstance(value, str) else value
    except InvalidOperation:
        return value


def properties_of(name: str) -> Mapping[str, ValueKind]:
    """Return the properties that an event of this name may have, with their types."""
    return {**COMMON_PROPERTIES, **_OWN_PROPERTIES.get(name, {})}
