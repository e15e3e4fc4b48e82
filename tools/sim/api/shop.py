"""The shop operations of the API: merchant, tiers, benefits, campaigns. Benefits belong to the shop or to tiers, never both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.api import validation
from sim.api.calls import ApiCall, ApiError, ApiReply, accepted
from sim.clock import iso
from sim.errors import NotFoundError
from sim.events import Event
from sim.model import Tier, TierKind, number
from sim.world import World


def merchant_row(world: World) -> dict[str, Any]:
    """Return the merchant as v1 documents it; v2.0 does not document it."""
    shop, since = world.shop, world.shop.created_at or world.now
    return {
        "merchantId": shop.merchant_id, "merchantName": shop.name, "myshopifyDomain": shop.domain, "currency": shop.currency,
        "country": "US", "email": f"owner@{shop.merchant_id}.example.com", "firstName": "Sam", "lastName": "Owner",
        "phone": "+12025550100", "status": "ACTIVE", "customerCount": len(world.members), "creditsEnabled": True,
        "landingPageEnabled": True, "savedSearchId": "gid://shopify/Segment/341822111811",
        "subscriptionProduct": "gid://shopify/Product/8469201158275", "createdAt": iso(since), "updatedAt": iso(since),
    }  # fmt: skip


def get_merchant(call: ApiCall) -> ApiReply:
    """Return the merchant."""
    return ApiReply("merchant", merchant_row(call.world))


def require_tiers(world: World) -> None:
    """Refuse the request if the shop has no tiers.

    Raises:
        ApiError: with status 400.

    """
    if not world.switches("tiers", "enabled"):
        raise ApiError("Tiers are disabled for this merchant")


def require_no_tiers(world: World) -> None:
    """Refuse the request if the shop has tiers.

    Raises:
        ApiError: with status 400.

    """
    if world.switches("tiers", "enabled"):
        raise ApiError("Tiers are enabled for this merchant")


def shop_benefits(world: World) -> dict[str, dict[str, Any]]:
    """Return the benefits of a shop without tiers: those of its first paid tier."""
    return next(tier for tier in world.tiers.values() if tier.kind is TierKind.PAID).benefits


def _one(benefits: dict[str, dict[str, Any]], kind: str) -> dict[str, Any]:
    if kind not in benefits:
        raise NotFoundError(f"no such benefit: {kind}")
    return benefits[kind]


def list_benefits(call: ApiCall) -> ApiReply:
    """List the benefits of a shop without tiers."""
    require_no_tiers(call.world)
    return ApiReply("benefits", rows=list(shop_benefits(call.world).values()))


def get_benefit(call: ApiCall) -> ApiReply:
    """Return one benefit by its type."""
    require_no_tiers(call.world)
    kind = call.path.get("type") or call.path["id"]
    return ApiReply("benefit", _one(shop_benefits(call.world), kind))


def delete_benefit(call: ApiCall) -> ApiReply:
    """Delete a custom benefit; the others can only be disabled."""
    require_no_tiers(call.world)
    benefits, kind = shop_benefits(call.world), call.path["type"]
    if not _one(benefits, kind).get("custom"):
        raise ApiError("only custom benefits can be deleted")

    def write() -> Iterator[Event]:
        benefits.pop(kind, None)
        yield from ()

    return accepted(write)


def update_benefit(call: ApiCall) -> ApiReply:
    """Change one benefit of a shop without tiers."""
    require_no_tiers(call.world)
    return _update(shop_benefits(call.world), call)


def _update(benefits: dict[str, dict[str, Any]], call: ApiCall) -> ApiReply:
    body = validation.body(call.body, validation.BENEFIT, optional=True)
    benefit = _one(benefits, call.path["type"])
    changed = {name: value for name, value in body.items() if name != "type"}

    def write(fields: dict[str, Any]) -> Iterator[Event]:
        benefit.update(fields)
        yield from ()

    half = dict(list(changed.items())[: len(changed) // 2])
    return accepted(lambda: write(changed), half=lambda: write(half))


def tier_row(tier: Tier, *, benefits: bool = False) -> dict[str, Any]:
    """Return a tier; its shape is not documented."""
    written: dict[str, Any] = {
        "tierId": tier.id, "tierName": tier.name, "type": tier.kind.value, "rank": tier.rank, "enabled": True,
        "price": number(tier.fee), "billingIntervalMonths": tier.months if tier.billed else None,
        "freeTrialDays": tier.trial_days, "spendThreshold": number(tier.threshold),
    }  # fmt: skip
    return written | {"benefits": list(tier.benefits.values())} if benefits else written


def list_tiers(call: ApiCall) -> ApiReply:
    """List the tiers."""
    require_tiers(call.world)
    with_benefits = validation.flag(call.query, "includeBenefits")
    return ApiReply(
        "tiers", rows=[tier_row(tier, benefits=with_benefits) for tier in call.world.tiers.values()]
    )


def get_tier(call: ApiCall) -> ApiReply:
    """Return one tier by its id."""
    require_tiers(call.world)
    with_benefits = validation.flag(call.query, "includeBenefits")
    return ApiReply("tier", tier_row(call.world.tier(call.path["id"]), benefits=with_benefits))


def member_tier(call: ApiCall) -> ApiReply:
    """Return the tier of a customer; the id in the path is the customer id."""
    with_benefits = validation.flag(call.query, "includeBenefits")
    return ApiReply("tier", tier_row(_of_customer(call), benefits=with_benefits))


def _of_customer(call: ApiCall) -> Tier:
    require_tiers(call.world)
    return call.world.tier(call.world.member(call.path["id"]).tier_id)


def _of_path(call: ApiCall) -> Tier:
    require_tiers(call.world)
    return call.world.tier(call.path["id"])


def tier_benefits(call: ApiCall) -> ApiReply:
    """List the benefits of a tier."""
    return ApiReply("benefits", rows=list(_of_path(call).benefits.values()))


def tier_benefit(call: ApiCall) -> ApiReply:
    """Return one benefit of a tier."""
    return ApiReply("benefit", _one(_of_path(call).benefits, call.path["type"]))


def update_tier_benefit(call: ApiCall) -> ApiReply:
    """Change one benefit of a tier."""
    return _update(_of_path(call).benefits, call)


def tier_campaigns(call: ApiCall) -> ApiReply:
    """List the campaigns of a tier."""
    return ApiReply("campaigns", rows=call.world.shop.campaigns.get(_of_path(call).id, []))


def member_tier_benefits(call: ApiCall) -> ApiReply:
    """List the benefits of a customer's tier."""
    return ApiReply("benefits", rows=list(_of_customer(call).benefits.values()))


def member_tier_campaigns(call: ApiCall) -> ApiReply:
    """List the campaigns of a customer's tier."""
    return ApiReply("campaigns", rows=call.world.shop.campaigns.get(_of_customer(call).id, []))
