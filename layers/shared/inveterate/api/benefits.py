"""Benefits of a shop without tiers; with tiers they belong to each tier (`client.tiers.benefits`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from inveterate._benefit_bodies import benefit_body, benefit_reader
from inveterate._call import Call
from inveterate._endpoint import KindT, Resource, operation
from inveterate._ids import BenefitType
from inveterate._replies import Page, Receipt, read_page, read_receipt
from inveterate.models.benefits import Benefit, read_benefit


class Benefits(Resource[KindT]):
    """`client.benefits`. A benefit's id is its type."""

    name: ClassVar[str] = "benefits"

    @operation("GET", "/v2.0/admin/benefits", page="admin/benefits")
    def list(self) -> Call[Page[Benefit]]:
        """List the benefits. For shops with tiers disabled; the reply to other shops is undocumented."""
        return Call(read_page(read_benefit, "benefits"))

    @operation("GET", "/v2.0/admin/benefits/{}", page="admin/benefits")
    def get(self, benefit_type: BenefitType) -> Call[Benefit]:
        """Read one benefit, as the class of its type; an unknown type is an `OtherBenefit`."""
        return Call(benefit_reader(benefit_type), BenefitType(benefit_type))

    @operation("PATCH", "/v2.0/admin/benefits/{}", page="admin/benefits")
    def update(self, benefit_type: BenefitType, benefit: Benefit | Mapping[str, object]) -> Call[Receipt]:
        """Change a benefit: pass a changed copy of the record, or fields by their names on the wire.

        Unchanged fields of a record are sent back exactly as they came, since several are documented
        wrongly. `type` is the path's.

        Raises:
            AmbiguousWriteError: the write may be done.

        """
        return Call(read_receipt, BenefitType(benefit_type), body=benefit_body(benefit_type, benefit))

    @operation("DELETE", "/v2.0/admin/benefits/{}", page="admin/benefits")
    def delete(self, benefit_type: BenefitType) -> Call[Receipt]:
        """Delete a custom benefit. The built-in ones can only be disabled, in the dashboard.

        Raises:
            AmbiguousWriteError: the write may be done.

        """
        return Call(read_receipt, BenefitType(benefit_type))
