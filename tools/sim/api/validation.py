"""Validation of API requests: the documented fields with their types, nothing beyond."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from sim.ambiguities import Switches
from sim.api.calls import NO_BODY, ApiError

Fields = dict[str, tuple[str, bool]]

CREATE_MEMBER: Final[Fields] = {
    "customerId": ("string", True), "referrals": ("string", True), "segmentId": ("string", True),
    "overrideSpendThreshold": ("boolean", True), "keepInSpendBasedTier": ("boolean", True),
    "credits": ("number", True), "birthday": ("string", True),
}  # fmt: skip
UPDATE_MEMBER: Final[Fields] = dict.fromkeys(
    ("firstName", "lastName", "notes", "phoneNumber", "birthday"), ("string?", True)
)
CHANGE_TIER: Final[Fields] = {"tierId": ("string", True), "nextBillingDate": ("string", False)}
CREDIT: Final[Fields] = {"amount": ("number", True), "note": ("string", False), "force": ("boolean", False)}
REDEEM: Final[Fields] = {"amount": ("number", False)}
SUBSCRIBE: Final[Fields] = {
    "topic": ("string", True),
    "callbackUrl": ("string", True),
    "name": ("string", True),
}
RESUBSCRIBE: Final[Fields] = {
    "topic": ("string", True), "id": ("string", True), "callbackUrl": ("string", False), "name": ("string", False),
}  # fmt: skip
UNSUBSCRIBE: Final[Fields] = {"topic": ("string", True), "id": ("string", True)}
BENEFIT: Final[Fields] = {
    **dict.fromkeys(("name", "description", "type", "internalTitle", "code", "collectionId", "startDate", "endDate"), ("string", False)),
    **dict.fromkeys(("creditAmount", "days", "frequency", "rewardValue", "minimumPurchaseAmount", "maximumShippingPrice", "value", "expirationDays", "defaultDiscountPercentage"), ("number", False)),
    **dict.fromkeys(("minimumQuantity", "minimumSubtotal"), ("number?", False)),
    **dict.fromkeys(("enabled", "excludeInveterateMembershipProducts", "allowRefunds", "isRatesExcluded", "oneUsePerCustomer", "hasExpiration"), ("boolean", False)),
    **dict.fromkeys(("applicableTo", "collectionIds", "productIds"), ("strings", False)),
    "maximumRewardValue": ("string", False), "countries": ("objects", False),
    "rule": ("PERCENTAGE_BACK_ON_PURCHASE|EARN_EVERY_ORDER|SPEND_AND_EARN", False),
    "appliesTo": ("ALL_PRODUCTS|SPECIFIC_PRODUCTS|SPECIFIC_COLLECTIONS", False),
    "shippingType": ("DISCOUNT_CODE|SCRIPT", False), "minRequirements": ("ITEM_QUANTITY|PURCHASE_AMOUNT|NONE", False),
    "countryType": ("ALL|SPECIFIC", False), "discountType": ("percentage|fixed", False),
}  # fmt: skip
_NOTHING: Final[Mapping[str, Any]] = {}


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a number: no boolean, and smaller than 1e15."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15  # noqa: PLR2004 - larger than any amount


def _list_of(kind: type) -> Any:
    return lambda value: isinstance(value, list) and all(isinstance(item, kind) for item in value)


_TYPES: Final[dict[str, Any]] = {
    "string": lambda value: isinstance(value, str),
    "string?": lambda value: value is None or isinstance(value, str),
    "number": is_number,
    "number?": lambda value: value is None or is_number(value),
    "boolean": lambda value: isinstance(value, bool),
    "strings": _list_of(str),
    "objects": _list_of(dict),
}


def body(value: Any, fields: Fields, *, optional: bool = False) -> Mapping[str, Any]:
    """Return the body if its documented fields are present and of their types.

    Raises:
        ApiError: names the first invalid field.

    """
    if value is NO_BODY and optional:
        return _NOTHING
    if not isinstance(value, dict):
        raise ApiError("the body must be a JSON object")
    for name, (kind, required) in fields.items():
        if name not in value:
            if required:
                raise ApiError(f"{name} is required")
            continue
        check = _TYPES.get(kind) or (
            lambda one, choices=kind: one in choices.split("|") if isinstance(one, str) else False
        )
        if not check(value[name]):
            raise ApiError(f"{name} must be a {kind.rstrip('?')}")
    return value


def day(text: str, name: str) -> date:
    """Parse a date YYYY-MM-DD.

    Raises:
        ApiError: the text is no date.

    """
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise ApiError(f"{name} must be YYYY-MM-DD")


def limit(query: Mapping[str, str], switches: Switches, *, required: bool) -> int:
    """Return the page size: the requested limit, at most the maximum.

    Raises:
        ApiError: it is missing although required, or no whole number above 0.

    """
    most = int(switches["page_max"])
    text = query.get("limit")
    if text is None and not required:
        return most
    if text is None or not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise ApiError("limit must be a number above 0")
    return min(int(text), most)


def flag(query: Mapping[str, str], name: str) -> bool:
    """Return a boolean of the query.

    Raises:
        ApiError: it is neither true nor false.

    """
    text = query.get(name)
    if text not in {None, "true", "false"}:
        raise ApiError(f"{name} must be true or false")
    return text == "true"
