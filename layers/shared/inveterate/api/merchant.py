"""The merchant of the key. Reading it is also the cheapest check of a key."""

from __future__ import annotations

from typing import ClassVar

from inveterate._call import Call
from inveterate._endpoint import KindT, Resource, operation
from inveterate._replies import read_one
from inveterate.models.shop import Merchant


class MerchantAccount(Resource[KindT]):
    """`client.merchant`."""

    name: ClassVar[str] = "merchant"

    @operation("GET", "/v2.0/admin/merchant", page="admin/merchant")
    def get(self) -> Call[Merchant]:
        """Read the merchant's record.

        Raises:
            BadKeyError: when the key is wrong.

        """
        return Call(read_one(Merchant, "merchant"))
