"""Types of ids that cannot be confused: of customers, tiers, benefit types, webhook subscriptions.

One path parameter called `id` means a tier under `/admin/tiers` and a customer under
`/storefront/tiers`; the wrong one has no documented error. So each kind of id is a type of its
own. All are text and behave as text.
"""

from __future__ import annotations

from typing import Any, Final, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from inveterate._scalars import read_customer_id, read_text

_MAX_LENGTH: Final = 200


class _Id(str):
    """Base of the ids: text with a type."""

    __slots__ = ()

    def __new__(cls, value: object) -> Self:
        if isinstance(value, cls):
            return value
        if isinstance(value, _Id):
            raise TypeError(f"a {type(value).__name__} is not a {cls.__name__}")
        return super().__new__(cls, cls._read(value))

    @staticmethod
    def _read(value: object) -> str:
        text = read_text(value).strip()
        # "." and ".." change the path, whatever the encoding.
        if not text or text in {".", ".."} or len(text) > _MAX_LENGTH or not text.isprintable():
            raise ValueError("not an id")
        return text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate and serialise it as text."""
        return core_schema.no_info_plain_validator_function(
            cls._of_json, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def _of_json(cls, value: object) -> Self:
        return cls(str(value) if isinstance(value, _Id) else value)


class CustomerId(_Id):
    """A Shopify customer id: digits. Reads a number, text, or `gid://shopify/Customer/…`."""

    __slots__ = ()
    _read = staticmethod(read_customer_id)


class TierId(_Id):
    """A tier's id, 8 hex digits in every example. The platform also calls it a segment's id."""

    __slots__ = ()


class BenefitType(_Id):
    """The name of a kind of benefit, such as `SIGNUP_STORE_CREDITS`; it is the benefit's id."""

    __slots__ = ()


class SubscriptionId(_Id):
    """The id of a webhook subscription."""

    __slots__ = ()
