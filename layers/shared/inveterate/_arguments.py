"""Checks of arguments before a request is sent: page sizes, amounts of credits, birthdays."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from inveterate._scalars import read_money

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def limit_text(limit: int) -> str:
    """Return a page size as text, the type that the platform documents.

    Raises:
        ValueError: when it is less than 1.

    """
    if isinstance(limit, bool) or limit < 1:
        raise ValueError("limit must be a whole number from 1")
    return str(limit)


def checked_amount(amount: Decimal | int) -> Decimal:
    """Return an amount of credits.

    Raises:
        ValueError: when it is not a number, or zero, which the platform refuses.

    """
    # A float is refused although JSON can carry it: 0.1 + 0.2 is not an amount of money.
    if isinstance(amount, float) or not (money := read_money(amount)):
        raise ValueError("an amount is a Decimal or an int, and not 0")
    return money


def checked_opening_credits(amount: Decimal | int) -> Decimal:
    """Return the opening credits of a member.

    Raises:
        ValueError: when they are less than 1, the documented minimum.

    """
    if (money := checked_amount(amount)) < 1:
        raise ValueError("opening credits are at least 1")
    return money


def checked_birthday(day: date | str) -> str:
    """Return a birthday as YYYY-MM-DD; empty text stays empty.

    Raises:
        ValueError: when it is not a date.

    """
    if isinstance(day, date):
        return day_text(day)
    if day and not _DAY.fullmatch(day):
        raise ValueError("a birthday is YYYY-MM-DD")
    return date.fromisoformat(day).isoformat() if day else ""


def day_text(day: date) -> str:
    """Return a date as YYYY-MM-DD; of a date with a time, its own day."""
    return (day.date() if isinstance(day, datetime) else day).isoformat()
