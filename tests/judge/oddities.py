"""The odd things that a sender does, each a switch: a history can be drawn with or without any of them.

An oddity takes a history's events and returns them with the odd one in it. An event has one oddity of its body at
most, so that a shrunk history shows one cause.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from email.utils import formatdate
from random import Random
from typing import Any, TypeAlias

from tests.judge import bodies, values
from tests.judge.history import HOUR, MINUTE, SECOND, Delivery, Event

Oddity: TypeAlias = "Callable[[Event, Random, bodies.Body], bodies.Body | None]"


def body_of(event: Event) -> bodies.Body:
    """Return the event's first body."""
    found: bodies.Body = json.loads(event.deliveries[0].body)
    return found


def with_body(event: Event, body: bodies.Body, oddity: str) -> Event:
    """Return the event with another body in each of its deliveries."""
    posts = tuple(replace(d, body=bodies.dump(body)) for d in event.deliveries)
    return replace(event, deliveries=posts, oddities=event.oddities | {oddity})


def _payload_time(body: bodies.Body) -> str | None:
    return next((name for name in ("createdAt", "expiredAt") if name in body["payload"]), None)


# --- clocks -----------------------------------------------------------------------------------------------------


def _clock(written: Callable[[Event, Random], Any]) -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
        name = _payload_time(body)
        if name is None:
            return None
        body["payload"][name] = written(event, rng)
        return body

    return change


def _with_offset(event: Event, rng: Random) -> str:
    hours = rng.choice([5, 10, -7])
    local = values.iso(event.happened + hours * HOUR)
    return local.replace("Z", f"{hours:+03d}:00")


def _rfc2822(event: Event, rng: Random) -> str:
    # An RFC 2822 time has no fraction.
    return formatdate(event.happened // 1000)


def _no_time(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    name = _payload_time(body)
    if name is None:
        return None
    del body["payload"][name]
    return body


def _bad_trigger(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if _payload_time(body) is None:
        return None
    body["metadata"]["triggerredAt"] = rng.choice(["1970-01-01T00:00:00.000Z", None, "yesterday", 0])
    return body


# --- dates, currencies, amounts, ids ----------------------------------------------------------------------------


def _date(topic: str, key: str, written: Callable[[Random], Any], place: str = "detail") -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
        if event.topic != topic:
            return None
        target = body["payload"][place] if place else body["payload"]
        target[key] = written(rng)
        return body

    return change


def _date_1970(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    nothing = "1970-01-01T00:00:00.000Z"
    if event.topic == bodies.PENDING:
        body["payload"]["detail"]["effectiveCancellationDate"] = nothing
    elif event.topic == bodies.SUCCEEDED:
        body["payload"]["detail"]["newBillingDate"] = nothing
    elif event.topic == bodies.JOINED_TRIAL:
        body["payload"]["freeTrialEnd"] = nothing
    else:
        return None
    return body


def _currency(code: str, amount: Any) -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
        if event.topic not in {bodies.SUCCEEDED, bodies.ATTEMPT, bodies.FAILED}:
            return None
        body["payload"]["detail"] |= {"currency": code, "amount": amount}
        return body

    return change


def _dust(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic not in {bodies.CREDITS, bodies.EXPIRED}:
        return None
    payload = body["payload"]
    tiny = rng.choice([2.7755575615628914e-17, -2.7755575615628914e-17])
    payload["newBalance"] = payload["newBalance"] + tiny or tiny
    if payload["newBalance"] == int(payload["newBalance"]):
        payload["newBalance"] = float(payload["newBalance"])
    return body


def _member_id(written: Callable[[str], Any]) -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
        payload = body["payload"]
        if event.topic == bodies.UPDATED:
            payload["newData"]["customerId"] = written(event.member)
        elif event.topic == bodies.ORDERED:
            payload["customer"]["id"] = written(event.member)
        else:
            payload["customerId"] = written(event.member)
            if payload["customerId"] is None and "customer" in payload:
                payload["customer"]["id"] = None  # the payment topics name the member twice
        return body

    return change


# --- fields that are missing or null ----------------------------------------------------------------------------

_MAY_LACK = {
    bodies.ATTEMPT: ["detail.billingAttempts", "detail.errorMessage", "detail", "customer"],
    bodies.FAILED: ["detail.billingAttempts", "detail.currency", "customer"],
    bodies.SUCCEEDED: ["detail.newBillingDate", "detail.amount", "customer"],
    bodies.CREDITS: ["previousBalance", "reason", "newBalance"],
    bodies.EXPIRED: ["previousBalance", "amount"],
    bodies.CANCELLED: ["detail.cancellationSource", "tierId", "detail"],
    bodies.PENDING: ["detail.effectiveCancellationDate", "detail.cancelRequest"],
    bodies.CHANGED_TIER: ["detail.previousTierName", "detail.tierName"],
    bodies.ORDERED: ["detail", "detail.line_items"],
    bodies.UPDATED: ["newData.email", "newData.updatedAt", "oldData", "newData.referrals"],
    bodies.METHOD: ["detail.paymentMethodId", "customer"],
    **{topic: ["tierId", "detail.tierName", "detail"] for topic in bodies.JOINED},
}


def _lacking(*, remove: bool) -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
        *path, key = rng.choice(_MAY_LACK[event.topic]).split(".")
        target = body["payload"]
        for part in path:
            target = target[part]
        if key == "customer" and "customerId" not in target:
            return None
        if remove:
            del target[key]
        else:
            target[key] = None
        return body

    return change


def _null_identity(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    payload = body["payload"]
    if event.topic in {bodies.CREDITS, bodies.EXPIRED}:
        payload |= {"email": None, "firstName": None}
    elif "customer" in payload:
        payload["customer"]["email"] = None
    else:
        return None
    return body


def _names_left(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """An anonymised member whose names still stand in `newData`, as they stand in `oldData`."""
    new = body["payload"].get("newData", {})
    if new.get("anonymized") is not True:
        return None
    new |= {
        key: body["payload"]["oldData"].get(key) for key in ("email", "firstName", "lastName", "phoneNumber")
    }
    return body


# --- shape ------------------------------------------------------------------------------------------------------


def _right_spelling(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
    body["metadata"]["triggeredAt"] = body["metadata"].pop("triggerredAt")
    return body


def _more_fields(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
    body["payload"]["loyaltyScore"] = {"points": [1, 2, 3], "of": None}
    body["metadata"]["region"] = "eu"
    return body


def _alias(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic != bodies.METHOD:
        return None
    body["metadata"]["topic"] = bodies.METHOD_ALIAS
    return body


def _metadata(**fields: Any) -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
        body["metadata"] |= fields
        return body

    return change


def _open_word(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic == bodies.CANCELLED:
        body["payload"]["detail"]["cancellationSource"] = "TELEPATHY"
    elif event.topic == bodies.CREDITS:
        body["payload"]["reason"] = "GIFT_OF_THE_DAY"
    elif event.topic == bodies.UPDATED:
        body["payload"]["newData"]["status"] = "HIBERNATING"
    else:
        return None
    return body


def _hostile_name(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic not in {bodies.CREDITS, bodies.EXPIRED}:
        return None
    body["payload"]["lastName"] = "<!channel> https://evil.example/login " + "x" * 200
    return body


# What changes one body. Each is tried on the events in a random order until it finds one that it fits.
BODY: dict[str, Oddity] = {
    "clock_future": _clock(lambda event, rng: values.iso(event.happened + HOUR)),
    "clock_1900": _clock(lambda event, rng: "1900-01-01T00:00:00.000Z"),
    "clock_1970": _clock(lambda event, rng: "1970-01-01T00:00:00.000Z"),
    "clock_offset": _clock(_with_offset),
    "clock_epoch_ms": _clock(lambda event, rng: event.happened),
    "clock_epoch_s": _clock(lambda event, rng: event.happened // 1000),
    "clock_lower_z": _clock(lambda event, rng: values.iso(event.happened).lower()),
    "clock_rfc2822": _clock(_rfc2822),
    "clock_unreadable": _clock(lambda event, rng: "the day after"),
    "clock_missing": _no_time,
    "trigger_impossible": _bad_trigger,
    "date_1970": _date_1970,
    "date_offset": _date(bodies.SUCCEEDED, "newBillingDate", lambda rng: "2027-04-01T00:00:00+10:00"),
    "date_moment": _date(bodies.SUCCEEDED, "newBillingDate", lambda rng: "2027-04-01T23:30:00.000Z"),
    "date_plain": _date(bodies.SUCCEEDED, "newBillingDate", lambda rng: "2027-04-01"),
    "currency_jpy": _currency("JPY", 9800),
    "currency_kwd": _currency("KWD", 12.345),
    "currency_lower": _currency("usd", 49),
    "amount_text": _currency("USD", "49.00"),
    "amount_dust": _currency("USD", 0.1 + 0.2),
    "amount_unreadable": _currency("USD", "1_000"),
    "amount_refund": _date(bodies.SUCCEEDED, "amount", lambda rng: -49),
    "amount_zero": _date(bodies.SUCCEEDED, "amount", lambda rng: 0),
    "balance_dust": _dust,
    "id_float": _member_id(float),
    "id_gid": _member_id(lambda member: f"gid://shopify/Customer/{member}"),
    "id_float_text": _member_id(lambda member: f"{member}.0"),
    "id_leading_zero": _member_id(lambda member: f"00{member}"),
    "id_missing": _member_id(lambda member: None),
    "field_missing": _lacking(remove=True),
    "field_null": _lacking(remove=False),
    "identity_null": _null_identity,
    "erasure_names_left": _names_left,
    "trigger_spelt_right": _right_spelling,
    "fields_unknown": _more_fields,
    "topic_alias": _alias,
    "topic_unknown": _metadata(topic="customer.teleported"),
    "shop_other": _metadata(shopDomain="other-shop.myshopify.com"),
    "word_unknown": _open_word,
    "name_hostile": _hostile_name,
}
# Times that the payload does not bring: a renewed time of triggering would then date the event anew.
WITHOUT_OWN_TIME = frozenset(
    {"clock_future", "clock_1900", "clock_1970", "clock_unreadable", "clock_missing", "trigger_impossible"}
)
NO_MEMBER = frozenset({"id_missing", "topic_unknown", "shop_other", "not_json"})


# --- ties: two events of one moment -----------------------------------------------------------------------------


def _tie(events: list[Event], rng: Random, *, same_ms: bool) -> list[Event]:
    """Move an event onto the ms, or the second, of the member's event before it."""
    pairs = [
        (n, m)
        for n, first in enumerate(events)
        for m, second in enumerate(events)
        if n < m and first.member == second.member and _next_of_member(events, n) == m
        if not (first.oddities | second.oddities) and _payload_time(body_of(second)) and _own(first)
    ]
    credit = [pair for pair in pairs if {events[i].topic for i in pair} <= {bodies.CREDITS, bodies.EXPIRED}]
    pairs = credit if credit and rng.random() < 0.6 else pairs
    if not pairs:
        return events
    n, m = rng.choice(pairs)
    first, second = events[n], events[m]
    moment = first.happened if same_ms else first.happened - first.happened % SECOND + rng.randrange(SECOND)
    body = body_of(second)
    name = _payload_time(body)
    assert name is not None
    body["payload"][name] = values.iso(moment)
    body["metadata"]["triggerredAt"] = values.iso(max(moment, first.happened) + 900)
    at = first.deliveries[0].at + rng.randrange(1, 300)
    moved = replace(second, happened=moment, deliveries=(Delivery(at, bodies.dump(body)),))
    oddity = "tie_ms" if same_ms else "tie_second"
    events = list(events)
    events[n] = replace(first, oddities=first.oddities | {oddity})
    events[m] = replace(moved, oddities=moved.oddities | {oddity})
    return events


def _own(event: Event) -> bool:
    return _payload_time(body_of(event)) is not None


def _next_of_member(events: list[Event], n: int) -> int | None:
    return next((m for m in range(n + 1, len(events)) if events[m].member == events[n].member), None)


def tie_ms(events: list[Event], rng: Random) -> list[Event]:
    """Two events of one member bear one time to the ms."""
    return _tie(events, rng, same_ms=True)


def tie_second(events: list[Event], rng: Random) -> list[Event]:
    """Two events of one member bear one second."""
    return _tie(events, rng, same_ms=False)


def tie_circle(events: list[Event], rng: Random) -> list[Event]:
    """Credits are given and taken back within one ms: that of a credit event, or a second of their own after it."""
    found = [n for n, e in enumerate(events) if e.topic == bodies.CREDITS and not e.oddities]
    if not found:
        return events
    n = rng.choice(found)
    event, added = events[n], list[Event]()
    body = body_of(event)
    payload = body["payload"]
    moment = event.happened + rng.choice([0, SECOND])
    payload["createdAt"] = values.iso(moment)
    for number, (before, after) in enumerate([(payload["newBalance"], 77), (77, payload["newBalance"])]):
        payload |= {"previousBalance": before, "newBalance": after, "amount": 5}
        post = Delivery(event.deliveries[0].at + SECOND + number, bodies.dump(body))
        name = f"{event.name}-{number + 1}"
        added.append(replace(event, name=name, happened=moment, deliveries=(post,)))
    marked = [replace(e, oddities=e.oddities | {"tie_circle"}) for e in (event, *added)]
    return [*events[:n], *marked, *events[n + 1 :]]


# --- deliveries -------------------------------------------------------------------------------------------------


def _again(
    events: list[Event], rng: Random, oddity: str, renew: Callable[[bodies.Body, int], None]
) -> list[Event]:
    """Deliver one event a second time, with what the sender renews in it."""
    fit = [n for n, e in enumerate(events) if not e.oddities & (WITHOUT_OWN_TIME | {"not_json"})]
    if not fit:
        return events
    n = rng.choice(fit)
    event = events[n]
    body = body_of(event)
    later = event.deliveries[-1].at + rng.choice([5 * SECOND, 10 * MINUTE, 3 * HOUR])
    renew(body, later)
    again = Delivery(later, bodies.dump(body))
    events = list(events)
    events[n] = replace(event, deliveries=(*event.deliveries, again), oddities=event.oddities | {oddity})
    return events


def repeat(events: list[Event], rng: Random) -> list[Event]:
    """The same bytes come twice."""
    return _again(events, rng, "repeat", lambda body, at: None)


def retry_counted(events: list[Event], rng: Random) -> list[Event]:
    """A retry says so, and renews `updatedAt`."""

    def renew(body: bodies.Body, at: int) -> None:
        body["metadata"]["retryCount"] = 1
        if "updatedAt" in body["payload"]:
            body["payload"]["updatedAt"] = values.iso(at - 200)

    return _again(events, rng, "retry_counted", renew)


def retry_renewed(events: list[Event], rng: Random) -> list[Event]:
    """A retry renews the time of triggering."""

    def renew(body: bodies.Body, at: int) -> None:
        body["metadata"]["retryCount"] = 1
        key = "triggerredAt" if "triggerredAt" in body["metadata"] else "triggeredAt"
        body["metadata"][key] = values.iso(at - 100)

    return _again(events, rng, "retry_renewed", renew)


def retry_number(events: list[Event], rng: Random) -> list[Event]:
    """A retry writes a whole number as 10.0."""
    fit = [
        n for n, e in enumerate(events) if e.topic in {bodies.CREDITS, bodies.SUCCEEDED} and not e.oddities
    ]
    if not fit:
        return events
    n = rng.choice(fit)
    event, body = events[n], body_of(events[n])
    paid = event.topic == bodies.SUCCEEDED
    place = body["payload"]["detail"] if paid else body["payload"]
    keys = ["amount"] if paid else ["newBalance", "previousBalance"]
    for key in keys:
        place[key] = float(Decimal(str(place[key])))
    again = Delivery(event.deliveries[-1].at + MINUTE, bodies.dump(body))
    events = list(events)
    events[n] = replace(
        event, deliveries=(*event.deliveries, again), oddities=event.oddities | {"retry_number"}
    )
    return events


def wrong_queue(events: list[Event], rng: Random) -> list[Event]:
    """A message stands in another topic's queue, as after a redrive by the console."""
    fit = [n for n, e in enumerate(events) if not e.oddities & NO_MEMBER]
    if not fit:
        return events
    failures = [n for n in fit if events[n].topic in {bodies.ATTEMPT, bodies.FAILED}]
    n = rng.choice(failures if failures and rng.random() < 0.5 else fit)
    event = events[n]
    others = [topic for topic in bodies.TOPICS if topic != event.topic]
    other = bodies.SUCCEEDED if n in failures and rng.random() < 0.5 else rng.choice(others)
    posts = (replace(event.deliveries[0], queue=other), *event.deliveries[1:])
    events = list(events)
    events[n] = replace(event, deliveries=posts, oddities=event.oddities | {"wrong_queue"})
    return events


def id_reused(events: list[Event], rng: Random) -> list[Event]:
    """A second event bears the `metadata.id` of another."""
    fit = [n for n, e in enumerate(events) if not e.oddities and "id" in body_of(e)["metadata"]]
    if len(fit) < 2:
        return events
    n, m = rng.sample(fit, 2)
    body = body_of(events[m])
    body["metadata"]["id"] = body_of(events[n])["metadata"]["id"]
    events = list(events)
    events[m] = with_body(events[m], body, "id_reused")
    return events


def _bytes(oddity: str, change: Callable[[bytes], bytes]) -> Callable[[list[Event], Random], list[Event]]:
    def apply_to(events: list[Event], rng: Random) -> list[Event]:
        fit = [n for n, e in enumerate(events) if not e.oddities]
        if not fit:
            return events
        n = rng.choice(fit)
        event = events[n]
        posts = tuple(replace(d, body=change(d.body)) for d in event.deliveries)
        events = list(events)
        events[n] = replace(event, deliveries=posts, oddities=event.oddities | {oddity})
        return events

    return apply_to


EVENTS: dict[str, Callable[[list[Event], Random], list[Event]]] = {
    "tie_ms": tie_ms,
    "tie_second": tie_second,
    "tie_circle": tie_circle,
    "id_reused": id_reused,
}
DELIVERIES: dict[str, Callable[[list[Event], Random], list[Event]]] = {
    "repeat": repeat,
    "retry_counted": retry_counted,
    "retry_renewed": retry_renewed,
    "retry_number": retry_number,
    "wrong_queue": wrong_queue,
    # After these a body is no plain JSON object, so they come last.
    "bytes_bom": _bytes("bytes_bom", lambda body: b"\xef\xbb\xbf" + body),
    "bytes_list": _bytes("bytes_list", lambda body: b"[" + body + b"]"),
    "not_json": _bytes("not_json", lambda body: body[:-9]),
}
TIMELINE = frozenset(EVENTS)
ALL = frozenset({*EVENTS, *BODY, *DELIVERIES})
CHANCE = 0.12


def apply(events: list[Event], switches: Iterable[str], rng: Random, chance: float = CHANCE) -> list[Event]:
    """Return the events with each oddity that is switched on put in once, by chance."""
    on = set(switches)
    for name, change in EVENTS.items():
        if name in on and rng.random() < chance:
            events = change(events, rng)
    for name, oddity in BODY.items():
        if name in on and rng.random() < chance:
            events = _body_oddity(events, name, oddity, rng)
    for name, change in DELIVERIES.items():
        if name in on and rng.random() < chance:
            events = change(events, rng)
    # Two events of one ms keep the order in which they were drawn.
    return sorted(events, key=lambda event: event.happened)


def _body_oddity(events: list[Event], name: str, oddity: Oddity, rng: Random) -> list[Event]:
    for n in rng.sample(range(len(events)), len(events)):
        if not events[n].oddities and (body := oddity(events[n], rng, body_of(events[n]))) is not None:
            return [*events[:n], with_body(events[n], body, name), *events[n + 1 :]]
    return events
