"""Amounts as people read them, and as a roll-up reads them back to add them up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from relay.model.formats import amount_text, parse_amount


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("100", "USD", "100.00 USD"),
        ("1E+3", "USD", "1,000.00 USD"),
        ("3000", "JPY", "3,000 JPY"),
        ("1.5", "JPY", "1.5 JPY"),
        ("12.345", "KWD", "12.345 KWD"),
        ("0.30000000000000004", "USD", "0.30 USD"),
        ("-24.990000000000002", "EUR", "-24.99 EUR"),
        ("0.125", None, "0.125"),
        ("0", "USD", "0.00 USD"),
    ],
)
def test_what_is_written_is_read_back(amount: str, currency: str | None, text: str) -> None:
    """With the currency's decimals, without a computer's noise; and read as what it says."""
    assert amount_text(Decimal(amount), currency) == text
    assert parse_amount(text) == (round(Decimal(amount), 4), currency or "")


@pytest.mark.parametrize("amount", ["1E+40", "1.5E-300", "9" * 60 + ".5", "1E-70"])
def test_no_amount_is_too_strange_to_be_told(amount: str) -> None:
    """An alert is worth more than its number."""
    assert amount_text(Decimal(amount), "USD").endswith(" USD")
