"""The shop of the simulator: the data of `window.inveterate`, a cart, and a checkout that creates a membership."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sim import commands, views
from sim.errors import SimError
from sim.model import Member, Tier, TierKind, number
from sim.simulator import Simulator

COOKIE: Final = "shop_visit"
GIFT: Final = {"id": 44_900_112_400_387, "title": "Welcome tote bag", "price": 2400}
"""The free gift at sign-up: a product that is available only with a membership. Prices are in cents."""

_MAX_SESSIONS: Final = 1_000
_IS_GIFT: Final = "_inveterate_free_signup_gift"

Json = dict[str, Any]


class CartError(Exception):
    """The cart refuses an item; the text is the reason."""


@dataclass(slots=True)
class ShopSession:
    """The session of one browser: its cart, and the customer that bought a membership in it."""

    lines: list[Json] = field(default_factory=list)
    customer_id: str | None = None


class Storefront:
    """One method for each path. Only the session identifies the visitor, never a query."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self._sessions: OrderedDict[str, ShopSession] = OrderedDict()

    def routes(self) -> list[Route]:
        """Return the routes: Shopify's for the cart, the shop's own for the rest."""
        return [
            Route("/shop/inveterate.json", self.inveterate),
            Route("/shop/referral", self.referral),
            Route("/shop/checkout", self.checkout, methods=["POST"]),
            Route("/shop/leave", self.leave, methods=["POST"]),
            Route("/cart.js", self.cart),
            Route("/cart/add.js", self.add, methods=["POST"]),
            Route("/cart/clear.js", self.clear, methods=["POST"]),
        ]

    async def inveterate(self, request: Request) -> Response:
        """Return the content of `window.inveterate`."""
        return self._reply(
            request, {"properties": self._properties(request), "membershipProducts": self._products()}
        )

    async def referral(self, request: Request) -> Response:
        """Accept a referral call; the simulator has no referrals."""
        return self._reply(request, {"data": None})

    async def cart(self, request: Request) -> Response:
        """Return the cart as the Ajax API of Shopify does."""
        return self._reply(request, self._cart(self._session(request)))

    async def add(self, request: Request) -> Response:
        """Add items, all or none: {"items": [{"id", "quantity", "selling_plan", "properties"}]}."""
        session = self._session(request)
        try:
            body = await request.json()
            lines = list(session.lines)
            for item in body["items"]:
                lines.append(self._line(item, lines))
        except (CartError, ValueError, TypeError, KeyError, AttributeError) as error:
            reason = str(error) if isinstance(error, CartError) else "Not a list of items"
            refused = {"status": 422, "message": "Cart Error", "description": reason}
            return self._reply(request, refused, 422)
        added, session.lines = lines[len(session.lines) :], lines
        return self._reply(request, {"items": added})

    async def clear(self, request: Request) -> Response:
        """Empty the cart."""
        session = self._session(request)
        session.lines = []
        return self._reply(request, self._cart(session))

    async def leave(self, request: Request) -> Response:
        """Sign out: the next order belongs to another customer."""
        session = self._session(request)
        session.customer_id, session.lines = None, []
        return self._reply(request, self._cart(session))

    async def checkout(self, request: Request) -> Response:
        """Buy what is in the cart: {"email", "first_name", "last_name"}; a membership in it creates a member."""
        session = self._session(request)
        tiers = [line["tier_id"] for line in session.lines if line["tier_id"]]
        try:
            body = await request.json()
            person = {
                name: str(body.get(name) or "").strip() for name in ("email", "first_name", "last_name")
            }
        except (ValueError, AttributeError):
            return self._reply(request, {"error": "Invalid request"}, 400)
        if not tiers:
            return self._reply(request, {"error": "The cart contains no membership"}, 422)
        if "@" not in person["email"]:
            return self._reply(request, {"error": "An e-mail address is required"}, 422)
        try:
            events = await self.sim.run_command(
                lambda: commands.join(self.sim.world, {"tier_id": tiers[0]} | person)
            )
        except SimError as error:
            return self._reply(request, {"error": f"{person['email']} {error}"}, 409)
        session.customer_id, session.lines = events[0].member_id, []
        topics = [event.topic or event.v1 for event in events]
        return self._reply(request, {"customer_id": session.customer_id, "topics": topics})

    # sessions

    def _session(self, request: Request) -> ShopSession:
        name = request.cookies.get(COOKIE, "")
        if name not in self._sessions:
            name = secrets.token_urlsafe(16)
            self._sessions[name] = ShopSession()
            if len(self._sessions) > _MAX_SESSIONS:
                self._sessions.popitem(last=False)
        request.state.session = name
        return self._sessions[name]

    def _reply(self, request: Request, content: Json, status: int = 200) -> Response:
        reply = JSONResponse(content, status, {"Cache-Control": "no-store"})
        name = getattr(request.state, "session", None)
        if name:
            reply.set_cookie(COOKIE, name, httponly=True, samesite="strict")
        return reply

    # data

    def _properties(self, request: Request) -> Json:
        world = self.sim.world
        products = [product for product in self._products() if product["selling_plan_groups"]]
        member = world.members.get(self._session(request).customer_id or "")
        tier = world.tiers.get(member.tier_id or "") if member else None
        return {
            "benefits": tier.benefits if tier else {},
            "campaigns": world.shop.campaigns.get(tier.id, []) if tier else [],
            "constants": {},
            "customer": self._customer(member) if member else None,
            "pageType": "landing",
            "product": products[0] if products else None,
            "redirectUrl": "/shop",
            "referralApiUrl": "/shop/referral",
            "referralData": None,
            "referralStorageName": "inveterate-referral",
        }

    def _customer(self, member: Member) -> Json:
        """Return the customer; the shape is not documented, the simulator chose it."""
        tier = self.sim.world.tiers.get(member.tier_id or "")
        return {
            "id": member.id,
            "firstName": member.first_name,
            "isMember": member.in_programme,
            "tierId": member.tier_id,
            "tierName": tier.name if tier else None,
            "tags": views.tags(self.sim, member),
            "metafields": {"inveterate": views.metafields(self.sim, member)},
        }

    def _products(self) -> list[Json]:
        return [self._product(tier) for tier in self.sim.world.tiers.values()]

    def _product(self, tier: Tier) -> Json:
        every = {1: "month", 12: "year"}.get(tier.months, f"{tier.months} months")
        plans = [{"id": tier.selling_plan_id, "name": f"Every {every}"}] if tier.selling_plan_id else []
        return {
            "id": tier.product_id,
            "title": f"{tier.name} membership",
            "handle": f"{tier.name.lower()}-membership",
            "tags": ["inveterate-product"],
            "price": int(tier.fee * 100),
            "variants": [{"id": tier.variant_id, "title": tier.name, "price": int(tier.fee * 100)}],
            "requires_selling_plan": bool(plans),
            "selling_plan_groups": [{"name": "Membership", "selling_plans": plans}] if plans else [],
            "tier": {
                "id": tier.id, "name": tier.name, "kind": tier.kind.value, "interval": every if tier.billed else None,
                "trialDays": tier.trial_days, "threshold": number(tier.threshold),
                "currency": self.sim.world.shop.currency, "benefits": list(tier.benefits.values()),
            },
            "gift": GIFT,
        }  # fmt: skip

    # the cart

    def _cart(self, session: ShopSession) -> Json:
        total = sum(line["price"] * line["quantity"] for line in session.lines)
        currency = self.sim.world.shop.currency
        count = sum(line["quantity"] for line in session.lines)
        return {"item_count": count, "total_price": total, "currency": currency, "items": session.lines}

    def _line(self, item: Json, before: list[Json]) -> Json:
        variant, plan, properties = (
            int(item["id"]),
            item.get("selling_plan"),
            dict(item.get("properties") or {}),
        )
        if int(item.get("quantity", 1)) != 1:
            raise CartError("The quantity of a membership or gift is 1")
        shared = {"id": variant, "quantity": 1, "properties": properties}
        if variant == GIFT["id"]:
            if not properties.get(_IS_GIFT) or not any(line["tier_id"] for line in before):
                raise CartError("The gift requires a membership")
            return shared | {"title": GIFT["title"], "price": 0, "selling_plan": None, "tier_id": None}
        tier = next((one for one in self.sim.world.tiers.values() if one.variant_id == variant), None)
        if tier is None or tier.kind is TierKind.SPEND:
            raise CartError("This cannot be bought")
        if any(line["tier_id"] for line in before):
            raise CartError("The cart already contains a membership")
        if plan != tier.selling_plan_id:
            raise CartError("Variant can only be purchased with its selling plan")
        title, price = f"{tier.name} membership", int(tier.fee * 100)
        return shared | {"title": title, "price": price, "selling_plan": plan, "tier_id": tier.id}
