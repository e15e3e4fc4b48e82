"""DynamoDB's attribute values: written and read by hand where an item is small, so that its layout is seen.

A moment is a number: milliseconds since 1970. A time to live is one too: seconds, as DynamoDB demands.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from relay.model.fields import from_millis, to_millis

Attribute: TypeAlias = dict[str, Any]
"""One attribute value in DynamoDB's JSON: `{"S": "text"}`, `{"N": "1.5"}`, `{"BOOL": true}`."""

Item: TypeAlias = Mapping[str, Attribute]


def text(value: str) -> Attribute:
    """Return a text attribute."""
    return {"S": value}


def number(value: int | Decimal) -> Attribute:
    """Return a number attribute, without an exponent; DynamoDB keeps 38 digits."""
    return {"N": format(value, "f") if isinstance(value, Decimal) else str(value)}


def flag(value: bool) -> Attribute:  # noqa: FBT001 - it converts the value
    """Return a boolean attribute."""
    return {"BOOL": value}


def moment(value: datetime) -> Attribute:
    """Return a moment, in milliseconds."""
    return number(to_millis(value))


def time_to_live(value: datetime) -> Attribute:
    """Return the moment after which the table may delete the item."""
    return number(int(value.timestamp()))


def text_of(item: Item, name: str) -> str | None:
    """Return a text of an item; None where it has none by this name."""
    value: str | None = item.get(name, {}).get("S")
    return value


def number_of(item: Item, name: str) -> Decimal | None:
    """Return a number of an item; None where it has none by this name."""
    value: str | None = item.get(name, {}).get("N")
    return None if value is None else Decimal(value)


def count_of(item: Item, name: str) -> int:
    """Return a whole number of an item; 0 where it has none by this name."""
    return int(item.get(name, {}).get("N", 0))


def moment_of(item: Item, name: str) -> datetime | None:
    """Return a moment of an item; None where it has none by this name."""
    value: str | None = item.get(name, {}).get("N")
    return None if value is None else from_millis(int(value))
