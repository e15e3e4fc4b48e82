"""Converts values to DynamoDB's attributes and back: written out where an item is small, so that the code shows its layout; by type elsewhere.

A moment is a number: milliseconds since 1970. A time to live is one too: seconds, as DynamoDB demands.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from decimal import Clamped, Context, Decimal, Inexact, Overflow, Rounded, Underflow
from typing import Any, Final, TypeAlias

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


_NUMBERS: Final = Context(
    prec=38, Emin=-128, Emax=126, traps=[Clamped, Overflow, Inexact, Rounded, Underflow]
)
"""The numbers that DynamoDB stores exactly: any other raises an error here, before it is sent."""


def to_attribute(value: Any) -> Attribute:
    """Return the attribute of a value: text, number, bytes, flag, None, list or map, by its type.

    Raises:
        ArithmeticError: DynamoDB cannot keep the number exactly.
        TypeError: there is no attribute for the value.

    """
    match value:
        case bool():
            attribute: Attribute = {"BOOL": value}
        case str():
            attribute = {"S": value}
        case int() | Decimal():
            attribute = {"N": str(_NUMBERS.create_decimal(value))}
        case bytes():
            attribute = {"B": value}
        case list() | tuple():
            attribute = {"L": [to_attribute(inner) for inner in value]}
        case Mapping():
            attribute = {"M": {name: to_attribute(inner) for name, inner in value.items()}}
        case None:
            attribute = {"NULL": True}
        case _:
            raise TypeError(f"no attribute for {type(value).__name__}")
    return attribute


def from_attribute(attribute: Attribute) -> Any:
    """Return the value of an attribute that `to_attribute` made; numbers are decimals, bytes may be base64."""
    kind, content = next(iter(attribute.items()))
    match kind:
        case "N":
            return Decimal(content)
        case "B":
            return base64.b64decode(content) if isinstance(content, str) else bytes(content)
        case "NULL":
            return None
        case "L":
            return [from_attribute(inner) for inner in content]
        case "M":
            return {name: from_attribute(inner) for name, inner in content.items()}
        case _:
            return content
