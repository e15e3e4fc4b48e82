"""Uses of every operation: with the fewest and with all arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from inveterate import BenefitType, CustomerId, StoreCreditsForReferral, SubscriptionId, TierId

KEY = "k-0123456789"

CUSTOMER, TIER, TYPE = CustomerId("gid://shopify/Customer/42"), TierId("6a538edc/ü"), BenefitType("REFERRALS")
SUBSCRIPTION = SubscriptionId("s-1")
BIRTHDAY = date(1988, 4, 1)
TOPIC, URL = "customer.updated", "https://example.com/hook"


@dataclass(frozen=True)
class Case:
    """One operation: its name here, its least and its fullest use, and the values of its path."""

    name: str
    least: Callable[[Any], Any]
    fullest: Callable[[Any], Any] | None = None
    path: tuple[str, ...] = ()


CASES: dict[str, Case] = {
    "getMerchant": Case("merchant.get", lambda c: c.merchant.get()),
    "listMembers": Case(
        "members.list", lambda c: c.members.list(), lambda c: c.members.list(limit=5, cursor="a b/%2F")
    ),
    "createMember": Case(
        "members.create",
        lambda c: c.members.create(CUSTOMER, TIER, credits=1, birthday=BIRTHDAY, allow_downgrade=True),
        lambda c: c.members.create(
            CUSTOMER,
            TIER,
            credits=Decimal("24.99"),
            birthday="1988-04-01",
            referred=True,
            override_spend_threshold=True,
            keep_in_spend_based_tier=True,
        ),
    ),
    "getMember": Case("members.get", lambda c: c.members.get(CUSTOMER), path=("42",)),
    "updateMember": Case(
        "members.update",
        lambda c: c.members.update(CUSTOMER, notes="n", birthday=BIRTHDAY),
        lambda c: c.members.update(
            CUSTOMER, first_name="A", last_name="B", notes="", phone_number="+1", birthday=BIRTHDAY
        ),
        ("42",),
    ),
    "changeMemberTier": Case(
        "members.change_tier",
        lambda c: c.members.change_tier(CUSTOMER, TIER),
        lambda c: c.members.change_tier(CUSTOMER, TIER, next_billing_date=date(2026, 1, 31)),
        ("42",),
    ),
    "listMemberCredits": Case(
        "members.credits.list",
        lambda c: c.members.credits.list(CUSTOMER),
        lambda c: c.members.credits.list(CUSTOMER, limit=7, cursor='{"id":"é+&"}'),
        ("42",),
    ),
    "createMemberCredit": Case(
        "members.credits.add",
        lambda c: c.members.credits.add(CUSTOMER, 5),
        lambda c: c.members.credits.add(CUSTOMER, Decimal("-24.99"), note="n", force=True),
        ("42",),
    ),
    "listBenefits": Case("benefits.list", lambda c: c.benefits.list()),
    "getBenefit": Case("benefits.get", lambda c: c.benefits.get(TYPE), path=("REFERRALS",)),
    "deleteBenefit": Case("benefits.delete", lambda c: c.benefits.delete(TYPE), path=("REFERRALS",)),
    "updateBenefit": Case(
        "benefits.update", lambda c: c.benefits.update(TYPE, {"creditAmount": 5}), path=("REFERRALS",)
    ),
    "listTiers": Case("tiers.list", lambda c: c.tiers.list(), lambda c: c.tiers.list(include_benefits=True)),
    "getTier": Case(
        "tiers.get",
        lambda c: c.tiers.get(TIER),
        lambda c: c.tiers.get(TIER, include_benefits=True),
        ("6a538edc/ü",),
    ),
    "listTierBenefits": Case(
        "tiers.benefits.list", lambda c: c.tiers.benefits.list(TIER), path=("6a538edc/ü",)
    ),
    "getTierBenefit": Case(
        "tiers.benefits.get",
        lambda c: c.tiers.benefits.get(TIER, TYPE),
        path=("6a538edc/ü", "REFERRALS"),
    ),
    "updateTierBenefit": Case(
        "tiers.benefits.update",
        lambda c: c.tiers.benefits.update(TIER, TYPE, StoreCreditsForReferral(credit_amount=Decimal(5))),
        path=("6a538edc/ü", "REFERRALS"),
    ),
    "listTierCampaigns": Case(
        "tiers.campaigns.list", lambda c: c.tiers.campaigns.list(TIER), path=("6a538edc/ü",)
    ),
    "listWebhookSubscriptions": Case("webhook_subscriptions.list", lambda c: c.webhook_subscriptions.list()),
    "createWebhookSubscription": Case(
        "webhook_subscriptions.create", lambda c: c.webhook_subscriptions.create(TOPIC, URL, "relay")
    ),
    "updateWebhookSubscription": Case(
        "webhook_subscriptions.update",
        lambda c: c.webhook_subscriptions.update(SUBSCRIPTION, TOPIC),
        lambda c: c.webhook_subscriptions.update(SUBSCRIPTION, TOPIC, callback_url=URL, name="relay"),
    ),
    "deleteWebhookSubscription": Case(
        "webhook_subscriptions.delete", lambda c: c.webhook_subscriptions.delete(SUBSCRIPTION, TOPIC)
    ),
    "storefrontGetMember": Case(
        "storefront.members.get", lambda c: c.storefront.members.get(CUSTOMER), path=("42",)
    ),
    "storefrontListMemberCredits": Case(
        "storefront.members.credits",
        lambda c: c.storefront.members.credits(CUSTOMER),
        lambda c: c.storefront.members.credits(CUSTOMER, cursor="x"),
        ("42",),
    ),
    "storefrontRedeemCredits": Case(
        "storefront.members.redeem",
        lambda c: c.storefront.members.redeem(CUSTOMER),
        lambda c: c.storefront.members.redeem(CUSTOMER, Decimal("2.50"), undocumented_amount=True),
        ("42",),
    ),
    "storefrontCancelMember": Case(
        "storefront.members.cancel", lambda c: c.storefront.members.cancel(CUSTOMER), path=("42",)
    ),
    "storefrontListBenefits": Case("storefront.benefits.list", lambda c: c.storefront.benefits.list()),
    "storefrontGetBenefit": Case(
        "storefront.benefits.get", lambda c: c.storefront.benefits.get(TYPE), path=("REFERRALS",)
    ),
    "storefrontGetMemberTier": Case(
        "storefront.tiers.get",
        lambda c: c.storefront.tiers.get(CUSTOMER),
        lambda c: c.storefront.tiers.get(CUSTOMER, include_benefits=True),
        ("42",),
    ),
    "storefrontListMemberTierBenefits": Case(
        "storefront.tiers.benefits", lambda c: c.storefront.tiers.benefits(CUSTOMER), path=("42",)
    ),
    "storefrontListMemberTierCampaigns": Case(
        "storefront.tiers.campaigns", lambda c: c.storefront.tiers.campaigns(CUSTOMER), path=("42",)
    ),
}
