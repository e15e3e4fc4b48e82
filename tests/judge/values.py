"""How the judge reads one value of a webhook: amounts, counts, ids, moments and days.

The rules are those of architecture.md, "Values are cleaned when they are read", and of TRAPS 13, 22 and 62. A
value that cannot be read is `None`: it says nothing.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

# ISO 4217, the minor units that are not two and that the generator draws.
DIGITS = {"JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3, "TND": 3}
FIRST_MS = int(datetime(2015, 1, 1, tzinfo=UTC).timestamp() * 1000)
LAST_MS = int(datetime(2101, 1, 1, tzinfo=UTC).timestamp() * 1000)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s*([zZ]|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
# Epoch numbers above this are milliseconds: as seconds they would lie beyond the year 5000.
_EPOCH_MS_FROM = 100_000_000_000


def number(value: Any) -> Decimal | None:
    """Return a finite number that stands in ASCII digits."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | Decimal):
        found = Decimal(value)
    elif isinstance(value, str) and _PLAIN.fullmatch(value.strip()):
        try:
            found = Decimal(value.strip())
        except InvalidOperation:
            return None
    else:
        return None
    return found if found.is_finite() and abs(found) < Decimal(10) ** 15 else None


def currency(value: Any) -> str | None:
    """Return a currency code, trimmed and upper-case."""
    text = value.strip().upper() if isinstance(value, str) else ""
    return text if re.fullmatch(r"[A-Z]{3}", text) else None


def amount(value: Any, code: str | None) -> Decimal | None:
    """Return an amount to the minor unit of its currency, or to six decimals where none is named."""
    found = number(value)
    if found is None:
        return None
    places = 6 if code is None else DIGITS.get(code, 2)
    rounded = found.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    return rounded or Decimal(0)


def count(value: Any) -> int | None:
    """Return a count of attempts: a whole number from 1 to 99."""
    found = number(value)
    if found is None or found != found.to_integral_value() or not 1 <= found <= 99:
        return None
    return int(found)


def identifier(value: Any) -> str | None:
    """Return an id as text: without a GID's path, a float's `.0` or leading zeros."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | Decimal):
        found = Decimal(value)
        return str(int(found)) if found == found.to_integral_value() else None
    if not isinstance(value, str):
        return None
    text = value.strip().removeprefix("gid://shopify/Customer/")
    text = re.sub(r"^([0-9]+)\.0+$", r"\1", text)
    if re.fullmatch(r"[0-9]+", text, re.ASCII):
        text = text.lstrip("0") or "0"
    return text or None


def text(value: Any) -> str | None:
    """Return a text that is not empty."""
    return value.strip() or None if isinstance(value, str) else None


def address(value: Any) -> str | None:
    """Return an e-mail address, lower-cased and trimmed."""
    found = text(value)
    return found.lower() if found and re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", found) else None


def moment(value: Any) -> int | None:
    """Return a time in ms since 1970, possible or not; None where it cannot be read."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        number_ = Decimal(value)
        return int(number_ if abs(number_) >= _EPOCH_MS_FROM else number_ * 1000)
    if not isinstance(value, str):
        return None
    if _PLAIN.fullmatch(value.strip()):
        return moment(Decimal(value.strip()))
    found = _ISO.fullmatch(value.strip())
    try:
        instant = _instant(found) if found else parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return (instant - EPOCH) // timedelta(milliseconds=1)


def _instant(found: re.Match[str]) -> datetime:
    year, month, day_, hour, minute, second, fraction, zone = found.groups()
    micro = int((fraction or "0").ljust(6, "0")[:6])
    local = datetime(  # noqa: DTZ001 - the offset is subtracted below
        int(year), int(month), int(day_), int(hour or 0), int(minute or 0), int(second or 0), micro
    )
    offset = timedelta(0)
    if zone and zone not in "zZ":
        sign = -1 if zone[0] == "-" else 1
        offset = sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return (local - offset).replace(tzinfo=UTC)


def possible_date(value: Any) -> bool:
    """Tell whether a date that an event names lies between 2015 and 2100."""
    found = moment(value)
    return found is not None and FIRST_MS <= found < LAST_MS


def day(value: Any, zone: str) -> date | None:
    """Return the day of a date field.

    With an offset or at midnight it is the day as written; a moment in Z that is not midnight is its day in the
    shop's zone.
    """
    if not possible_date(value):
        return None
    found = moment(value)
    assert found is not None
    written = _ISO.fullmatch(value.strip()) if isinstance(value, str) else None
    if written:
        year, month, day_, hour, minute, second, fraction, offset = written.groups()
        midnight = not any(int(part or 0) for part in (hour, minute, second, fraction))
        if midnight or (offset and offset not in "zZ"):
            return date(int(year), int(month), int(day_))
    return datetime.fromtimestamp(found / 1000, ZoneInfo(zone)).date()


def iso(ms: int) -> str:
    """Return a moment as the platform writes it, with milliseconds and Z."""
    instant = EPOCH + timedelta(milliseconds=ms)
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"
