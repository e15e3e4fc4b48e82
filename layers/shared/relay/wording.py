"""How amounts and moments are written for people."""

from __future__ import annotations

from decimal import Decimal


def amount_text(amount: Decimal | None, currency: str | None) -> str:
    """Write an amount with its currency, at least two decimals: `100.00 USD`; empty where there is none."""
    if amount is None:
        return ""
    exponent = amount.as_tuple().exponent
    decimals = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"{amount:,.{decimals}f} {currency or ''}".strip()
