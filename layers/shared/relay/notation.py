"""How values are written for other people's servers: plain numbers, moments in UTC, texts that can be sent."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from relay.fields import Value


def plain_number(amount: Decimal) -> str:
    """Write a number without exponent, grouping or idle zeros: `10`, `0.3`, `-24.99`."""
    text = format(amount, "f") if amount else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain_moment(moment: datetime, precision: str = "milliseconds") -> str:
    """Write a moment in UTC with `Z`: `2026-11-22T10:00:00.000Z`, or to the second with `seconds`."""
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def plain(value: Value) -> str | int | Decimal | bool | None:
    """Write a value in JSON's own types, amounts exactly: moments and days become ISO-8601 texts."""
    match value:
        case datetime():
            return plain_moment(value)
        case date():
            return value.isoformat()
        case str():
            return plain_text(value)
        case _:
            return value


def plain_text(text: str) -> str:
    """Replace half a surrogate pair, which JSON can tell and UTF-8 cannot: it must not stop a call, or a batch."""
    return text.encode("utf-8", "replace").decode()
