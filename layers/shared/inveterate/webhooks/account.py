"""Account events: joining, changing tier, and changes of the member's record (six topics)."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from inveterate._ids import CustomerId
from inveterate._scalars import Count, Flag, Money, Text, Timestamp
from inveterate._wire_model import WireModel
from inveterate.webhooks import times
from inveterate.webhooks.base import Event, Payload


class TierEntry(WireModel):
    """How a member entered a tier. `previous_tier_*` are set after a move from another tier."""

    entry_type: Text | None = None
    tier_name: Text | None = None
    previous_tier_id: Text | None = None
    previous_tier_name: Text | None = None


class TierPayload(Payload):
    """The tier that was *entered*: `tier_id` is 8 hex digits, the key; names repeat and change."""

    tier_id: Text | None = None
    detail: TierEntry | None = None


class _TierEvent(Event):
    payload: TierPayload

    @property
    def detail(self) -> TierEntry:
        """The detail object; an empty one if the event has none."""
        return self.payload.detail or TierEntry()


class JoinedPaidTier(_TierEvent):
    """customer.joined.paid_tier: a membership was bought."""

    TOPIC: ClassVar[str] = "customer.joined.paid_tier"


class JoinedFreeTier(_TierEvent):
    """customer.joined.free_tier: a free tier was entered, by sign-up or by a move down."""

    TOPIC: ClassVar[str] = "customer.joined.free_tier"


class JoinedLifetimeTier(_TierEvent):
    """customer.joined.lifetime_tier: a lifetime membership was bought."""

    TOPIC: ClassVar[str] = "customer.joined.lifetime_tier"


class ChangedTier(_TierEvent):
    """customer.changed_tier: any move between tiers; the event has no cause."""

    TOPIC: ClassVar[str] = "customer.changed_tier"


class TrialPayload(TierPayload):
    """A tier entered on trial. The start and the end are not a whole number of days apart."""

    free_trial_start: Timestamp | None = None
    free_trial_end: Timestamp | None = None


class JoinedFreeTrial(_TierEvent):
    """customer.joined.free_trial: a trial of a paid tier began."""

    TOPIC: ClassVar[str] = "customer.joined.free_trial"

    payload: TrialPayload


class MemberSnapshot(WireModel):
    """The platform's member record at one moment: profile, balance (`credit`), tier and status.

    The platform does not keep `updated_at` up to date: never order by it.
    """

    customer_id: CustomerId | None = None
    merchant_id: Text | None = None
    email: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    phone_number: Text | None = None
    notes: Text | None = None
    account_state: Text | None = None
    status: Text | None = None
    anonymized: Flag | None = None
    tier_id: Text | None = None
    tier_name: Text | None = None
    trigger: Text | None = None
    joined_at: Timestamp | None = None
    free_trial_active: Flag | None = None
    credit: Money | None = None
    credits_earned: Money | None = None
    last_credit_redemption_at: Timestamp | None = None
    revenue: Money | None = None
    currency_code: Text | None = None
    last_purchase_at: Timestamp | None = None
    referrals: Count | None = None
    referred_by: Text | None = None
    payment_id: Text | None = None
    contract_id: Text | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class UpdatedPayload(Payload):
    """The record after the change; `old_data` may carry keys that `new_data` no longer has."""

    new_data: MemberSnapshot | None = None
    old_data: dict[str, object] | None = None


class Updated(Event):
    """customer.updated: the member's record was written, often without a relevant difference."""

    TOPIC: ClassVar[str] = "customer.updated"

    payload: UpdatedPayload

    @property
    def snapshot(self) -> MemberSnapshot:
        """The record after the change. It has no time of its own: the event's `occurred_at` is when it was triggered."""
        return self.payload.new_data or MemberSnapshot()

    @property
    def own_time(self) -> datetime | None:
        """None but for a retry: that may be triggered anew, so the snapshot's `updated_at` dates it, a lower bound."""
        if not self.is_retry:
            return super().own_time
        latest = self.triggered_at or self._delivery.received_at
        return times.possible(self.snapshot.updated_at, latest)
