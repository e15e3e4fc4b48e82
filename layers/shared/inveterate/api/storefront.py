"""What a member may see and do, asked for by your server: the key is the merchant's, and opens every member.

Nothing here checks who is asking. Take the customer id from a session that you trust, never from a
request's parameters: otherwise any visitor reads and cancels any membership.
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from inveterate._benefit_bodies import benefit_reader
from inveterate._call import Call
from inveterate._guards import checked_amount, limit_text
from inveterate._ids import BenefitType, CustomerId
from inveterate._operation import KindT, Resource, Talk, listing, operation
from inveterate._replies import Page, Receipt, many, one, receipt
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
            NotFoundError, NoRecordError: when there is no such member; which of them is undocumented.

        """
        return Call(one(Member, *MEMBER_NAMES), CustomerId(customer_id))

    @listing("/v2.0/storefront/members/{}/credits", page="storefront/members/credits")
    def credits(
        self, customer_id: CustomerId, *, limit: int = 100, cursor: str | None = None
    ) -> Call[Page[CreditEntry]]:
        """List a member's ledger, expired entries included, in the shop's currency unit: see `ledger_balance`."""
        return Call(
            many(CreditEntry.of, *CREDITS_NAMES, cursor="lastCreditEntry"),
            CustomerId(customer_id),
            query={"limit": limit_text(limit), "lastCreditEntry": cursor},
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
        """Ask for a discount code for a member's credits. Not safe to repeat: a new code replaces the last.

        No body is documented, nor where the code comes back. An `amount`, in the shop's currency unit, is
        sent only with `undocumented_amount=True`: v1 needed one, and v2.0 may ignore it and redeem all.

        Raises:
            ValueError: for an amount without the flag, or not above 0.
            AmbiguousWriteError: it may have been done.

        """
        if amount is None:
            return Call(receipt, CustomerId(customer_id))
        if not undocumented_amount:
            raise ValueError("an amount is undocumented: pass undocumented_amount=True to send one")
        if (money := checked_amount(amount)) < 0:
            raise ValueError("a redemption is above 0")
        return Call(receipt, CustomerId(customer_id), body={"amount": money})

    @operation("POST", "/v2.0/storefront/members/{}/cancellation", page="storefront/members/cancellation")
    def cancel(self, customer_id: CustomerId) -> Call[Receipt]:
        """Request the cancellation of a membership.

        A request, no more: in v1 the member still had to confirm it by e-mail. Wait for the webhook
        customer.pending_cancellation or customer.cancelled before you call it cancelled.

        Raises:
            AmbiguousWriteError: it may have been done.

        """
        return Call(receipt, CustomerId(customer_id))


class StorefrontBenefits(Resource[KindT]):
    """`client.storefront.benefits`. A benefit's id is its type."""

    name: ClassVar[str] = "storefront.benefits"

    @operation("GET", "/v2.0/storefront/benefits", page="storefront/benefits")
    def list(self) -> Call[Page[Benefit]]:
        """List the benefits. For shops with tiers disabled."""
        return Call(many(read_benefit, "benefits"))

    @operation("GET", "/v2.0/storefront/benefits/{}", page="storefront/benefits")
    def get(self, benefit_type: BenefitType) -> Call[Benefit]:
        """Read one benefit, as the class that its type names. The path calls the type `id`."""
        return Call(benefit_reader(benefit_type), BenefitType(benefit_type))


class StorefrontTiers(Resource[KindT]):
    """`client.storefront.tiers`. Ids are *customer* ids, unlike those of `client.tiers`."""

    name: ClassVar[str] = "storefront.tiers"

    @operation("GET", "/v2.0/storefront/tiers/{}", page="storefront/tiers")
    def get(self, customer_id: CustomerId, *, include_benefits: bool = False) -> Call[Tier]:
        """Read the tier that a customer is in."""
        return Call(
            one(Tier, *TIER_NAMES),
            CustomerId(customer_id),
            query=flag("includeBenefits", on=include_benefits),
        )

    @operation("GET", "/v2.0/storefront/tiers/{}/benefits", page="storefront/tiers/benefits")
    def benefits(self, customer_id: CustomerId) -> Call[Page[Benefit]]:
        """List the benefits of the tier that a customer is in."""
        return Call(many(read_benefit, "benefits"), CustomerId(customer_id))

    @operation("GET", "/v2.0/storefront/tiers/{}/campaigns", page="storefront/tiers/campaigns")
    def campaigns(self, customer_id: CustomerId) -> Call[Page[EarlyAccessCampaign]]:
        """List the early-access campaigns of the tier that a customer is in; their times are UTC."""
        return Call(many(EarlyAccessCampaign.of, "campaigns"), CustomerId(customer_id))


class Storefront(Resource[KindT]):
    """`client.storefront`."""

    name: ClassVar[str] = "storefront"

    def __init__(self, talk: Talk) -> None:
        super().__init__(talk)
        self.members: StorefrontMembers[KindT] = StorefrontMembers(talk)
        self.benefits: StorefrontBenefits[KindT] = StorefrontBenefits(talk)
        self.tiers: StorefrontTiers[KindT] = StorefrontTiers(talk)
