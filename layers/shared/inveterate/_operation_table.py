"""Table of the operations, as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypedDict

from inveterate._endpoint import Endpoint, Resource
from inveterate.api.benefits import Benefits
from inveterate.api.credits import Credits
from inveterate.api.members import Members
from inveterate.api.merchant import MerchantAccount
from inveterate.api.storefront import StorefrontBenefits, StorefrontMembers, StorefrontTiers
from inveterate.api.tiers import TierBenefits, TierCampaigns, Tiers
from inveterate.api.webhook_subscriptions import WebhookSubscriptions

RESOURCES: Final[tuple[type[Resource[Any]], ...]] = (
    MerchantAccount,
    Members,
    Credits,
    Benefits,
    Tiers,
    TierBenefits,
    TierCampaigns,
    WebhookSubscriptions,
    StorefrontMembers,
    StorefrontBenefits,
    StorefrontTiers,
)


class OperationRow(TypedDict):
    """One operation. `path` has `{}` for each id; `retryable` is whether the client repeats it."""

    name: str
    method: str
    path: str
    retryable: bool


def endpoints(resources: Iterable[type[Resource[Any]]] = RESOURCES) -> Iterator[Endpoint[Any, Any]]:
    """Iterate over the endpoints, in the order of their definition."""
    for resource in resources:
        for value in vars(resource).values():
            if isinstance(value, Endpoint):
                yield value


def operations() -> list[OperationRow]:
    """Return the 31 operations of API v2.0."""
    return [
        OperationRow(name=each.name, method=each.method, path=each.template, retryable=each.retryable)
        for each in endpoints()
    ]
