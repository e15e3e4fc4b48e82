"""Benefits of a shop without tiers; with tiers they belong to each tier (`client.tiers.benefits`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from inveterate._benefit_bodies import benefit_body, benefit_reader
from inveterate._call import Call
from inveterate._ids import BenefitType
from inveterate._operation import KindT, Resource, operation
from inveterate._replies import Page, Receipt, many, receipt
from inveterate.models.benefits import Benefit, read_benefit


class Benefits(Resource[KindT]):
    """`client.benefits`. A benefit's id is its type."""

    name: ClassVar[str] = "benefits"

    @operation("GET", "/v2.0/admin/benefits", page="admin/benefits")
    def list(self) -> Call[Page[Benefit]]:
        """List the benefits. For shops with tiers disabled; what others are answered is undocumented."""
        return Call(many(read_benefit, "benefits"))

    @operation("GET", "/v2.0/admin/benefits/{}", page="admin/benefits")
    def get(self, benefit_type: BenefitType) -> Call[Benefit]:
        """Read one benefit, as the class that its type names; an unknown type is an `OtherBenefit`."""
        return Call(benefit_reader(benefit_type), BenefitType(benefit_type))

    @operation("PATCH", "/v2.0/admin/benefits/{}", page="admin/benefits")
    def update(self, benefit_type: BenefitType, benefit: Benefit | Mapping[str, object]) -> Call[Receipt]:
        """Change a benefit: a record that was read and copied with changes, or fields by their names on the wire.

        Fields of a record that did not change go back exactly as they came: what several of them mean is
        documented wrongly. `type` is the path's.

        Raises:
            AmbiguousWriteError: it may have been done.

        """
        return Call(receipt, BenefitType(benefit_type), body=benefit_body(benefit_type, benefit))

    @operation("DELETE", "/v2.0/admin/benefits/{}", page="admin/benefits")
    def delete(self, benefit_type: BenefitType) -> Call[Receipt]:
        """Delete a custom benefit. The built-in ones can only be disabled, in the dashboard.

        Raises:
            AmbiguousWriteError: it may have been done.

        """
        return Call(receipt, BenefitType(benefit_type))
