"""The nouns of API v1 and their 13 endpoints, each with what replaces it in v2.0."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Final, Generic

from inveterate._call import Call
from inveterate._guards import checked_amount, limit_text
from inveterate._ids import CustomerId, SubscriptionId, TierId
from inveterate._operation import KindT, Resource, Talk, listing, operation
from inveterate._replies import Page, Receipt, many, one, receipt
from inveterate.models.benefits import Benefit, read_benefit
from inveterate.models.members import Member
from inveterate.models.shop import Merchant, WebhookSubscription
from inveterate.v1.records import Campaign, Ledger, receipt_without_token


class MerchantAccount(Resource[KindT]):
    """`client.merchant`."""

    name: ClassVar[str] = "merchant"

    @operation("GET", "/merchant", page="", successor="merchant.get")
    def get(self) -> Call[Merchant]:
        """Read the merchant's record."""
        return Call(one(Merchant, "merchant"))


class Benefits(Resource[KindT]):
    """`client.benefits`."""

    name: ClassVar[str] = "benefits"

    @operation("GET", "/benefits", page="", successor="benefits.list")
    def list(self) -> Call[Page[Benefit]]:
        """List the benefits."""
        return Call(many(read_benefit, "benefits"))


class Campaigns(Resource[KindT]):
    """`client.campaigns`."""

    name: ClassVar[str] = "campaigns"

    @operation("GET", "/campaigns", page="", successor="tiers.campaigns.list")
    def list(self) -> Call[Page[Campaign]]:
        """List the early-access campaigns; their times are UTC."""
        return Call(many(Campaign.of, "campaigns"))


class Customers(Resource[KindT]):
    """`client.customers`. Ids are Shopify customer ids."""

    name: ClassVar[str] = "customers"

    @listing("/customers", page="", successor="members.list")
    def list(self, *, limit: int = 100, cursor: str | None = None) -> Call[Page[Member]]:
        """List the customers, `limit` at a time; 100 is the most. `cursor` goes on with a list."""
        return Call(
            many(Member.of, "customers", cursor="lastCustomerId"),
            query={"limit": limit_text(limit), "lastCustomerId": cursor},
        )

    @operation("GET", "/customers/{}", page="", successor="members.get")
    def get(self, customer_id: CustomerId) -> Call[Member]:
        """Read one customer."""
        return Call(one(Member, "customer"), CustomerId(customer_id))

    @operation("POST", "/customers/{}/cancel", page="", successor="storefront.members.cancel")
    def cancel(self, customer_id: CustomerId, merchant_id: str) -> Call[Receipt]:
        """Request a cancellation: the customer gets an e-mail, and nothing ends before it is confirmed there."""
        return Call(receipt_without_token, CustomerId(customer_id), body={"merchantId": merchant_id})


class Credits(Resource[KindT]):
    """`client.credits`. Amounts are in the shop's currency unit; ids travel in the query, and so into logs."""

    name: ClassVar[str] = "credits"

    @operation("GET", "/customers/credits", page="", successor="members.credits.list")
    def list(self, customer_id: CustomerId) -> Call[Ledger]:
        """Read a customer's ledger, expired entries included."""
        return Call(one(Ledger), query={"customerId": CustomerId(customer_id)})

    @operation("POST", "/customers/credits", page="", successor="members.credits.add")
    def add(self, customer_id: CustomerId, amount: Decimal | int) -> Call[Receipt]:
        """Add credits. Not safe to repeat, and a wrong id passes in silence: look a few seconds later."""
        money = checked_amount(amount)
        return Call(receipt, query={"customerId": CustomerId(customer_id), "credit": f"{money:f}"})


class Redemptions(Resource[KindT]):
    """`client.redemption`."""

    name: ClassVar[str] = "redemption"

    @operation("POST", "/redemption-discount-code", page="", successor="storefront.members.redeem")
    def create(
        self, customer_id: CustomerId, amount: Decimal | int, merchant_id: str, *, email: str | None = None
    ) -> Call[Receipt]:
        """Ask for a discount code; try again with `email` if it is refused without."""
        body: dict[str, object] = {
            "customerId": int(CustomerId(customer_id)),
            "amount": checked_amount(amount),
            "merchantId": merchant_id,
        }
        if email is not None:
            body["email"] = email
        return Call(receipt, body=body)


class FreeTier(Resource[KindT]):
    """`client.free_tier`."""

    name: ClassVar[str] = "free_tier"

    @operation("POST", "/signup-free-tier", page="", successor="members.create")
    def signup(
        self, merchant_id: str, customer_id: CustomerId, *, segment_id: TierId | None = None
    ) -> Call[Receipt]:
        """Put an existing Shopify customer into a free tier, by default the one created first."""
        body: dict[str, object] = {"merchantId": merchant_id, "customerId": CustomerId(customer_id)}
        if segment_id is not None:
            body["segmentId"] = TierId(segment_id)
        return Call(receipt, body=body)


class Webhooks(Resource[KindT]):
    """`client.webhooks`. A subscriber gets every topic."""

    name: ClassVar[str] = "webhooks"

    @operation("POST", "/webhooks", page="", successor="webhook_subscriptions.create")
    def create(self, callback_url: str, *, name: str | None = None) -> Call[WebhookSubscription]:
        """Create a subscriber. Its `token` is shown here and never again; every delivery bears it."""
        body = {"callbackUrl": callback_url} if name is None else {"callbackUrl": callback_url, "name": name}
        return Call(one(WebhookSubscription, "subscriber"), body=body)

    @operation("GET", "/webhooks", page="", successor="webhook_subscriptions.list")
    def list(self) -> Call[Page[WebhookSubscription]]:
        """List the subscribers that were created with this key's app: not all of the merchant's."""
        return Call(many(WebhookSubscription.of, "subscribers"))

    @operation("DELETE", "/webhooks", page="", successor="webhook_subscriptions.delete")
    def delete(self, subscription_id: SubscriptionId) -> Call[Receipt]:
        """Delete a subscriber: its id travels as a JSON body."""
        return Call(receipt, body={"id": SubscriptionId(subscription_id)})


RESOURCES: Final[tuple[type[Resource[Any]], ...]] = (
    MerchantAccount,
    Benefits,
    Campaigns,
    Customers,
    Credits,
    Redemptions,
    FreeTier,
    Webhooks,
)


class Nouns(Generic[KindT]):
    """What API v1 has: the same attributes on both clients."""

    def _name(self, talk: Talk) -> None:
        self.merchant: MerchantAccount[KindT] = MerchantAccount(talk)
        self.benefits: Benefits[KindT] = Benefits(talk)
        self.campaigns: Campaigns[KindT] = Campaigns(talk)
        self.customers: Customers[KindT] = Customers(talk)
        self.credits: Credits[KindT] = Credits(talk)
        self.redemption: Redemptions[KindT] = Redemptions(talk)
        self.free_tier: FreeTier[KindT] = FreeTier(talk)
        self.webhooks: Webhooks[KindT] = Webhooks(talk)
