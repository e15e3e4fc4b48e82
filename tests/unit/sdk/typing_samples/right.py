"""Every operation on both clients: mypy has to accept this file, and to infer each reply."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_type

from inveterate import (
    AsyncClient,
    AsyncPages,
    Benefit,
    BenefitType,
    Client,
    CreditEntry,
    CustomerId,
    EarlyAccessCampaign,
    EnsureResult,
    GrantResult,
    Member,
    Merchant,
    OtherBenefit,
    Page,
    Pages,
    Receipt,
    SubscriptionId,
    Tier,
    TierId,
    WebhookSubscription,
    v1,
    webhooks,
)

customer, tier, benefit = CustomerId(42), TierId("6a538edc"), BenefitType("REFERRALS")
subscription = SubscriptionId("s")


def synchronous(client: Client) -> None:
    """Check the replies of the synchronous client."""
    assert_type(client.merchant.get(), Merchant)
    assert_type(client.members.get(customer), Member)
    assert_type(client.members.create(customer, tier, credits=1, birthday="1988-04-01"), Receipt)
    assert_type(client.members.update(customer, notes="n"), Receipt)
    assert_type(client.members.change_tier(customer, tier), Receipt)
    assert_type(client.members.credits.add(customer, Decimal(5)), Receipt)
    assert_type(client.members.credits.grant(customer, 5, key="k"), GrantResult)
    assert_type(client.benefits.list(), Page[Benefit])
    assert_type(client.benefits.get(benefit), Benefit)
    assert_type(client.benefits.update(benefit, {"name": "n"}), Receipt)
    assert_type(client.benefits.delete(benefit), Receipt)
    assert_type(client.tiers.list(include_benefits=True), Page[Tier])
    assert_type(client.tiers.get(tier), Tier)
    assert_type(client.tiers.benefits.list(tier), Page[Benefit])
    assert_type(client.tiers.benefits.get(tier, benefit), Benefit)
    assert_type(client.tiers.benefits.update(tier, benefit, OtherBenefit()), Receipt)
    assert_type(client.tiers.campaigns.list(tier), Page[EarlyAccessCampaign])
    assert_type(client.webhook_subscriptions.list(), Page[WebhookSubscription])
    assert_type(client.webhook_subscriptions.create("t", "https://example.com", "n"), Receipt)
    assert_type(client.webhook_subscriptions.update(subscription, "t", name="n"), Receipt)
    assert_type(client.webhook_subscriptions.delete(subscription, "t"), Receipt)
    assert_type(client.webhook_subscriptions.ensure(["t"], "https://example.com", "n"), EnsureResult)
    assert_type(client.storefront.members.get(customer), Member)
    assert_type(client.storefront.members.redeem(customer), Receipt)
    assert_type(client.storefront.members.cancel(customer), Receipt)
    assert_type(client.storefront.benefits.list(), Page[Benefit])
    assert_type(client.storefront.benefits.get(benefit), Benefit)
    assert_type(client.storefront.tiers.get(customer), Tier)
    assert_type(client.storefront.tiers.benefits(customer), Page[Benefit])
    assert_type(client.storefront.tiers.campaigns(customer), Page[EarlyAccessCampaign])
    assert_type(client.members.list(limit=5), Pages[Member])
    for row_members_list in client.members.list(limit=5):
        assert_type(row_members_list, Member)
    assert_type(client.members.credits.list(customer), Pages[CreditEntry])
    for row_members_credits_list in client.members.credits.list(customer):
        assert_type(row_members_credits_list, CreditEntry)
    assert_type(client.storefront.members.credits(customer), Pages[CreditEntry])
    for row_storefront_members_credits in client.storefront.members.credits(customer):
        assert_type(row_storefront_members_credits, CreditEntry)


async def asynchronous(client: AsyncClient) -> None:
    """Check the replies of the asyncio client."""
    assert_type(await client.merchant.get(), Merchant)
    assert_type(await client.members.get(customer), Member)
    assert_type(await client.members.create(customer, tier, credits=1, birthday="1988-04-01"), Receipt)
    assert_type(await client.members.update(customer, notes="n"), Receipt)
    assert_type(await client.members.change_tier(customer, tier), Receipt)
    assert_type(await client.members.credits.add(customer, Decimal(5)), Receipt)
    assert_type(await client.members.credits.grant(customer, 5, key="k"), GrantResult)
    assert_type(await client.benefits.list(), Page[Benefit])
    assert_type(await client.benefits.get(benefit), Benefit)
    assert_type(await client.benefits.update(benefit, {"name": "n"}), Receipt)
    assert_type(await client.benefits.delete(benefit), Receipt)
    assert_type(await client.tiers.list(include_benefits=True), Page[Tier])
    assert_type(await client.tiers.get(tier), Tier)
    assert_type(await client.tiers.benefits.list(tier), Page[Benefit])
    assert_type(await client.tiers.benefits.get(tier, benefit), Benefit)
    assert_type(await client.tiers.benefits.update(tier, benefit, OtherBenefit()), Receipt)
    assert_type(await client.tiers.campaigns.list(tier), Page[EarlyAccessCampaign])
    assert_type(await client.webhook_subscriptions.list(), Page[WebhookSubscription])
    assert_type(await client.webhook_subscriptions.create("t", "https://example.com", "n"), Receipt)
    assert_type(await client.webhook_subscriptions.update(subscription, "t", name="n"), Receipt)
    assert_type(await client.webhook_subscriptions.delete(subscription, "t"), Receipt)
    assert_type(await client.webhook_subscriptions.ensure(["t"], "https://example.com", "n"), EnsureResult)
    assert_type(await client.storefront.members.get(customer), Member)
    assert_type(await client.storefront.members.redeem(customer), Receipt)
    assert_type(await client.storefront.members.cancel(customer), Receipt)
    assert_type(await client.storefront.benefits.list(), Page[Benefit])
    assert_type(await client.storefront.benefits.get(benefit), Benefit)
    assert_type(await client.storefront.tiers.get(customer), Tier)
    assert_type(await client.storefront.tiers.benefits(customer), Page[Benefit])
    assert_type(await client.storefront.tiers.campaigns(customer), Page[EarlyAccessCampaign])
    assert_type(client.members.list(limit=5), AsyncPages[Member])
    async for row_members_list in client.members.list(limit=5):
        assert_type(row_members_list, Member)
    assert_type(client.members.credits.list(customer), AsyncPages[CreditEntry])
    async for row_members_credits_list in client.members.credits.list(customer):
        assert_type(row_members_credits_list, CreditEntry)
    assert_type(client.storefront.members.credits(customer), AsyncPages[CreditEntry])
    async for row_storefront_members_credits in client.storefront.members.credits(customer):
        assert_type(row_storefront_members_credits, CreditEntry)


async def legacy(client: v1.Client, other: v1.AsyncClient) -> None:
    """Check the replies of API v1."""
    assert_type(client.customers.get(customer), Member)
    assert_type(await other.credits.list(customer), v1.Ledger)
    assert_type(other.customers.list(), AsyncPages[Member])


def from_a_webhook(client: Client, event: webhooks.Event) -> None:
    """Read the member of an event, without a conversion of the id."""
    assert_type(client.members.get(event.customer_id), Member)
