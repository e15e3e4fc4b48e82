"""Members and their credits: the platform's records, and the bodies that change them.

Source: https://help.inveterate.com/dev/api-reference-docs/public-api-2.0-reference/schemas
"""

from __future__ import annotations

from pydantic import AliasChoices, Field

from inveterate._ids import CustomerId, TierId
from inveterate._scalars import Count, Erasure, Flag, Money, Text, Timestamp
from inveterate._wire_model import WireModel
from inveterate.models.base import Record


class Member(Record):
    """A member's record (`CreateMemberDto`, which despite its name is not a request).

    `credit` is the balance and `credits_earned` a lifetime total, both in the shop's currency unit, as
    are `revenue` and `total_spend`. The platform does not keep `updated_at` up to date: never order by it.
    `birthday` is in no documented reply. Beyond the schema, `tier_*`, `trigger`, `currency_code` and
    `free_trial_active` are taken from the webhook customer.updated.
    """

    customer_id: CustomerId = Field(validation_alias=AliasChoices("customerId", "customer_id", "id"))
    merchant_id: Text | None = None
    account_state: Text | None = None
    anonymized: Erasure | None = None
    birthday: Text | None = None
    contract_id: Text | None = None
    created_at: Timestamp | None = None
    credit: Money | None = None
    credits_earned: Money | None = None
    currency_code: Text | None = None
    email: Text | None = None
    first_name: Text | None = None
    free_trial_active: Flag | None = None
    joined_at: Timestamp | None = None
    last_credit_redemption_at: Timestamp | None = None
    last_name: Text | None = None
    last_purchase_at: Timestamp | None = None
    notes: Text | None = None
    number_of_credit_redemptions: Count | None = None
    order_count: Count | None = None
    order_ids: tuple[Text, ...] | None = None
    payment_id: Text | None = None
    phone_number: Text | None = None
    referrals: Count | None = None
    referred_by: Text | None = None
    revenue: Money | None = None
    status: Text | None = None
    tier_id: TierId | None = Field(
        default=None, validation_alias=AliasChoices("tierId", "segmentId", "tier_id")
    )
    tier_name: Text | None = None
    total_spend: Money | None = None
    trigger: Text | None = None
    updated_at: Timestamp | None = None


class CreditEntry(Record):
    """One line of a member's ledger. No page describes it: the fields are v1's and those of the webhooks.

    `amount` is positive for added credits; the sign of deductions is undocumented in v2. `expires_at` is
    approximate (cut to the hour in the documented sample), and None for credits that never expire.
    """

    amount: Money | None = None
    created_at: Timestamp | None = None
    expires_at: Timestamp | None = Field(
        default=None, validation_alias=AliasChoices("expirationDate", "expiresAt", "expiredAt", "expires_at")
    )
    new_balance: Money | None = None
    previous_balance: Money | None = None
    reason: Text | None = None
    note: Text | None = None
    order_id: Text | None = None


class UpdateMember(WireModel):
    """The body of a member's update. The platform overwrites all five; `birthday` is YYYY-MM-DD.

    `UpdateMemberDto` of the Schemas page lacks `birthday`; the operation's page, which is newer, needs it.
    """

    first_name: str | None
    last_name: str | None
    notes: str | None
    phone_number: str | None
    birthday: str | None


class CreateCredit(WireModel):
    """The body that adds credits (`amount` above zero) or removes them (below).

    `CreateCreditDto` of the Schemas page has `amount` alone; the operation's page has all three.
    """

    amount: Money
    note: str | None = None
    force: bool | None = None


class CreateMember(WireModel):
    """The body that puts a Shopify customer into a free or spend-based tier. The documentation has no name for it."""

    customer_id: CustomerId
    referrals: str
    segment_id: TierId
    override_spend_threshold: bool
    keep_in_spend_based_tier: bool
    credits: Money
    birthday: str
