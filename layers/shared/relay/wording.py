"""How amounts and moments are written for people."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_AMOUNT: Final = re.compile(r"(-?[\d,]{1,20}\.\d{2,9})(?: ([A-Z]{3}))?")


def amount_text(amount: Decimal | None, currency: str | None) -> str:
    """Write an amount with its currency, at least two decimals: `100.00 USD`; empty where there is none."""
    if amount is None:
        return ""
    exponent = amount.as_tuple().exponent
    decimals = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"{amount:,.{decimals}f} {currency or ''}".strip()


def amount_of(text: str) -> tuple[Decimal, str] | None:
    """Read what `amount_text` wrote: the amount, and the currency or nothing."""
    found = _AMOUNT.fullmatch(text)
    return (Decimal(found[1].replace(",", "")), found[2] or "") if found else None
