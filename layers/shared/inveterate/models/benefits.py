"""Benefits of a membership: the ten documented kinds, and any other as it came.

The platform distinguishes kinds by `type`, but documents its value for one kind only. The others have
their names in API v1; two kinds that v1 lacks are recognised by a field of their own.
Source: https://help.inveterate.com/dev/api-reference-docs/public-api-2.0-reference/schemas
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from pydantic import AliasChoices, Field

from inveterate._ids import BenefitType
from inveterate._scalars import Flag, Money, Text, Timestamp
from inveterate.models.base import Record


class _Benefit(Record):
    """Fields that all kinds share. Lists add more, such as `icon`: see `model_extra`."""

    type: BenefitType | None = None
    name: Text | None = None
    description: Text | None = None
    enabled: Flag | None = None


class SignupStoreCredits(_Benefit):
    """Credits for joining: `credit_amount` of the shop's currency unit, after `days`."""

    credit_amount: Money | None = None
    days: Money | None = None


class RecurringStoreCredits(_Benefit):
    """Recurring credits: every `frequency` *days*, which drifts against calendar months."""

    credit_amount: Money | None = None
    frequency: Money | None = None


class CreditsForOrders(_Benefit):
    """Credits for orders. `reward_value` is an amount, or a percentage under PERCENTAGE_BACK_ON_PURCHASE.

    `maximum_reward_value` is documented as text, with the description of another field; it is kept
    as text. `applicable_to` are product or collection GIDs unless `applies_to` is ALL_PRODUCTS.
    """

    internal_title: Text | None = None
    rule: Text | None = None
    reward_value: Money | None = None
    exclude_inveterate_membership_products: Flag | None = None
    minimum_purchase_amount: Money | None = None
    maximum_reward_value: Text | None = None
    allow_refunds: Flag | None = None
    applies_to: Text | None = None
    applicable_to: tuple[Text, ...] | None = None


class AnniversaryCredits(_Benefit):
    """Credits on each anniversary of the membership."""

    credit_amount: Money | None = None


class StoreCreditsForReferral(_Benefit):
    """Credits for each referred member."""

    credit_amount: Money | None = None


class Country(Record):
    """A country of the dashboard; `value` is its English name, not an ISO code."""

    label: Text | None = None
    value: Text | None = None


class FreeShipping(_Benefit):
    """Free shipping. `min_requirements` and `country_type` select the minimum and the countries that apply."""

    shipping_type: Text | None = None
    code: Text | None = None
    min_requirements: Text | None = None
    is_rates_excluded: Flag | None = None
    maximum_shipping_price: Money | None = None
    minimum_quantity: Money | None = None
    minimum_subtotal: Money | None = None
    country_type: Text | None = None
    countries: tuple[Country, ...] | None = None


class MemberOnlyDiscount(_Benefit):
    """A discount for members."""


class SignupDiscount(_Benefit):
    """A discount for joining. `discount_type` is `percentage` or `fixed`, in lower case here alone."""

    discount_type: Text | None = None
    value: Money | None = None
    collection_ids: tuple[Text, ...] | None = None
    product_ids: tuple[Text, ...] | None = None
    minimum_subtotal: Money | None = None
    minimum_quantity: Money | None = None
    one_use_per_customer: Flag | None = None
    has_expiration: Flag | None = None
    expiration_days: Money | None = None


class MemberPricing(_Benefit):
    """Special prices for members, on one collection."""

    collection_id: Text | None = None
    default_discount_percentage: Money | None = None


class EarlyAccessCampaign(_Benefit):
    """Early access to collections for a time; also the rows of the campaign lists."""

    id: Text | None = None
    merchant_id: Text | None = None
    collection_ids: tuple[Text, ...] | None = None
    starts_at: Timestamp | None = Field(
        default=None, validation_alias=AliasChoices("startDate", "starts_at"), serialization_alias="startDate"
    )
    ends_at: Timestamp | None = Field(
        default=None, validation_alias=AliasChoices("endDate", "ends_at"), serialization_alias="endDate"
    )
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class OtherBenefit(_Benefit):
    """A benefit of an unknown kind, such as a custom one: all of it is in `raw`."""


Benefit: TypeAlias = (
    SignupStoreCredits
    | RecurringStoreCredits
    | CreditsForOrders
    | AnniversaryCredits
    | StoreCreditsForReferral
    | FreeShipping
    | MemberOnlyDiscount
    | SignupDiscount
    | MemberPricing
    | EarlyAccessCampaign
    | OtherBenefit
)

BY_TYPE: Final[Mapping[str, type[Benefit]]] = {
    "SIGNUP_STORE_CREDITS": SignupStoreCredits,
    "SCHEDULED_STORE_CREDITS": RecurringStoreCredits,
    "ANNIVERSARY_CREDITS": AnniversaryCredits,
    "REFERRALS": StoreCreditsForReferral,
    "FREE_SHIPPING": FreeShipping,
    "DISCOUNTS": MemberOnlyDiscount,
    "MEMBER_ONLY_PRICING": MemberPricing,
    "EARLY_ACCESS": EarlyAccessCampaign,
}
"""The kinds whose `type` is known: the first from API v2.0, the others from v1."""

_BY_FIELD: Final[Mapping[str, type[Benefit]]] = {
    "rewardValue": CreditsForOrders,
    "discountType": SignupDiscount,
}


def benefit_class(benefit_type: str | None, fields: Mapping[str, Any]) -> type[Benefit]:
    """Return the class for a type; where the type is unknown, by the field that only one kind has."""
    if benefit_type is not None and benefit_type in BY_TYPE:
        return BY_TYPE[benefit_type]
    for field, kind in _BY_FIELD.items():
        if field in fields:
            return kind
    return OtherBenefit


def read_benefit(data: Mapping[str, Any], benefit_type: str | None = None) -> Benefit:
    """Read a benefit as the class of `benefit_type` (from the path), else of its own `type`."""
    own = data.get("type")
    return benefit_class(benefit_type or (own if isinstance(own, str) else None), data).of(data)
