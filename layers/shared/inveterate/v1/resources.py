"""The resources of API v1: 13 endpoints, each with its successor in v2.0."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Final, Generic

from inveterate._arguments import checked_amount, limit_text
from inveterate._call import Call
from inveterate._endpoint import KindT, Resource, Transport, listing, operation
from inveterate._ids import CustomerId, SubscriptionId, TierId
from inveterate._replies import Page, Receipt, read_one, read_page, read_receipt
from inveterate.models.benefits import Benefit, EarlyAccessCampaign, read_benefit
from inveterate.models.members import Member
from inveterate.models.shop import Merchant, WebhookSubscription
from inveterate.v1.records import Ledger, receipt_without_token


class V1MerchantAccount(Resource[KindT]):
    """`client.merchant`."""

    name: ClassVar[str] = "merchant"

    @operation("GET", "/merchant", page="", successor="merchant.get")
    def get(self) -> Call[Merchant]:
        """Read the merchant's record."""
        return Call(read_one(Merchant, "merchant"))


class V1Benefits(Resource[KindT]):
    """`client.benefits`."""

    name: ClassVar[str] = "benefits"

    @operation("GET", "/benefits", page="", successor="benefits.list")
    def list(self) -> Call[Page[Benefit]]:
        """List the benefits."""
        return Call(read_page(read_benefit, "benefits"))


class V1Campaigns(Resource[KindT]):
    """`client.campaigns`."""

    name: ClassVar[str] = "campaigns"

    @operation("GET", "/campaigns", page="", successor="tiers.campaigns.list")
    def list(self) -> Call[Page[EarlyAccessCampaign]]:
        """List the early-access campaigns; their times are UTC."""
        return Call(read_page(EarlyAccessCampaign.of, "campaigns"))


class V1Customers(Resource[KindT]):
    """`client.customers`. Ids are Shopify customer ids."""

    name: ClassVar[str] = "customers"

    @listing("/customers", page="", successor="members.list")
    def list(self, *, limit: int = 100, cursor: str | None = None) -> Call[Page[Member]]:
        """List the customers, `limit` at a time; at most 100. `cursor` continues a list."""
        return Call(
            read_page(Member.of, "customers", cursor="lastCustomerId"),
            query={"limit": limit_text(limit), "lastCustomerId": cursor},
        )

    @operation("GET", "/customers/{}", page="", successor="members.get")
    def get(self, customer_id: CustomerId) -> Call[Member]:
        """Read one customer."""
        return Call(read_one(Member, "customer"), CustomerId(customer_id))

    @operation("POST", "/customers/{}/cancel", page="", successor="storefront.members.cancel")
    def cancel(self, customer_id: CustomerId, merchant_id: str) -> Call[Receipt]:
        """Request a cancellation: the membership ends only after the customer has confirmed it by e-mail."""
        return Call(receipt_without_token, CustomerId(customer_id), body={"merchantId": merchant_id})


class V1Credits(Resource[KindT]):
    """`client.credits`. Amounts are in the shop's currency unit; ids are in the query, and so in access logs."""

    name: ClassVar[str] = "credits"

    @operation("GET", "/customers/credits", page="", successor="members.credits.list")
    def list(self, customer_id: CustomerId) -> Call[Ledger]:
        """Read a customer's ledger, with expired entries."""
        customer = CustomerId(customer_id)
        return Call(read_one(Ledger), query={"customerId": customer}, member=customer)

    @operation("POST", "/customers/credits", page="", successor="members.credits.add")
    def add(self, customer_id: CustomerId, amount: Decimal | int) -> Call[Receipt]:
        """Add credits. Not safe to repeat. A wrong id is not an error: read the ledger a few seconds later."""
        customer, money = CustomerId(customer_id), checked_amount(amount)
        query = {"customerId": customer, "credit": f"{money:f}"}
        return Call(read_receipt, query=query, member=customer)


class V1Redemptions(Resource[KindT]):
    """`client.redemption`."""

    name: ClassVar[str] = "redemption"

    @operation("POST", "/redemption-discount-code", page="", successor="storefront.members.redeem")
    def create(
        self, customer_id: CustomerId, amount: Decimal | int, merchant_id: str, *, email: str | None = None
    ) -> Call[Receipt]:
        """Redeem credits for a discount code; pass `email` if the platform refuses without it."""
        body: dict[str, object] = {
            "customerId": int(CustomerId(customer_id)),
            "amount": checked_amount(amount),
            "merchantId": merchant_id,
        }
        if email is not None:
            body["email"] = email
        return Call(read_receipt, body=body, member=CustomerId(customer_id), plain_text=True)


class V1FreeTier(Resource[KindT]):
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
        return Call(read_receipt, body=body, member=CustomerId(customer_id))


class V1Webhooks(Resource[KindT]):
    """`client.webhooks`. A subscriber gets every topic."""

    name: ClassVar[str] = "webhooks"

    @operation("POST", "/webhooks", page="", successor="webhook_subscriptions.create")
    def create(self, callback_url: str, *, name: str | None = None) -> Call[WebhookSubscription]:
        """Create a subscriber. Its `token` is in this reply only; every delivery carries it."""
        body = {"callbackUrl": callback_url} if name is None else {"callbackUrl": callback_url, "name": name}
        return Call(read_one(WebhookSubscription, "subscriber"), body=body)

    @operation("GET", "/webhooks", page="", successor="webhook_subscriptions.list")
    def list(self) -> Call[Page[WebhookSubscription]]:
        """List the subscribers that were created with this key's app: not all of the merchant's subscribers."""
        return Call(read_page(WebhookSubscription.of, "subscribers"))

    @operation("DELETE", "/webhooks", page="", successor="webhook_subscriptions.delete")
    def delete(self, subscription_id: SubscriptionId) -> Call[Receipt]:
        """Delete a subscriber: its id is sent as a JSON body."""
        return Call(read_receipt, body={"id": SubscriptionId(subscription_id)})


RESOURCES: Final[tuple[type[Resource[Any]], ...]] = (
    V1MerchantAccount,
    V1Benefits,
    V1Campaigns,
    V1Customers,
    V1Credits,
    V1Redemptions,
    V1FreeTier,
    V1Webhooks,
)


class V1Resources(Generic[KindT]):
    """The resources of API v1: the same attributes on both clients."""

    def _bind(self, transport: Transport) -> None:
        self.merchant: V1MerchantAccount[KindT] = V1MerchantAccount(transport)
        self.benefits: V1Benefits[KindT] = V1Benefits(transport)
        self.campaigns: V1Campaigns[KindT] = V1Campaigns(transport)
        self.customers: V1Customers[KindT] = V1Customers(transport)
        self.credits: V1Credits[KindT] = V1Credits(transport)
        self.redemption: V1Redemptions[KindT] = V1Redemptions(transport)
        self.free_tier: V1FreeTier[KindT] = V1FreeTier(transport)
        self.webhooks: V1Webhooks[KindT] = V1Webhooks(transport)
