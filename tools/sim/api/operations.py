"""The 31 operations of v2.0: which path is answered by what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sim.api import members, shop, subscribing
from sim.api.calls import Answer, Call

Handler = Callable[[Call], Answer]

_ADMIN, _STORE = "/v2.0/admin", "/v2.0/storefront"

OPERATIONS: Final[dict[tuple[str, str], Handler]] = {
    ("GET", f"{_ADMIN}/merchant"): shop.get_merchant,
    ("GET", f"{_ADMIN}/members"): members.list_members,
    ("POST", f"{_ADMIN}/members"): members.create_member,
    ("GET", f"{_ADMIN}/members/{{id}}"): members.get_member,
    ("PATCH", f"{_ADMIN}/members/{{id}}"): members.update_member,
    ("POST", f"{_ADMIN}/members/{{id}}/change-tier"): members.change_tier,
    ("GET", f"{_ADMIN}/members/{{id}}/credits"): members.list_credits,
    ("POST", f"{_ADMIN}/members/{{id}}/credits"): members.add_credit,
    ("GET", f"{_ADMIN}/benefits"): shop.list_benefits,
    ("GET", f"{_ADMIN}/benefits/{{type}}"): shop.get_benefit,
    ("DELETE", f"{_ADMIN}/benefits/{{type}}"): shop.delete_benefit,
    ("PATCH", f"{_ADMIN}/benefits/{{type}}"): shop.update_benefit,
    ("GET", f"{_ADMIN}/tiers"): shop.list_tiers,
    ("GET", f"{_ADMIN}/tiers/{{id}}"): shop.get_tier,
    ("GET", f"{_ADMIN}/tiers/{{id}}/benefits"): shop.tier_benefits,
    ("GET", f"{_ADMIN}/tiers/{{id}}/benefits/{{type}}"): shop.tier_benefit,
    ("PATCH", f"{_ADMIN}/tiers/{{id}}/benefits/{{type}}"): shop.update_tier_benefit,
    ("GET", f"{_ADMIN}/tiers/{{id}}/campaigns"): shop.tier_campaigns,
    ("GET", f"{_ADMIN}/webhook-subscriptions"): subscribing.list_subscriptions,
    ("POST", f"{_ADMIN}/webhook-subscriptions"): subscribing.create,
    ("PUT", f"{_ADMIN}/webhook-subscriptions"): subscribing.update,
    ("DELETE", f"{_ADMIN}/webhook-subscriptions"): subscribing.delete,
    ("GET", f"{_STORE}/members/{{id}}"): members.get_member,
    ("GET", f"{_STORE}/members/{{id}}/credits"): members.storefront_credits,
    ("POST", f"{_STORE}/members/{{id}}/credits/redemption"): members.redeem,
    ("POST", f"{_STORE}/members/{{id}}/cancellation"): members.cancel_member,
    ("GET", f"{_STORE}/benefits"): shop.list_benefits,
    ("GET", f"{_STORE}/benefits/{{id}}"): shop.get_benefit,
    ("GET", f"{_STORE}/tiers/{{id}}"): shop.member_tier,
    ("GET", f"{_STORE}/tiers/{{id}}/benefits"): shop.member_tier_benefits,
    ("GET", f"{_STORE}/tiers/{{id}}/campaigns"): shop.member_tier_campaigns,
}
"""By method and path. Storefront paths of tiers take a customer's id, that of a benefit its type."""
