"""Formats values: for people (amounts, days, moments as text) and for other servers (JSON types, UTC)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from inveterate.webhooks.amounts import minor_units as minor_units  # noqa: PLC0414 - for the CRMs and the messages

from relay.model.fields import Value

_AMOUNT: Final = re.compile(r"(-?[\d,]{1,20}(?:\.\d{1,9})?)(?: ([A-Z]{3}))?")
_FINEST: Final = Decimal("0.0001")
_WIDE: Final = Context(prec=64, rounding=ROUND_HALF_EVEN)
"""Enough digits for the longest amount of a webhook; the default of 28 would raise."""


def rounded(amount: Decimal, decimals: int) -> Decimal:
    """Return an amount of any length rounded to this many decimals, half to even."""
    return amount.quantize(Decimal(1).scaleb(-decimals), context=_WIDE)


def amount_text(amount: Decimal | None, currency: str | None) -> str:
    """Return an amount with its currency and at least its usual decimals: `100.00 USD`; empty for None.

    0.1 + 0.2 arrives as 0.30000000000000004: digits beyond the fourth decimal are never meant.
    """
    if amount is None:
        return ""
    if amount.is_finite() and amount.adjusted() < _WIDE.prec - 5 and amount != amount.to_integral_value():
        amount = amount.quantize(_FINEST, context=_WIDE).normalize(_WIDE)
    exponent = amount.as_tuple().exponent
    usual = minor_units(currency)
    decimals = max(usual, -exponent) if isinstance(exponent, int) else usual
    return f"{amount:,.{decimals}f} {currency or ''}".strip()


def parse_amount(text: str) -> tuple[Decimal, str] | None:
    """Return the amount and the currency (or an empty text) of a text by `amount_text`; None for another text."""
    found = _AMOUNT.fullmatch(text)
    return (Decimal(found[1].replace(",", "")), found[2] or "") if found else None


def day_text(moment: datetime | None) -> str:
    """Return the day of a moment (UTC): `2026-03-01`; empty for None."""
    return f"{moment.astimezone(UTC):%Y-%m-%d}" if moment else ""


def moment_text(moment: datetime | None) -> str:
    """Return a moment (UTC): `2026-03-01 07:00 UTC`; empty for None."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else ""


_ENUM: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", re.ASCII)


def enum_words(text: str | None) -> str | None:
    """Return a word of the platform's lists as people write it: `EARNED_FROM_PURCHASE` is "earned from purchase"; every other text as it is."""
    return text.replace("_", " ").lower() if text and _ENUM.fullmatch(text) else text


def detail_rows(*details: tuple[str, str | None]) -> tuple[tuple[str, str], ...]:
    """Return the details of an alert that have a value."""
    return tuple((label, value) for label, value in details if value)


def number_text(amount: Decimal) -> str:
    """Return a number without exponent, grouping or trailing zeros: `10`, `0.3`, `-24.99`."""
    text = format(amount, "f") if amount else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def utc_text(moment: datetime, precision: str = "milliseconds") -> str:
    """Return a moment in UTC with `Z`: `2026-11-22T10:00:00.000Z`, or to the second with `seconds`."""
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def json_value(value: Value) -> str | int | Decimal | bool | None:
    """Return a value in JSON's own types: amounts exactly, moments and days as ISO 8601 texts."""
    match value:
        case datetime():
            return utc_text(value)
        case date():
            return value.isoformat()
        case str():
            return sendable_text(value)
        case _:
            return value


def sendable_text(text: str) -> str:
    """Return a text that UTF-8 can encode: JSON may hold half a surrogate pair, which must not stop a call."""
    return text.encode("utf-8", "replace").decode()
