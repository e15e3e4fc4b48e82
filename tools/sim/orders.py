"""Orders in the shop: they earn credits and count towards spend-based tiers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from sim import credit_ledger, memberships, payloads, snapshot
from sim.events import Event
from sim.model import CENT, Member, Tier, money
from sim.world import World

FOR_ORDERS: Final = "CREDITS_FOR_ORDERS"
PRODUCTS: Final = (
    ("The Multi-managed Snowboard", "629.95"),
    ("Café crème, 250 g", "12.90"),
    ("Wool socks (2 pairs)", "24.00"),
    ("Enamel mug", "18.50"),
    ("Trail jacket", "149.00"),
    ("Gift wrapping", "3.50"),
)


def order(
    world: World, member: Member, total: Decimal | None = None, *, use_code: bool = False
) -> Iterator[Event]:
    """Make a member order a random product, or a product for `total`; `use_code` spends the active discount code."""
    yield from snapshot.with_update_event(world, member, _order(world, member, total, use_code=use_code))


def _order(world: World, member: Member, total: Decimal | None, *, use_code: bool) -> Iterator[Event]:
    lines = [_line(world, total)]
    at = world.next_timestamp(member)
    order_id = world.new_shopify_id()
    worth = sum((Decimal(line["price"]) * line["quantity"] for line in lines), Decimal(0))
    member.order_ids.append(order_id)
    member.total_spend += worth
    member.revenue += worth
    member.last_purchase_at = member.updated_at = at
    if use_code:
        member.redemption = None
    yield world.emit(member, "customer.ordered", payloads.ordered(world, member, at, lines), at)
    tier = world.tiers.get(member.tier_id or "")
    if tier and member.in_programme and not member.on_trial:
        earned = earns(tier, worth)
        if earned:
            yield from credit_ledger.grant(
                world, member, earned, "EARNED_FROM_PURCHASE", order=(order_id, worth)
            )
        yield from memberships.promote_by_spend(world, member)


def earns(tier: Tier, total: Decimal) -> Decimal:
    """Return the credits of an order: percent back, per order or per spend, with a minimum and a maximum."""
    rule = tier.benefits.get(FOR_ORDERS)
    if not rule or not rule.get("enabled", True) or total < money(rule.get("minimumPurchaseAmount") or 0):
        return Decimal(0)
    value = money(rule.get("rewardValue") or 0)
    earned = {
        "PERCENTAGE_BACK_ON_PURCHASE": total * value / 100,
        "EARN_EVERY_ORDER": value,
        "SPEND_AND_EARN": total * value,
    }.get(str(rule.get("rule")), Decimal(0))
    cap = rule.get("maximumRewardValue")
    return min(money(earned), money(cap)) if cap else money(earned)


def _line(world: World, total: Decimal | None) -> dict[str, Any]:
    name, price = PRODUCTS[world.behaviour_rng.randrange(len(PRODUCTS))]
    return {
        "id": world.new_shopify_id(),
        "name": name if total is None else "A basket of things",
        "price": price if total is None else f"{total.quantize(CENT)}",
        "quantity": 1,
        "variant_id": world.new_shopify_id(),
        "product_id": world.new_shopify_id(),
    }
