"""Tiers of a shop that has them enabled, with their benefits and early-access campaigns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from inveterate._benefit_bodies import benefit_body, benefit_reader
from inveterate._call import Call
from inveterate._endpoint import KindT, Resource, Transport, operation
from inveterate._ids import BenefitType, TierId
from inveterate._replies import Page, Receipt, read_one, read_page, read_receipt
from inveterate.models.benefits import Benefit, EarlyAccessCampaign, read_benefit
from inveterate.models.shop import Tier

TIER_NAMES = ("tier", "segment")


def flag(name: str, *, on: bool) -> dict[str, str | None]:
    """Return a query flag: `true`, or no parameter."""
    return {name: "true" if on else None}


class TierBenefits(Resource[KindT]):
    """`client.tiers.benefits`. Ids are tier ids and benefit types."""

    name: ClassVar[str] = "tiers.benefits"

    @operation("GET", "/v2.0/admin/tiers/{}/benefits", page="admin/tiers/benefits")
    def list(self, tier_id: TierId) -> Call[Page[Benefit]]:
        """List the benefits of a tier."""
        return Call(read_page(read_benefit, "benefits"), TierId(tier_id))

    @operation("GET", "/v2.0/admin/tiers/{}/benefits/{}", page="admin/tiers/benefits")
    def get(self, tier_id: TierId, benefit_type: BenefitType) -> Call[Benefit]:
        """Read one benefit of a tier, as the class of its type; an unknown type is an `OtherBenefit`."""
        return Call(benefit_reader(benefit_type), TierId(tier_id), BenefitType(benefit_type))

    @operation("PATCH", "/v2.0/admin/tiers/{}/benefits/{}", page="admin/tiers/benefits")
    def update(
        self, tier_id: TierId, benefit_type: BenefitType, benefit: Benefit | Mapping[str, object]
    ) -> Call[Receipt]:
        """Change a benefit of a tier; `benefit` is as in `benefits.update`.

        Raises:
            AmbiguousWriteError: the write may be done.

        """
        return Call(
            read_receipt, TierId(tier_id), BenefitType(benefit_type), body=benefit_body(benefit_type, benefit)
        )


class TierCampaigns(Resource[KindT]):
    """`client.tiers.campaigns`. Ids are tier ids."""

    name: ClassVar[str] = "tiers.campaigns"

    @operation("GET", "/v2.0/admin/tiers/{}/campaigns", page="admin/tiers/campaigns")
    def list(self, tier_id: TierId) -> Call[Page[EarlyAccessCampaign]]:
        """List the early-access campaigns of a tier; their times are UTC."""
        return Call(read_page(EarlyAccessCampaign.of, "campaigns"), TierId(tier_id))


class Tiers(Resource[KindT]):
    """`client.tiers`. Ids are tier ids; `client.storefront.tiers` takes *customer* ids instead."""

    name: ClassVar[str] = "tiers"

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self.benefits: TierBenefits[KindT] = TierBenefits(transport)
        self.campaigns: TierCampaigns[KindT] = TierCampaigns(transport)

    @operation("GET", "/v2.0/admin/tiers", page="admin/tiers")
    def list(self, *, include_benefits: bool = False) -> Call[Page[Tier]]:
        """List the tiers. For shops with tiers enabled; the reply to other shops is undocumented."""
        return Call(
            read_page(Tier.of, "tiers", "segments"), query=flag("includeBenefits", on=include_benefits)
        )

    @operation("GET", "/v2.0/admin/tiers/{}", page="admin/tiers")
    def get(self, tier_id: TierId, *, include_benefits: bool = False) -> Call[Tier]:
        """Read one tier.

        Raises:
            NotFoundError: when the tier does not exist.

        """
        return Call(
            read_one(Tier, *TIER_NAMES), TierId(tier_id), query=flag("includeBenefits", on=include_benefits)
        )
