"""Account events: joining, changing tier, and changes of the member's record (six topics)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final, Self

from pydantic import model_validator

from inveterate._ids import CustomerId
from inveterate._wire_model import WireModel
from inveterate.webhooks import times
from inveterate.webhooks.base import Event, Payload
from inveterate.webhooks.cleaning import (
    Amount,
    Count,
    Currency,
    Email,
    Erasure,
    Flag,
    Id,
    Label,
    Moment,
    Money,
    Name,
    Note,
    Phone,
    Word,
    round_money,
)


class TierEntry(WireModel):
    """How a member entered a tier. `previous_tier_*` are set after a move from another tier."""

    entry_type: Word = None
    tier_name: Label = None
    previous_tier_id: Id = None
    previous_tier_name: Label = None


class TierPayload(Payload):
    """The tier that was *entered*: `tier_id` is 8 hex digits, the key; names repeat and change."""

    tier_id: Id = None
    detail: TierEntry | None = None


ENTRY_TYPES: Final = frozenset({"SUBSCRIPTION_PURCHASE", "ONE_TIME_PURCHASE", "FREE_SIGNUP"})
"""The types of entry in the documentation's examples."""


class _TierEvent(Event):
    ABOUT: ClassVar[tuple[str, ...]] = ("tier_id",)
    WORDS: ClassVar[Mapping[str, frozenset[str]]] = {"detail.entry_type": ENTRY_TYPES}

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

    free_trial_start: Moment = None
    free_trial_end: Moment = None


class JoinedFreeTrial(_TierEvent):
    """customer.joined.free_trial: a trial of a paid tier began."""

    TOPIC: ClassVar[str] = "customer.joined.free_trial"
    ABOUT: ClassVar[tuple[str, ...]] = ("tier_id", "free_trial_end")

    payload: TrialPayload


class MemberSnapshot(WireModel):
    """The platform's member record at one moment: profile, balance (`credit`), tier and status.

    The platform does not keep `updated_at` up to date: never order by it.
    """

    customer_id: CustomerId | None = None
    merchant_id: Id = None
    email: Email = None
    first_name: Name = None
    last_name: Name = None
    phone_number: Phone = None
    notes: Note = None
    account_state: Word = None
    status: Word = None
    anonymized: Erasure = None
    tier_id: Id = None
    tier_name: Label = None
    trigger: Word = None
    joined_at: Moment = None
    free_trial_active: Flag = None
    credit: Amount = None
    credits_earned: Amount = None
    last_credit_redemption_at: Moment = None
    revenue: Money = None
    currency_code: Currency = None
    last_purchase_at: Moment = None
    referrals: Count = None
    referred_by: Id = None
    payment_id: Id = None
    contract_id: Id = None
    created_at: Moment = None
    updated_at: Moment = None

    @model_validator(mode="after")
    def _round(self) -> Self:
        round_money(self, self.currency_code)
        return self


STATUSES: Final = frozenset({"ACTIVE", "PENDING_CANCELLATION", "CANCELLED"})
"""The statuses in the documentation's examples. Any other word is unknown: it says neither that the member stays nor goes."""


class UpdatedPayload(Payload):
    """The record after the change; `old_data` may carry keys that `new_data` no longer has."""

    new_data: MemberSnapshot | None = None
    old_data: dict[str, object] | None = None


class Updated(Event):
    """customer.updated: the member's record was written, often without a relevant difference."""

    TOPIC: ClassVar[str] = "customer.updated"
    ABOUT: ClassVar[tuple[str, ...]] = ("new_data",)
    WORDS: ClassVar[Mapping[str, frozenset[str]]] = {"new_data.status": STATUSES}

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
