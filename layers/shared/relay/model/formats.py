"""How values are written: for people (amounts, days, moments) and for other servers (JSON types, UTC)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from relay.model.fields import Value

_WITHOUT_CENTS: Final = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
_IN_THOUSANDTHS: Final = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
_AMOUNT: Final = re.compile(r"(-?[\d,]{1,20}(?:\.\d{1,9})?)(?: ([A-Z]{3}))?")


_FINEST: Final = Decimal("0.0001")
_WIDE: Final = Context(prec=64, rounding=ROUND_HALF_EVEN)
"""Room for the longest amount that a webhook can tell; the usual 28 digits would raise."""


def minor_units(currency: str | None) -> int:
    """Return how many decimals a currency has (ISO 4217); two where it is not known."""
    if currency in _WITHOUT_CENTS:
        return 0
    return 3 if currency in _IN_THOUSANDTHS else 2


def rounded(amount: Decimal, decimals: int) -> Decimal:
    """Return an amount to so many decimals, half to even, however long it is."""
    return amount.quantize(Decimal(1).scaleb(-decimals), context=_WIDE)


def amount_text(amount: Decimal | None, currency: str | None) -> str:
    """Write an amount with its currency, at least its usual decimals: `100.00 USD`; empty where there is none.

    A sum like 0.1 + 0.2 reaches us as 0.30000000000000004: nobody means what is beyond four decimals.
    """
    if amount is None:
        return ""
    if amount.is_finite() and amount.adjusted() < _WIDE.prec - 5 and amount != amount.to_integral_value():
        amount = amount.quantize(_FINEST, context=_WIDE).normalize(_WIDE)
    exponent = amount.as_tuple().exponent
    usual = minor_units(currency)
    decimals = max(usual, -exponent) if isinstance(exponent, int) else usual
    return f"{amount:,.{decimals}f} {currency or ''}".strip()


def day_text(moment: datetime | None) -> str:
    """Write the day of a moment (UTC): `2026-03-01`; empty where there is none."""
    return f"{moment.astimezone(UTC):%Y-%m-%d}" if moment else ""


def moment_text(moment: datetime | None) -> str:
    """Write a moment (UTC): `2026-03-01 07:00 UTC`; empty where there is none."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else ""


def detail_rows(*details: tuple[str, str | None]) -> tuple[tuple[str, str], ...]:
    """Return the details that say something."""
    return tuple((label, value) for label, value in details if value)


def amount_of(text: str) -> tuple[Decimal, str] | None:
    """Read what `amount_text` wrote: the amount, and the currency or nothing."""
    found = _AMOUNT.fullmatch(text)
    return (Decimal(found[1].replace(",", "")), found[2] or "") if found else None


def number_text(amount: Decimal) -> str:
    """Write a number without exponent, grouping or idle zeros: `10`, `0.3`, `-24.99`."""
    text = format(amount, "f") if amount else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def utc_text(moment: datetime, precision: str = "milliseconds") -> str:
    """Write a moment in UTC with `Z`: `2026-11-22T10:00:00.000Z`, or to the second with `seconds`."""
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def json_value(value: Value) -> str | int | Decimal | bool | None:
    """Write a value in JSON's own types, amounts exactly: moments and days become ISO-8601 texts."""
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
    """Replace half a surrogate pair, which JSON can tell and UTF-8 cannot: it must not stop a call, or a batch."""
    return text.encode("utf-8", "replace").decode()
