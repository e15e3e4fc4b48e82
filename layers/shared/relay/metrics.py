"""The moments of a membership that a CRM is told of as events: their names and what each carries.

Merchants start flows by these names: none is ever renamed, and none begins with `Inveterate:`, which is
the platform's own link's.
"""

from __future__ import annotations

from typing import Final

from relay.fields import Kind

METRICS: Final = (
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
)

CARRIED: Final[dict[str, Kind]] = {
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
"""What an event may carry, typed alike in every CRM."""
