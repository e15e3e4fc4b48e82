"""Readers of money, times, ids and texts, in every notation of the platform.

The documentation types one field differently from page to page (a contract id is a number in one
event and text in the next; times come with and without milliseconds). Each kind of value is read
from every notation in the documentation, and has one form afterwards.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer

from inveterate.webhooks.amounts import number
from inveterate.webhooks.identity import customer_digits, millis

_DATE_ONLY: Final = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_SPACED: Final = re.compile(r"^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}(?:\.\d+)?) ?([+-]\d{2}:?\d{2}|Z)?$")
_MAX_DIGITS: Final = 30
"""Far beyond any amount or id, and exact in every store that Relay writes to."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_YEAR: Final = 1900
"""An earlier year is the zero value of some language (`0001-01-01T00:00:00Z`): there is no time."""


def read_money(value: object) -> Decimal:
    """Read an amount in the merchant's currency unit: a JSON number, or the same as text.

    Raises:
        ValueError: when it is not a finite number.

    """
    amount = number(value) if not isinstance(value, str) or len(value.strip()) <= _MAX_DIGITS else None
    if amount is None or abs(amount.adjusted()) > _MAX_DIGITS - 2:
        raise ValueError("not an amount")
    return amount


def read_timestamp(value: object) -> datetime:
    """Read a time in any documented notation; one without an offset is UTC.

    Seen: `2025-05-30T10:40:47.081Z`, `2025-06-30T11:00:00Z`, `2026-02-05`,
    `2025-06-30 07:00:00 +00:00`. Read as well: numbers since 1970, a lower-case `z`, and RFC 2822.

    Raises:
        ValueError: when it is none of them.

    """
    if isinstance(value, datetime):
        # Only our own callers pass one; without an offset it may be of any time zone.
        if value.tzinfo is None:
            raise ValueError("a time without an offset")
        moment = value
    elif isinstance(value, str):
        moment = _moment(value.strip())
    else:
        moment = _moment_in_millis(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("not a time in range") from None
    if moment.year < _FIRST_YEAR:
        raise ValueError("not a time in range")
    return moment


def _moment(text: str) -> datetime:
    if spaced := _SPACED.match(text):
        day, clock, offset = spaced.groups()
        text = f"{day}T{clock}{offset or ''}"
    try:
        if _DATE_ONLY.match(text):
            return datetime.combine(date.fromisoformat(text), datetime.min.time())
        return datetime.fromisoformat(text)
    except ValueError:
        return _moment_in_millis(text)


def _moment_in_millis(value: object) -> datetime:
    since_epoch = millis(value)
    if since_epoch is None:
        raise ValueError("not a time")
    try:
        return _EPOCH + timedelta(milliseconds=since_epoch)
    except OverflowError:
        raise ValueError("not a time in range") from None


def read_customer_id(value: object) -> str:
    """Read a Shopify customer id as its digits: a number, text, or a `gid://shopify/Customer/…`, also `7.0` and `007`.

    Text, since 64-bit integers do not survive every JSON reader.

    Raises:
        ValueError: when it has no digits.

    """
    digits = customer_digits(value)
    if digits is None:
        raise ValueError("not a customer id")
    return digits


def read_text(value: object) -> str:
    """Read text; a number (some ids are numbers in one event and text in the next) becomes its digits."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("not text")
    text = str(value)
    if text.isascii():
        return text
    # JSON's escapes can spell half a surrogate pair, which no encoding can carry on.
    return text.encode("utf-8", "replace").decode("utf-8")


def read_flag(value: object) -> bool:
    """Read a boolean: JSON's, or the words `true` and `false`."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    raise ValueError("not a boolean")


def read_erasure(value: object) -> bool:
    """Read whether a member is anonymised, also from words that are no boolean elsewhere: who missed one would keep a person's data.

    Raises:
        ValueError: when it says neither yes nor no.

    """
    word = value.strip().lower() if isinstance(value, str) else ""
    amount = number(value)
    if word in {"yes", "y", "t", "on"} or amount == 1:
        return True
    if word in {"no", "n", "f", "off"} or amount == 0:
        return False
    return read_flag(value)


def read_count(value: object) -> int:
    """Read a whole number, also written as text or with an empty fraction (`3`, `"3"`, `3.0`)."""
    amount = read_money(value)
    if amount != amount.to_integral_value():
        raise ValueError("not a whole number")
    return int(amount)


Money = Annotated[Decimal, BeforeValidator(read_money)]
"""An amount in the merchant's currency unit, exactly as written: never a float."""

Timestamp = Annotated[
    datetime,
    BeforeValidator(read_timestamp),
    PlainSerializer(
        lambda moment: moment.isoformat().replace("+00:00", "Z"), return_type=str, when_used="json"
    ),
]
"""A time, aware, in UTC."""

Text = Annotated[str, BeforeValidator(read_text)]
"""Text of any length, also where the platform sends a number."""

Flag = Annotated[bool, BeforeValidator(read_flag)]
"""True or false."""

Erasure = Annotated[bool, BeforeValidator(read_erasure)]
"""Whether a member is anonymised."""

Count = Annotated[int, BeforeValidator(read_count)]
"""A whole number."""
