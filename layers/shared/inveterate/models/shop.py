"""Records of the shop: the merchant, its tiers and its webhook subscriptions."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from inveterate._ids import SubscriptionId, TierId
from inveterate._scalars import Count, Flag, Text, Timestamp
from inveterate._wire_model import UnreadableRecordError
from inveterate.models.base import Record
from inveterate.models.benefits import Benefit, read_benefit


class Merchant(Record):
    """The merchant of the key. No v2.0 page describes it: these are the fields of v1's merchant.

    `merchant_id` is the first label of the shop's myshopify domain.
    """

    merchant_id: Text | None = None
    merchant_name: Text | None = None
    myshopify_domain: Text | None = None
    email: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    phone: Text | None = None
    country: Text | None = None
    currency: Text | None = None
    status: Text | None = None
    customer_count: Count | None = None
    credits_enabled: Flag | None = None
    landing_page_enabled: Flag | None = None
    saved_search_id: Text | None = None
    subscription_product: Text | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class Tier(Record):
    """A tier, which the platform also calls a segment. No page describes it; all other fields are in `raw`.

    `tier_id` is the key: names repeat and change.
    """

    tier_id: TierId | None = Field(
        default=None, validation_alias=AliasChoices("tierId", "segmentId", "id", "tier_id")
    )
    name: Text | None = Field(
        default=None, validation_alias=AliasChoices("tierName", "segmentName", "name", "title")
    )

    @property
    def benefits(self) -> tuple[Benefit, ...]:
        """Its benefits, where `include_benefits` was set; unreadable rows are left out."""
        rows = self.raw.get("benefits")
        read: list[Benefit] = []
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict):
                try:
                    read.append(read_benefit(row))
                except UnreadableRecordError:
                    continue
        return tuple(read)


class WebhookSubscription(Record):
    """A subscription of one URL to one topic (`WebhookDto`, which predates topics, with a topic).

    `repr` shows neither `callback_url` nor `token`: a receiver may check nothing else.
    """

    id: SubscriptionId | None = Field(
        default=None, validation_alias=AliasChoices("id", "subscriptionId", "webhookSubscriptionId")
    )
    topic: Text | None = None
    name: Text | None = None
    callback_url: Text | None = Field(default=None, repr=False)
    token: Text | None = Field(default=None, repr=False)
    merchant_id: Text | None = None
    created_by_app: Text | None = None
    date_created: Timestamp | None = None
    date_updated: Timestamp | None = None
