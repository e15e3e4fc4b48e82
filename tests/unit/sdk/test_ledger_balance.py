"""A balance is the sum of the credits that are neither spent nor expired."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inveterate import (
    CreditEntry,
    ledger_balance,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def entry(amount: str, day: int, *, expires: int | None = None, **fields: Any) -> CreditEntry:
    """Return an entry of a day relative to now, with its day of expiry."""
    fields_of_entry: dict[str, Any] = {
        "amount": amount,
        "createdAt": (NOW + timedelta(days=day)).isoformat(),
        **fields,
    }
    if expires is not None:
        fields_of_entry["expirationDate"] = (NOW + timedelta(days=expires)).isoformat()
    return CreditEntry.of(fields_of_entry)


@pytest.mark.parametrize(
    ("entries", "balance"),
    [
        ([], "0"),
        ([entry("10", -9)], "10"),
        ([entry("10", -9), entry("5", -9, expires=-1)], "10"),
        ([entry("10", -9), entry("5", -9, expires=1)], "15"),
        # Spent in time: what was spent has not expired as well.
        ([entry("5", -9, expires=-1), entry("-5", -5)], "0"),
        ([entry("10", -9), entry("5", -9, expires=-1), entry("-3", -5)], "10"),
        # Spent after the others had expired: from what was left.
        ([entry("10", -9), entry("5", -9, expires=-3), entry("-3", -1)], "7"),
        # The ledger may or may not hold an entry of the expiry itself, with either sign.
        ([entry("5", -9, expires=-1), entry("-5", -1, reason="EXPIRED")], "0"),
        ([entry("10", -9), entry("5", -9, expires=-1), entry("5", -1, reason="EXPIRED")], "10"),
        ([entry("2.50", -9), entry("-0.20", -1)], "2.30"),
        ([entry("1", -9), entry("-3", -1)], "-2"),
        # The two balances of an entry say by how much it changed, whatever the sign of the amount.
        ([entry("10", -9), entry("4", -5, previousBalance=10, newBalance=6)], "6"),
        (
            [
                CreditEntry.of({"amount": "3"}),
                CreditEntry.of({"reason": "?"}),
                CreditEntry.of({"amount": -1}),
            ],
            "2",
        ),
    ],
)
def test_a_balance_leaves_out_expired_credits(entries: list[CreditEntry], balance: str) -> None:
    """The order of the entries makes no difference."""
    assert ledger_balance(entries, NOW) == Decimal(balance)
    assert ledger_balance(reversed(entries), NOW) == Decimal(balance)


@given(
    st.lists(
        st.tuples(st.integers(1, 50), st.integers(-30, -1), st.none() | st.integers(-29, 30)), max_size=8
    )
)
def test_without_spending_the_balance_is_the_sum_of_unexpired_credits(
    lots: list[tuple[int, int, int | None]],
) -> None:
    """The documentation requires this."""
    entries = [entry(str(amount), day, expires=until) for amount, day, until in lots]
    expected = sum(amount for amount, _, until in lots if until is None or until > 0)
    assert ledger_balance(entries, NOW) == expected
