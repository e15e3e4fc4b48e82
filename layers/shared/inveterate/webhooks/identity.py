"""The id of an event: what it says, not its bytes, so that every delivery of one event has the same id.

`metadata.id` is missing from one topic, has two shapes in the others, and nothing says whether a retry keeps
it: it names a delivery for people and decides nothing. The id is a hash of topic, shop, customer, the event's
own time and the fields that distinguish two events of the topic (`DISTINGUISHING`), each in one form. An event
without a time of its own is identified by its whole payload. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

from inveterate.webhooks.amounts import amount, currency_code, number

_LENGTH: Final = 32
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MILLIS_FROM: Final = 10**11
"""A number from here on counts milliseconds since 1970, a smaller one seconds: the year 5138, or 1973."""

_LATEST: Final = 253_402_300_800_000
"""The first millisecond of the year 10000, which no calendar here can hold."""

_FIRST_DATE: Final = 1_420_070_400_000
_AFTER_LAST_DATE: Final = 4_133_980_800_000
"""2015-01-01 and 2101-01-01: no event names a date outside, but as a way to write none (`cleaning.py`)."""

_LONGEST_TIME: Final = 64
# Patterns are compiled on first use: the receiver's cold start needs one or two of them.
_SPACED: Final = r"(?a:(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}(?:\.\d+)?) ?([+-]\d{2}:?\d{2}|Z)?)"
# Each part can match a digit in one way only: a text of a million digits is refused in one pass.
_CUSTOMER: Final = r"(?a:(?:(?i:gid://shopify/Customer/)|\+)?(?:0+(?=\d))?+(\d{1,30})(?:\.0*)?(?:\?.*)?)"
_FLOATED: Final = r"(?a:(\d+)\.0+)"
_LONGEST_ID: Final = 30
CUSTOMER_PLACES: Final = (
    ("customerId",),
    ("customer", "id"),
    ("newData", "customerId"),
    ("detail", "cancelRequest", "customerId"),
)
_TRIGGERED: Final = ("triggerredAt", "triggeredAt", "triggered_at")


def event_id(topic: str, shop: str, delivery: Mapping[str, Any]) -> str:
    """Return the event's id: 32 lower-case hex digits of a SHA-256.

    `topic` is the topic's own name, not an alias. `delivery` is what JSON made of the body, with `payload` and
    `metadata`. Its fractions are read as `Decimal`: a float cannot tell `1e400` from `2e400`.
    """
    payload, metadata = delivery.get("payload"), delivery.get("metadata")
    content: list[object] = [topic, shop_name(shop), _customer(payload)]
    own_time = _first(payload, ("createdAt",), ("expiredAt",))
    if topic in DISTINGUISHING and own_time is not None:
        currency = currency_code(at(payload, _CURRENCY_PLACE))
        content += [own_time, [_read(payload, field, currency) for field in DISTINGUISHING[topic]]]
    else:
        # A record that changes from A to B, back to A and to B again makes three events, two of them with one payload.
        triggered = (
            _first(metadata, *((name,) for name in _TRIGGERED)) if topic == "customer.updated" else None
        )
        content += [triggered, _canonical(payload)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:_LENGTH]


def shop_name(shop: str) -> str:
    """Return a shop's domain in one form: lower case, without a scheme, a port, a path, a query and a dot at the end."""
    name = shop.strip().lower()
    name = name.partition("://")[2 if "://" in name else 0].removeprefix("//")
    host = re.split(r"[/?#]", name, maxsplit=1)[0]
    # A name before an @ is a user's and no host's.
    port = None if "@" in host else re.fullmatch(r"(?a:(.+):\d{1,5})", host)
    return (port[1] if port else host).rstrip(".")


def customer_digits(value: object) -> str | None:
    """Return a Shopify customer id as its digits; None where the value is none.

    Reads a number, text and a `gid://shopify/Customer/…`, with a float's `.0` or exponent, a plus and leading zeros.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal | float):
        return None
    if isinstance(value, Decimal | float):
        exact = _whole(value)
        if exact is None:
            return None
        value = exact
    text = str(value).strip()
    found = re.fullmatch(_CUSTOMER, text)
    if found is None and "e" in text.lower() and (exact_text := number(text)) is not None:
        return customer_digits(exact_text)
    return found[1] if found and found[1] != "0" else None


def raw_id(body: bytes) -> str:
    """Return the id of a delivery that is not an event: a hash of its bytes."""
    return hashlib.sha256(b"raw:" + body).hexdigest()[:_LENGTH]


def millis(value: object) -> int | None:
    """Return a time in milliseconds since 1970; None where the value is no time.

    Reads ISO 8601 (`2025-05-30T10:40:47.081Z`, `2026-02-05`, `2025-06-30 07:00:00 +00:00`), RFC 2822, and numbers:
    seconds or milliseconds since 1970. A time without an offset is UTC.
    """
    if isinstance(value, str):
        return _millis_in(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    amount = Decimal(str(value))
    if not amount.is_finite() or amount.adjusted() > len(str(_LATEST)):
        return None
    whole = int(amount if abs(amount) >= _MILLIS_FROM else amount * 1000)
    return whole if abs(whole) < _LATEST else None


def _millis_in(text: str) -> int | None:
    if len(text) > _LONGEST_TIME:
        return None
    if len(text) > len("20250530") and text.isascii() and text.isdigit():
        return millis(int(text))
    if text.endswith("z"):
        text = text[:-1] + "Z"
    try:
        return _since_epoch(datetime.fromisoformat(text))
    except ValueError:
        pass
    if (found := number(text)) is not None:
        return millis(found)
    if spaced := re.fullmatch(_SPACED, text):
        return _millis_in(f"{spaced[1]}T{spaced[2]}{spaced[3] or ''}")
    return _millis_in_mail_form(text)


def _since_epoch(moment: datetime) -> int:
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND


def _millis_in_mail_form(text: str) -> int | None:
    from email.utils import parsedate_to_datetime

    try:
        return _since_epoch(parsedate_to_datetime(text))
    except (ValueError, IndexError, OverflowError):
        return None


def _amount(value: object, currency: str | None) -> object:
    """Return an amount as it is read: `10`, `10.0`, `"10.00"` and a float's 10.000000000000002 are one.

    A number that is no amount keeps all its digits, and a text that is none its words.
    """
    read = amount(value, currency)
    if read is None:
        read = number(value)
    if read is not None:
        return _canonical(read)
    return _canonical(value.strip() if isinstance(value, str) else value)


def _number(value: object, _: str | None) -> object:
    read = number(value)
    return _canonical(value if read is None else read)


def _name(value: object, _: str | None) -> object:
    """Return an id or a name as text: some are numbers in one event and text in the next, with a float's `.0` in a third."""
    if isinstance(value, Decimal | float) and (exact := _whole(value)) is not None:
        value = exact
    if isinstance(value, str):
        text = value.strip()
        return floated[1] if (floated := re.fullmatch(_FLOATED, text)) else text
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _canonical(value)


def _whole(value: Decimal | float) -> int | None:
    """Return a whole number; None for any other, and for one with more digits than an id has."""
    exact = Decimal(str(value))
    if not exact.is_finite() or exact.adjusted() >= _LONGEST_ID or exact != exact.to_integral_value():
        return None
    return int(exact)


def _currency(value: object, _: str | None) -> object:
    return (value.strip().upper() or None) if isinstance(value, str) else _canonical(value)


def _time(value: object, currency: str | None) -> object:
    """Return a date in milliseconds; None for one that cannot be meant, which is a way to write none."""
    moment = millis(value)
    if moment is None:
        return _name(value, currency)
    return moment if _FIRST_DATE <= moment < _AFTER_LAST_DATE else None


def _day(value: object, currency: str | None) -> object:
    """Return a day's midnight (UTC), as written where it has an offset, as the models read it."""
    day = written_day(value.strip()) if isinstance(value, str) else None
    return _time(value if day is None else day.isoformat(), currency)


def written_day(text: str) -> date | None:
    """Return the day that a time with an offset other than zero names, in ISO 8601 or in RFC 2822."""
    if len(text) > _LONGEST_TIME:
        return None
    try:
        written = datetime.fromisoformat(re.sub(r"(?a:\s+(?=[+-]))", "", text))
    except ValueError:
        from email.utils import parsedate_to_datetime

        try:
            written = parsedate_to_datetime(text)
        except (ValueError, IndexError, OverflowError):
            return None
    return written.date() if written.utcoffset() else None


_Path: TypeAlias = tuple[str, ...]
_Clean: TypeAlias = Callable[[object, str | None], object]
_Field: TypeAlias = tuple[_Clean, tuple[_Path, ...]]
_CURRENCY_PLACE: Final = ("detail", "currency")


def _field(clean: _Clean, *places: str) -> _Field:
    """Return a field: how its value is cleaned (with the event's currency), and the places where it may stand."""
    return clean, tuple(tuple(place.split(".")) for place in places)


_TIER: Final = _field(_name, "tierId", "detail.tierName")
_ATTEMPT: Final = _field(_number, "detail.billingAttempts")
_BALANCES: Final = (_field(_amount, "previousBalance"), _field(_amount, "newBalance"))

DISTINGUISHING: Final[dict[str, tuple[_Field, ...]]] = {
    "customer.joined.paid_tier": (_TIER,),
    "customer.joined.free_tier": (_TIER,),
    "customer.joined.free_trial": (_TIER,),
    "customer.joined.lifetime_tier": (_TIER,),
    "customer.changed_tier": (_field(_name, "detail.previousTierId", "detail.previousTierName"), _TIER),
    "customer.ordered": (_field(_amount, "detail.subtotal_price"), _field(_currency, "detail.currency")),
    "customer.payment_succeeded": (
        _field(_amount, "detail.amount"),
        _field(_currency, "detail.currency"),
        _field(_day, "detail.newBillingDate"),
    ),
    "customer.payment_failed": (_ATTEMPT,),
    "customer_billing.attempt.failed": (_ATTEMPT,),
    "customer.payment_methods.updated": (_field(_name, "detail.paymentMethodId"),),
    "customer.credits.updated": _BALANCES,
    "customer.credits.expired": _BALANCES,
    "customer.cancelled": (_TIER,),
    "customer.pending_cancellation": (
        _field(_time, "detail.effectiveCancellationDate", "detail.cancelRequest.cancelDate"),
    ),
}
"""By topic, the fields that distinguish two events of one member and one time: how each is cleaned, and the places
in the payload where it may stand. `customer.updated` has none: it is identified by its whole payload."""


def _read(payload: object, field: _Field, currency: str | None) -> object:
    """Return the first value of these places; a blank text is none."""
    clean, places = field
    found = (at(payload, place) for place in places)
    cleaned = (clean(value, currency) for value in found if not (value is None or str(value).strip() == ""))
    return next((value for value in cleaned if value is not None), None)


def _first(part: object, *places: _Path) -> int | None:
    """Return the first readable time of these places."""
    return next((moment for place in places if (moment := millis(at(part, place))) is not None), None)


def at(part: object, place: Iterable[str]) -> object:
    """Return what stands at a place (its keys from the outside in); None where nothing does."""
    for step in place:
        part = part.get(step) if isinstance(part, dict) else None
    return part


def _customer(payload: object) -> str | None:
    """Return the member's customer id as its digits, from the places where topics put it."""
    found = (customer_digits(at(payload, place)) for place in CUSTOMER_PLACES)
    return next((digits for digits in found if digits), None)


def _canonical(value: object) -> str:
    """Write JSON in one form: keys in order and without `updatedAt`, numbers by their value."""
    if isinstance(value, dict):
        parts = (
            f"{json.dumps(name)}:{_canonical(value[name])}" for name in sorted(value) if name != "updatedAt"
        )
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if value is None or isinstance(value, bool | str):
        return json.dumps(value)
    return _canonical_number(value)


def _canonical_number(value: object) -> str:
    """Write a number as digits and a power of ten, exactly: `10` and `10.0` are `1e1`."""
    try:
        sign, digits, exponent = Decimal(str(value)).as_tuple()
    except InvalidOperation:
        raise TypeError(type(value).__name__) from None
    if not isinstance(exponent, int):
        return str(value)
    written = "".join(map(str, digits)).lstrip("0")
    kept = written.rstrip("0")
    return f"{'-' if sign else ''}{kept}e{exponent + len(written) - len(kept)}" if kept else "0"
