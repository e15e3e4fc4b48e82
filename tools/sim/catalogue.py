"""The tiers of the simulated shop with their benefits, and one early-access campaign."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sim.model import Shop, Tier, TierKind

Benefits = dict[str, dict[str, Any]]


def tiers() -> list[Tier]:
    """Return six tiers: free, spend-based, monthly with a trial, monthly, yearly and lifetime."""
    made = [
        Tier("0d0c6284", "Insider", TierKind.FREE, rank=0, benefits=_benefits(recurring=0, percent=1)),
        Tier("5b1e77c0", "Circle", TierKind.SPEND, rank=1, threshold=Decimal(500), benefits=_benefits(percent=2)),
        Tier("c669d6e7", "Silver", TierKind.PAID, rank=2, fee=Decimal("9.99"), trial_days=14, expiry_days=90,
             benefits=_benefits(sign_up=5, recurring=5, percent=3)),
        Tier("3a636361", "Gold", TierKind.PAID, rank=3, fee=Decimal(25), expiry_days=60,
             benefits=_benefits(sign_up=10, recurring=10, percent=5)),
        Tier("c560bce7", "Platinum", TierKind.PAID, rank=4, fee=Decimal(249), months=12, retry_days=(0, 2, 4, 7),
             benefits=_benefits(sign_up=50, recurring=25, percent=10)),
        Tier("d689602f", "Founder", TierKind.LIFETIME, rank=5, fee=Decimal(499), benefits=_benefits(sign_up=100, percent=10)),
    ]  # fmt: skip
    for place, tier in enumerate(made):
        tier.product_id = 8_469_201_158_275 + 32_768 * place
        tier.variant_id = 44_858_553_761_923 + 65_536 * place
        tier.selling_plan_id = 710_246_531 + place if tier.billed else None
    return made


def _benefits(*, sign_up: int = 0, recurring: int = 0, percent: int = 0) -> Benefits:
    made: Benefits = {
        "FREE_SHIPPING": {
            "shippingType": "DISCOUNT_CODE", "code": "MEMBERS-SHIP-FREE", "minRequirements": "PURCHASE_AMOUNT",
            "isRatesExcluded": False, "maximumShippingPrice": None, "minimumQuantity": None, "minimumSubtotal": 40,
            "countryType": "SPECIFIC", "countries": [{"label": "United States", "value": "United States"}],
        },
        "ANNIVERSARY_CREDITS": {
            "name": "Anniversary", "description": "Thank you for another year.", "creditAmount": 15,
        },
        "REFERRALS": {"name": "Referrals", "description": "Bring a friend.", "creditAmount": 10},
        "EARLY_ACCESS": {"name": "Early access", "description": "First in line."},
        "CUSTOM_BIRTHDAY_CAKE": {"name": "Cake", "description": "A cake on your birthday.", "custom": True},
    }  # fmt: skip
    if sign_up:
        made["SIGNUP_STORE_CREDITS"] = {
            "name": "Welcome", "description": "Credits for joining.", "creditAmount": sign_up, "days": 0,
        }  # fmt: skip
    if recurring:
        made["SCHEDULED_STORE_CREDITS"] = {
            "name": "Every month", "description": "Credits every 30 days.", "creditAmount": recurring, "frequency": 30,
        }  # fmt: skip
    if percent:
        made["CREDITS_FOR_ORDERS"] = {
            "internalTitle": "Credits for orders", "name": "Percent back", "description": "Credits for every order.",
            "rule": "PERCENTAGE_BACK_ON_PURCHASE", "rewardValue": percent, "excludeInveterateMembershipProducts": True,
            "minimumPurchaseAmount": 10, "maximumRewardValue": "50", "allowRefunds": False,
            "appliesTo": "ALL_PRODUCTS", "applicableTo": [],
        }  # fmt: skip
    for kind, benefit in made.items():
        benefit |= {"type": kind, "enabled": True, "displayOnLandingPage": True, "icon": kind.lower()}
    return made


def shop(domain: str, start: datetime, made: list[Tier]) -> Shop:
    """Return the shop with one campaign for its two highest billed tiers. Campaigns use two date formats."""
    campaign = {
        "id": "9f0b4f6e-4f0e-4a57-8d43-0d3a0f6a4b11",
        "name": "Winter collection",
        "collectionIds": ["gid://shopify/Collection/273528389699"],
        "startDate": f"{start:%Y-%m-%d %H:%M:%S} +00:00",
        "endDate": f"{start.replace(year=start.year + 1, day=1):%Y-%m-%d %H:%M:%S} +00:00",
        "createdAt": f"{start:%Y-%m-%dT%H:%M:%S}.000Z",
        "updatedAt": f"{start:%Y-%m-%dT%H:%M:%S}.000Z",
    }
    best = {tier.id: [campaign] for tier in made if tier.rank in {4, 5}}
    return Shop(domain, created_at=start, campaigns=best)
