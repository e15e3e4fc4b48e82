"""What one delivery says, read by the documents alone: topic, member, time of the fact, identity and payload.

Sources: architecture.md ("The time of a fact", "Event id"), TRAPS 5, 7, 13 and 20 to 22.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from tests.judge import bodies, values
from tests.judge.history import MINUTE, Delivery, History

# architecture.md, the member record: what decides between two events of one millisecond.
RANKS = {
    bodies.UPDATED: 1,
    bodies.ORDERED: 1,
    bodies.METHOD: 1,
    bodies.CREDITS: 2,
    bodies.EXPIRED: 2,
    bodies.PENDING: 3,
    bodies.ATTEMPT: 4,
    bodies.FAILED: 5,
    bodies.SUCCEEDED: 6,
    bodies.CANCELLED: 7,
    bodies.CHANGED_TIER: 8,
    **dict.fromkeys(bodies.JOINED, 9),
}
LARGEST_ORDINAL = 15
# architecture.md has no figure for `too_deep`. Documented events have five levels, and what is drawn has ten or 200.
MOST_LEVELS = 100
_ODDEST_CLOCK = 10 * MINUTE
_TEXT_ENCODINGS = ("utf-8-sig", "utf-16", "utf-32")


@dataclass(frozen=True, slots=True)
class Statement:
    """What a delivery says: the unit that the fold goes through.

    `identity` is equal for two deliveries exactly when the documents call them one event. `own_time` is None where
    the payload brings no time that can be right.
    """

    topic: str
    member: str
    ms: int
    own_time: int | None
    triggered: int | None
    identity: tuple[str, ...]
    payload: dict[str, Any]
    retried: bool
    at: int
    event: str = ""

    @property
    def order(self) -> tuple[int, int, int]:
        """Where the statement stands among a member's: time, rank, attempt."""
        return self.ms, RANKS[self.topic], min(self.attempt or 0, LARGEST_ORDINAL)

    @property
    def attempt(self) -> int | None:
        """The number of the failed attempt, where the event names one."""
        if self.topic not in {bodies.ATTEMPT, bodies.FAILED}:
            return None
        return values.count(self.detail.get("billingAttempts"))

    @property
    def detail(self) -> dict[str, Any]:
        """The payload's detail, empty where it is missing."""
        return _object(self.payload.get("detail"))


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A delivery that changes no member: `reason` as architecture.md names it, or `no_member`."""

    reason: str


def read(delivery: Delivery, history: History, event: str = "") -> Statement | Unplaced:
    """Return what a delivery says of a member, or why it says nothing of any."""
    return _read(delivery, history.shop, event)


# A shrinking reads the same deliveries hundreds of times.
@lru_cache(maxsize=4096)
def _read(delivery: Delivery, shop: str, event: str) -> Statement | Unplaced:
    body = parse(delivery.body)
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if reason := _no_object(body):
        return Unplaced(reason)
    metadata, payload = _object(body.get("metadata")), _object(body.get("payload"))
    topic = str(metadata.get("topic") or "")
    topic = bodies.METHOD if topic == bodies.METHOD_ALIAS else topic
    if topic not in RANKS:
        return Unplaced("unknown_topic" if topic else "no_topic")
    if not _is_of_shop(metadata.get("shopDomain"), shop):
        return Unplaced("other_shop")
    if metadata.get("test") is True:
        return Unplaced("test")
    member = customer(topic, payload)
    if member is None:
        return Unplaced("no_member")
    triggered = trigger_time(metadata, delivery.at)
    own = own_time(payload, triggered, delivery.at)
    retried = (values.number(metadata.get("retryCount")) or Decimal(0)) > 0
    ms = own if own is not None else triggered if triggered is not None else delivery.at
    if topic == bodies.UPDATED and retried:
        lower = values.moment(_object(payload.get("newData")).get("updatedAt"))
        ms = ms if lower is None else lower
    identity = (topic, member, *distinction(topic, payload, triggered))
    return Statement(topic, member, ms, own, triggered, identity, payload, retried, delivery.at, event)


def _no_object(body: Any) -> str | None:
    """Return why a body is no delivery, as far as its shape alone tells; None where it may be one."""
    if not isinstance(body, dict):
        return "not_json" if body is None else "no_envelope"
    return "too_deep" if _levels(body) > MOST_LEVELS else None


def _levels(content: Any) -> int:
    """Return how deep objects and lists stand in one another."""
    level, count = [content], 0
    while level:
        count += 1
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
    return count


def _is_of_shop(domain: Any, shop: str) -> bool:
    """Tell whether a domain is the shop's: in any case, with a scheme, a path or a dot behind it, or its first label alone."""
    if domain is None:
        return True
    written = str(domain).lower().partition("://")[2] or str(domain).lower()
    name = written.partition("/")[0].rstrip(".")
    return name in {shop, shop.partition(".")[0]}


def parse(body: bytes) -> Any:
    """Return a body's JSON with exact decimals, or None; a key that stands twice makes a body unreadable.

    It may be packed by gzip, be a form of one field, or be JSON as a text within JSON.
    """
    if body.startswith(b"\x1f\x8b"):
        body = gzip.decompress(body)
    for encoding in _TEXT_ENCODINGS:
        try:
            text = body.decode(encoding)
        except UnicodeError:
            continue
        found = _json(text)
        if found is None and (fields := parse_qsl(text)) and len(fields) == 1:
            found = _json(fields[0][1])
        found = _json(found) if isinstance(found, str) else found
        if found is not None:
            return found
    return None


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, object_pairs_hook=_unique)
    except ValueError:
        return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def customer(topic: str, payload: dict[str, Any]) -> str | None:
    """Return the member's id from where the topic has it (TRAPS 13)."""
    nested = _object(payload.get("customer"))
    if topic == bodies.UPDATED:
        return values.identifier(_object(payload.get("newData")).get("customerId"))
    if topic == bodies.ORDERED:
        return values.identifier(nested.get("id"))
    return values.identifier(payload.get("customerId")) or values.identifier(nested.get("id"))


def is_of_two_people(s: Statement) -> bool:
    """Tell whether the places that name the member disagree: such an event tells nothing of identity."""
    nested = _object(s.payload.get("customer"))
    named = {values.identifier(s.payload.get("customerId")), values.identifier(nested.get("id"))} - {None}
    return len(named) > 1


def trigger_time(metadata: dict[str, Any], at: int) -> int | None:
    """Return T: the time of triggering, where it is possible."""
    found = values.moment(metadata.get("triggerredAt", metadata.get("triggeredAt")))
    return found if found is not None and values.FIRST_MS <= found <= at + _ODDEST_CLOCK else None


def own_time(payload: dict[str, Any], triggered: int | None, at: int) -> int | None:
    """Return the first of `createdAt` and `expiredAt` that is possible."""
    latest = (at if triggered is None else triggered) + _ODDEST_CLOCK
    for name in ("createdAt", "expiredAt"):
        found = values.moment(payload.get(name))
        if found is not None and values.FIRST_MS <= found <= latest:
            return found
    return None


def distinction(topic: str, payload: dict[str, Any], triggered: int | None) -> tuple[str, ...]:
    """Return what tells two events of one topic and member apart (architecture.md, "Event id")."""
    written = [values.moment(payload.get(name)) for name in ("createdAt", "expiredAt")]
    times = [found for found in written if found is not None]
    if topic == bodies.UPDATED:
        return str(triggered), canonical(payload)
    if not times and not any(isinstance(payload.get(name), str) for name in ("createdAt", "expiredAt")):
        return (canonical(payload),)
    return str(times[0] if times else None), *_distinguishing(topic, payload)


def _distinguishing(topic: str, payload: dict[str, Any]) -> list[str]:
    detail = _object(payload.get("detail"))
    code = values.currency(detail.get("currency"))
    fields: list[Any] = []
    if topic in bodies.JOINED or topic == bodies.CANCELLED:
        fields = [values.identifier(payload.get("tierId"))]
    elif topic == bodies.CHANGED_TIER:
        fields = [values.identifier(payload.get("tierId")), values.identifier(detail.get("previousTierId"))]
    elif topic == bodies.SUCCEEDED:
        billed = values.day(detail.get("newBillingDate"), "UTC")
        fields = [_amount(detail.get("amount"), code), code, billed]
    elif topic in {bodies.ATTEMPT, bodies.FAILED}:
        fields = [values.count(detail.get("billingAttempts"))]
    elif topic in {bodies.CREDITS, bodies.EXPIRED}:
        fields = [_amount(payload.get(name), None) for name in ("previousBalance", "newBalance")]
    elif topic == bodies.PENDING:
        fields = [values.moment(detail.get("effectiveCancellationDate"))]
    elif topic == bodies.ORDERED:
        fields = [_amount(detail.get("subtotal_price"), code), code]
    elif topic == bodies.METHOD:
        fields = [detail.get("paymentMethodId")]
    return [str(f.normalize()) if isinstance(f, Decimal) else str(f) for f in fields]


def _amount(value: Any, code: str | None) -> Any:
    """Return an amount as it distinguishes events: `10` and `10.0` are one, and what no amount can be is as written."""
    found = values.amount(value, code)
    return value if found is None else found


def canonical(payload: dict[str, Any]) -> str:
    """Return the payload without `updatedAt`, with numbers as decimals, in one order of keys."""
    kept = {key: value for key, value in payload.items() if key != "updatedAt"}
    return json.dumps(_plain(kept), sort_keys=True) if kept else ""


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return {"number": str(Decimal(value).normalize())}
    return value


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
