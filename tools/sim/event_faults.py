"""Faults in what one event says: clocks that are wrong, moments that two events share, noise in amounts, odd currencies.

They are decided once per event, so that every delivery of it is alike. None changes what happened: the expected state
reads the changed payload by the documents (a time of its own that cannot be right gives way to the time of triggering;
amounts have the digits of their currency), and leaves out what they do not determine.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sim.clock import iso, iso_seconds, parse
from sim.events import Event
from sim.faults import FaultInjector

Payload = dict[str, Any]
_Change = Callable[[Event, Event | None, random.Random], Event | None]

EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""The platform is younger than this: an earlier time is no time of an event."""

LATEST_AHEAD: Final = timedelta(minutes=10)
"""How far an event's own time may lie after its triggering: clocks differ by seconds."""

ORDER: Final = {
    "customer.updated": 1,
    "customer.ordered": 1,
    "customer.payment_methods.updated": 1,
    "customer.credits.updated": 2,
    "customer.credits.expired": 2,
    "customer.pending_cancellation": 3,
    "customer_billing.attempt.failed": 4,
    "customer.payment_failed": 5,
    "customer.payment_succeeded": 6,
    "customer.cancelled": 7,
    "customer.changed_tier": 8,
    "customer.joined.paid_tier": 9,
    "customer.joined.free_tier": 9,
    "customer.joined.free_trial": 9,
    "customer.joined.lifetime_tier": 9,
}
"""Which of two events of one moment comes later: a final failure follows its attempt, and an ending follows both.

Only events that happened in this order are given one moment. Events of one number are not, but for credits: their
balances tell the order.
"""

_CREDITS: Final = 2
_WRONG_TIMES: Final = ("1970-01-01T00:00:00.000Z", "1900-01-01T00:00:00.000Z", "2009-02-13T23:31:30.000Z")
_MONEY: Final = ("amount", "newBalance", "previousBalance")
_FEES: Final = frozenset(
    {"customer.payment_succeeded", "customer.payment_failed", "customer_billing.attempt.failed"}
)
_ODD_FEES: Final = (("KWD", 12.345), ("JPY", 9800))


def own_time(payload: Payload, triggered_at: datetime) -> datetime | None:
    """Return the event's own time, if it has one that can be right."""
    text = payload.get("createdAt") or payload.get("expiredAt")
    if not text:
        return None
    found = parse(text)
    return found if EARLIEST <= found <= triggered_at + LATEST_AHEAD else None


def with_event_faults(faults: FaultInjector, event: Event, previous: Event | None) -> Event:
    """Return the event with the drawn faults; `previous` is the member's event before it."""
    if event.topic is None:
        return event
    for name, change in _CHANGES.items():
        chance = faults.draw(name, event.ordinal)
        if chance is None:
            continue
        copied = replace(event, payload=copy.deepcopy(event.payload))
        changed = change(copied, previous, chance)
        if changed is not None:
            event = replace(changed, faults=changed.faults | {name})
            faults.struck[name] += 1
    return event


def _time_field(payload: Payload) -> str | None:
    return next((name for name in ("createdAt", "expiredAt") if payload.get(name)), None)


def _wrong_clock(event: Event, _: Event | None, chance: random.Random) -> Event | None:
    """Let the event's own clock be wrong, and the time of triggering right."""
    name = _time_field(event.payload)
    # The record of the platform has the time of joining too, and would contradict the event's.
    if name is None or (event.topic or "").startswith("customer.joined."):
        return None
    ahead = event.triggered_at + timedelta(hours=chance.choice([1, 24, 24 * 365]))
    event.payload[name] = chance.choice([*_WRONG_TIMES, iso(ahead)])
    return replace(event, at=event.triggered_at)


def _tie_ms(event: Event, previous: Event | None, _: random.Random) -> Event | None:
    """Give the event the millisecond of the member's event before it."""
    before = _tied_with(event, previous)
    if before is None or previous is None or not _is_ordered(previous, event):
        return None
    event.payload[_time_field(event.payload) or ""] = iso(before)
    return replace(event, at=before)


def _tie_second(event: Event, previous: Event | None, _: random.Random) -> Event | None:
    """Write the time of a change of credits in whole seconds, as the platform does in places: it looks older than it is."""
    before = _tied_with(event, previous)
    if before is None or previous is None or ORDER[event.topic or ""] != _CREDITS:
        return None
    if ORDER[previous.topic or ""] != _CREDITS:
        return None
    event.payload[_time_field(event.payload) or ""] = iso_seconds(before)
    return replace(event, at=before.replace(microsecond=0))


def _tied_with(event: Event, previous: Event | None) -> datetime | None:
    """Return the time of the member's event before this one, where both have a right one of the same second."""
    if previous is None or previous.topic is None:
        return None
    before, here = (own_time(one.payload, one.triggered_at) for one in (previous, event))
    if before is None or here is None or before.replace(microsecond=0) != here.replace(microsecond=0):
        return None
    return before


def _is_ordered(previous: Event, event: Event) -> bool:
    one, other = ORDER[previous.topic or ""], ORDER[event.topic or ""]
    return one < other or one == other == _CREDITS


def _float_dust(event: Event, _: Event | None, chance: random.Random) -> Event | None:
    """Let amounts carry the noise of a computation with floats: 24.990000000000002, or -2.8e-17 for nothing."""
    places = [
        (part, name)
        for part in (event.payload, event.payload.get("detail"))
        if isinstance(part, dict)
        for name in _MONEY
        if isinstance(part.get(name), (int, float))
    ]
    if not places:
        return None
    for part, name in places:
        towards = chance.choice([-math.inf, math.inf])
        noise = math.copysign(2.7755575615628914e-17, towards)
        value = float(part[name])
        part[name] = math.nextafter(value, towards) if value else noise
    return event


def _odd_currency(event: Event, _: Event | None, chance: random.Random) -> Event | None:
    """Write the currency in lower case, or charge in one that has three digits, or none."""
    detail = event.payload.get("detail")
    if event.topic not in _FEES or not isinstance(detail, dict) or "currency" not in detail:
        return None
    if chance.random() < 1 / 3:
        detail["currency"] = str(detail["currency"]).lower()
    else:
        detail["currency"], detail["amount"] = chance.choice(_ODD_FEES)
    return event


_CHANGES: Final[dict[str, _Change]] = {
    # The clock first: an event whose own clock is wrong shares its moment with none.
    "wrong_clock": _wrong_clock,
    "tie_ms": _tie_ms,
    "tie_second": _tie_second,
    "odd_currency": _odd_currency,
    "float_dust": _float_dust,
}
