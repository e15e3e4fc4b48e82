"""The merchant behind the key: also the cheapest way to see whether a key works."""

from __future__ import annotations

from typing import ClassVar

from inveterate._call import Call
from inveterate._operation import KindT, Resource, operation
from inveterate._replies import one
from inveterate.models.shop import Merchant


class MerchantAccount(Resource[KindT]):
    """`client.merchant`."""

    name: ClassVar[str] = "merchant"

    @operation("GET", "/v2.0/admin/merchant", page="admin/merchant")
    def get(self) -> Call[Merchant]:
        """Read the merchant's record.

        Raises:
            BadKeyError: when the key is wrong, which makes this a check of the key.

        """
        return Call(one(Merchant, "merchant"))
