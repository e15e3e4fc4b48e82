"""Reads amounts and currency codes of webhooks: ASCII digits, to the minor unit of the currency.

Standard library only: the receiver needs them for the id of an event.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

LARGEST_AMOUNT: Final = Decimal(10) ** 15
"""No amount is as large as this: 15 digits before the point is what every CRM holds exactly."""

DECIMALS_WITHOUT_CURRENCY: Final = 6
"""Store credit names no currency. What a float adds to an amount (0.1 + 0.2) lies far behind the sixth decimal."""

_NO_DECIMALS: Final = frozenset([
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF",
])  # fmt: skip
_THREE_DECIMALS: Final = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
_FOUR_DECIMALS: Final = frozenset(["CLF", "UYW"])

# Each part can match a digit in one way only: a text of a million digits is refused in one pass.
_NUMBER: Final = r"(?a:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,9})?)"
_SMALLEST: Final = -30
_WIDE: Final = Context(prec=64, rounding=ROUND_HALF_EVEN)


def minor_units(currency: str | None) -> int:
    """Return the number of decimals of a currency (ISO 4217); two where it is not known."""
    if currency in _NO_DECIMALS:
        return 0
    if currency in _THREE_DECIMALS:
        return 3
    return 4 if currency in _FOUR_DECIMALS else 2


def number(value: object) -> Decimal | None:
    """Return a finite number: JSON's, or a text of ASCII digits (`1_000`, `1,000` and digits of other scripts are none); else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        return Decimal(text) if re.fullmatch(_NUMBER, text) else None
    if not isinstance(value, int | float | Decimal):
        return None
    found = Decimal(str(value))
    return found if found.is_finite() else None


def currency_code(value: object) -> str | None:
    """Return a currency's code, trimmed and in upper case: three ASCII letters; None for anything else."""
    text = value.strip().upper() if isinstance(value, str) else ""
    return text if len(text) == 3 and text.isascii() and text.isalpha() else None  # noqa: PLR2004 - as ISO 4217 has it


def amount(value: object, currency: str | None = None) -> Decimal | None:
    """Return an amount to the minor unit of its currency, or to six decimals without one; None where it is none.

    Rounding is half to even. Digits that the currency has are kept as written: `49.00` stays `49.00`.
    """
    found = number(value)
    if found is None or found.adjusted() >= LARGEST_AMOUNT.adjusted():
        return None
    if not found or found.adjusted() < _SMALLEST:
        return Decimal(0)
    decimals = minor_units(currency) if currency else DECIMALS_WITHOUT_CURRENCY
    exponent = found.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -decimals:
        found = found.quantize(Decimal(1).scaleb(-decimals), context=_WIDE).normalize(_WIDE)
    if found == found.to_integral_value() and "E" in str(found):
        found = found.quantize(Decimal(1), context=_WIDE)  # `1E+2` is 100
    # Dust below zero rounds to a zero with a sign.
    return found or Decimal(0)
