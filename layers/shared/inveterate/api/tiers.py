"""Tiers of a shop that has them enabled, with their benefits and early-access campaigns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from inveterate._benefit_bodies import benefit_body, benefit_reader
from inveterate._call import Call
from inveterate._ids import BenefitType, TierId
from inveterate._operation import KindT, Resource, Talk, operation
from inveterate._replies import Page, Receipt, many, one, receipt
from inveterate.models.benefits import Benefit, EarlyAccessCampaign, read_benefit
from inveterate.models.shop import Tier

TIER_NAMES = ("tier", "segment")


def flag(name: str, *, on: bool) -> dict[str, str | None]:
    """Return a query flag: `true`, or nothing at all."""
    return {name: "true" if on else None}


class TierBenefits(Resource[KindT]):
    """`client.tiers.benefits`. Ids are tier ids and benefit types."""

    name: ClassVar[str] = "tiers.benefits"

    @operation("GET", "/v2.0/admin/tiers/{}/benefits", page="admin/tiers/benefits")
    def list(self, tier_id: TierId) -> Call[Page[Benefit]]:
        """List the benefits of a tier."""
        return Call(many(read_benefit, "benefits"), TierId(tier_id))

    @operation("GET", "/v2.0/admin/tiers/{}/benefits/{}", page="admin/tiers/benefits")
    def get(self, tier_id: TierId, benefit_type: BenefitType) -> Call[Benefit]:
        """Read one benefit of a tier, as the class that its type names; an unknown type is an `OtherBenefit`."""
        return Call(benefit_reader(benefit_type), TierId(tier_id), BenefitType(benefit_type))

    @operation("PATCH", "/v2.0/admin/tiers/{}/benefits/{}", page="admin/tiers/benefits")
    def update(
        self, tier_id: TierId, benefit_type: BenefitType, benefit: Benefit | Mapping[str, object]
    ) -> Call[Receipt]:
        """Change a benefit of a tier; what may be given is as in `benefits.update`.

        Raises:
            AmbiguousWriteError: it may have been done.

        """
        return Call(
            receipt, TierId(tier_id), BenefitType(benefit_type), body=benefit_body(benefit_type, benefit)
        )


class TierCampaigns(Resource[KindT]):
    """`client.tiers.campaigns`. Ids are tier ids."""

    name: ClassVar[str] = "tiers.campaigns"

    @operation("GET", "/v2.0/admin/tiers/{}/campaigns", page="admin/tiers/campaigns")
    def list(self, tier_id: TierId) -> Call[Page[EarlyAccessCampaign]]:
        """List the early-access campaigns of a tier; their times are UTC."""
        return Call(many(EarlyAccessCampaign.of, "campaigns"), TierId(tier_id))


class Tiers(Resource[KindT]):
    """`client.tiers`. Ids are tier ids; `client.storefront.tiers` takes *customer* ids instead."""

    name: ClassVar[str] = "tiers"

    def __init__(self, talk: Talk) -> None:
        super().__init__(talk)
        self.benefits: TierBenefits[KindT] = TierBenefits(talk)
        self.campaigns: TierCampaigns[KindT] = TierCampaigns(talk)

    @operation("GET", "/v2.0/admin/tiers", page="admin/tiers")
    def list(self, *, include_benefits: bool = False) -> Call[Page[Tier]]:
        """List the tiers. For shops with tiers enabled; what others are answered is undocumented."""
        return Call(many(Tier.of, "tiers", "segments"), query=flag("includeBenefits", on=include_benefits))

    @operation("GET", "/v2.0/admin/tiers/{}", page="admin/tiers")
    def get(self, tier_id: TierId, *, include_benefits: bool = False) -> Call[Tier]:
        """Read one tier.

        Raises:
            NotFoundError, NoRecordError: when there is no such tier; which of them is undocumented.

        """
        return Call(
            one(Tier, *TIER_NAMES), TierId(tier_id), query=flag("includeBenefits", on=include_benefits)
        )
