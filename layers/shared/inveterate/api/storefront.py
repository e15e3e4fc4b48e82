"""Operations for a shop's own storefront, called by your server with the merchant's private key.

None of them checks the shopper. Take the customer id from a trusted session, never from a request's
parameters: otherwise any visitor can read and cancel any membership.
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from inveterate._arguments import checked_amount, limit_text
from inveterate._benefit_bodies import benefit_reader
from inveterate._call import Call
from inveterate._endpoint import KindT, Resource, Transport, listing, operation
from inveterate._ids import BenefitType, CustomerId
from inveterate._replies import Page, Receipt, read_one, read_page, read_receipt
from inveterate.api.credits import CREDITS_NAMES
from inveterate.api.members import MEMBER_NAMES
from inveterate.api.tiers import TIER_NAMES, flag
from inveterate.models.benefits import Benefit, EarlyAccessCampaign, read_benefit
from inveterate.models.members import CreditEntry, Member
from inveterate.models.shop import Tier


class StorefrontMembers(Resource[KindT]):
    """`client.storefront.members`. Ids are Shopify customer ids."""

    name: ClassVar[str] = "storefront.members"

    @operation("GET", "/v2.0/storefront/members/{}", page="storefront/members")
    def get(self, customer_id: CustomerId) -> Call[Member]:
        """Read one member.

        Raises:
            NotFoundError: when the member does not exist.

        """
        return Call(read_one(Member, *MEMBER_NAMES), CustomerId(customer_id))

    @listing("/v2.0/storefront/members/{}/credits", page="storefront/members/credits")
    def credits(
        self, customer_id: CustomerId, *, limit: int = 100, cursor: str | None = None
    ) -> Call[Page[CreditEntry]]:
        """List a member's ledger, with expired entries, in the shop's currency unit: see `ledger_balance`."""
        return Call(
            read_page(
                CreditEntry.of,
                *CREDITS_NAMES,
                cursor="lastCreditEntry",
                limit=limit,
                continued=cursor is not None,
            ),
            CustomerId(customer_id),
            query={"limit": limit_text(limit), "lastCreditEntry": cursor},
            # Documented as required, but the first page has none.
            retry_query={"lastCreditEntry": ""} if cursor is None else None,
        )

    @operation(
        "POST", "/v2.0/storefront/members/{}/credits/redemption", page="storefront/members/credits/redemption"
    )
    def redeem(
        self,
        customer_id: CustomerId,
        amount: Decimal | int | None = None,
        *,
        undocumented_amount: bool = False,
    ) -> Call[Receipt]:
        """Redeem a member's credits for a discount code. Not safe to repeat: a new code replaces the last.

        Neither a body nor the place of the code in the reply is documented: it may be in `Receipt.data`, also as
        the whole text of the reply, or it comes later. An `amount`, in the shop's currency unit, is
        sent only with `undocumented_amount=True`: v1 needed one, and v2.0 may ignore it and redeem all.

        Raises:
            ValueError: for an amount without the flag, or not above 0.
            AmbiguousWriteError: the write may be done.

        """
        if amount is None:
            return Call(read_receipt, CustomerId(customer_id), plain_text=True)
        if not undocumented_amount:
            raise ValueError("an amount is undocumented: pass undocumented_amount=True to send one")
        if (money := checked_amount(amount)) < 0:
            raise ValueError("a redemption is above 0")
        return Call(read_receipt, CustomerId(customer_id), body={"amount": money}, plain_text=True)

    @operation("POST", "/v2.0/storefront/members/{}/cancellation", page="storefront/members/cancellation")
    def cancel(self, customer_id: CustomerId) -> Call[Receipt]:
        """Request the cancellation of a membership.

        It is only a request: in v1 the member had to confirm it by e-mail. Wait for the webhook
        customer.pending_cancellation or customer.cancelled before you show it as cancelled.

        Raises:
            AmbiguousWriteError: the write may be done.

        """
        return Call(read_receipt, CustomerId(customer_id))


class StorefrontBenefits(Resource[KindT]):
    """`client.storefront.benefits`. A benefit's id is its type."""

    name: ClassVar[str] = "storefront.benefits"

    @operation("GET", "/v2.0/storefront/benefits", page="storefront/benefits")
    def list(self) -> Call[Page[Benefit]]:
        """List the benefits. For shops with tiers disabled."""
        return Call(read_page(read_benefit, "benefits"))

    @operation("GET", "/v2.0/storefront/benefits/{}", page="storefront/benefits")
    def get(self, benefit_type: BenefitType) -> Call[Benefit]:
        """Read one benefit, as the class of its type. The path calls the type `id`."""
        return Call(benefit_reader(benefit_type), BenefitType(benefit_type))


class StorefrontTiers(Resource[KindT]):
    """`client.storefront.tiers`. Ids are *customer* ids, unlike those of `client.tiers`."""

    name: ClassVar[str] = "storefront.tiers"

    @operation("GET", "/v2.0/storefront/tiers/{}", page="storefront/tiers")
    def get(self, customer_id: CustomerId, *, include_benefits: bool = False) -> Call[Tier]:
        """Read a customer's tier."""
        return Call(
            read_one(Tier, *TIER_NAMES),
            CustomerId(customer_id),
            query=flag("includeBenefits", on=include_benefits),
        )

    @operation("GET", "/v2.0/storefront/tiers/{}/benefits", page="storefront/tiers/benefits")
    def benefits(self, customer_id: CustomerId) -> Call[Page[Benefit]]:
        """List the benefits of a customer's tier."""
        return Call(read_page(read_benefit, "benefits"), CustomerId(customer_id))

    @operation("GET", "/v2.0/storefront/tiers/{}/campaigns", page="storefront/tiers/campaigns")
    def campaigns(self, customer_id: CustomerId) -> Call[Page[EarlyAccessCampaign]]:
        """List the early-access campaigns of a customer's tier; their times are UTC."""
        return Call(read_page(EarlyAccessCampaign.of, "campaigns"), CustomerId(customer_id))


class Storefront(Resource[KindT]):
    """`client.storefront`."""

    name: ClassVar[str] = "storefront"

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self.members: StorefrontMembers[KindT] = StorefrontMembers(transport)
        self.benefits: StorefrontBenefits[KindT] = StorefrontBenefits(transport)
        self.tiers: StorefrontTiers[KindT] = StorefrontTiers(transport)
