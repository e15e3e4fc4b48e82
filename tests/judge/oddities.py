"""The odd things that a sender does, each a switch: a history can be drawn with or without any of them.

An oddity takes a history's events and returns them with the odd one in it: ties, repeats, retries, wrong queues,
odd bytes, and the oddities of one body.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from random import Random
from urllib.parse import urlencode

from tests.judge import bodies, values
from tests.judge.body_oddities import BODY, NO_MEMBER, WITHOUT_OWN_TIME
from tests.judge.crowd_oddities import (
    amount_vast,
    endings_many,
    erasure_denied,
    failures_many,
    joined_before_end,
    paid_after_announced_end,
    paid_for_other_tier,
    tie_crowd,
)
from tests.judge.history import HOUR, MINUTE, SECOND, Delivery, Event
from tests.judge.one_body import Oddity, body_of, with_body
from tests.judge.privacy_oddities import with_escaped_key
from tests.judge.timeline_oddities import (
    address_back,
    amount_part,
    attempt_four,
    end_again,
    failure_after_end,
    paid_after_end,
    payment_one_off,
    pending_again,
    tie_circle,
    tie_ms,
    tie_second,
    trial_extended,
)

# --- deliveries -------------------------------------------------------------------------------------------------


def _again(
    events: list[Event], rng: Random, oddity: str, renew: Callable[[bodies.Body, int], None]
) -> list[Event]:
    """Deliver one event a second time, with what the sender renews in it."""
    fit = [
        n
        for n, e in enumerate(events)
        if not e.oddities & (WITHOUT_OWN_TIME | {"not_json", "payload_missing", "amount_vast"})
    ]
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


def retry_changed(events: list[Event], rng: Random) -> list[Event]:
    """A retry says something else in a field that does not distinguish two events: it is the same event."""

    def renew(body: bodies.Body, at: int) -> None:
        topic = body["metadata"]["topic"]
        place, key, value = _BESIDE.get(topic, ("", "merchantId", "changed"))
        if place and isinstance(body["payload"].get(place), dict):
            body["payload"][place][key] = value
        elif not place and topic != bodies.UPDATED:
            body["payload"][key] = value

    return _again(events, rng, "retry_changed", renew)


# By topic a field of the payload that has no part in what the event is: its place, its name, and another value.
_BESIDE = {
    bodies.ATTEMPT: ("detail", "errorMessage", "Insufficient funds (again)"),
    bodies.FAILED: ("detail", "errorMessage", "Insufficient funds (again)"),
    bodies.CANCELLED: ("detail", "cancellationSource", "MERCHANT"),
    bodies.CREDITS: ("", "reason", "GIFT_OF_THE_DAY"),
    bodies.PENDING: ("detail", "cancellationSource", "MERCHANT"),
    **dict.fromkeys(bodies.JOINED, ("detail", "tierName", "Renamed")),
}


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


def _bytes(
    oddity: str, change: Callable[[Event, Random, bytes], bytes]
) -> Callable[[list[Event], Random], list[Event]]:
    def apply_to(events: list[Event], rng: Random) -> list[Event]:
        fit = [n for n, e in enumerate(events) if not e.oddities]
        if not fit:
            return events
        n = rng.choice(fit)
        event = events[n]
        posts = tuple(replace(d, body=change(event, rng, d.body)) for d in event.deliveries)
        events = list(events)
        events[n] = replace(event, deliveries=posts, oddities=event.oddities | {oddity})
        return events

    return apply_to


# What senders post to see whether an address answers.
PINGS = (b"", b"{}", b"[]", b"null", b'"ping"', b'{"test": true}', b'{"payload": {}, "metadata": {}}')


def ping(events: list[Event], rng: Random) -> list[Event]:
    """The sender validates the address with a POST that has no body, or one that says nothing."""
    if not events:
        return events
    n = rng.randrange(len(events))
    event = events[n]
    post = Delivery(event.deliveries[-1].at + SECOND, rng.choice(PINGS))
    changed = replace(event, deliveries=(*event.deliveries, post), oddities=event.oddities | {"ping"})
    return [*events[:n], changed, *events[n + 1 :]]


EVENTS: dict[str, Callable[[list[Event], Random], list[Event]]] = {
    "tie_ms": tie_ms,
    "tie_second": tie_second,
    "tie_circle": tie_circle,
    "id_reused": id_reused,
    "trial_extended": trial_extended,
    "pending_again": pending_again,
    "amount_part": amount_part,
    "payment_one_off": payment_one_off,
    "end_again": end_again,
    "paid_after_end": paid_after_end,
    "failure_after_end": failure_after_end,
    "attempt_four": attempt_four,
    "address_back": address_back,
    "tie_crowd": tie_crowd,
    "amount_vast": amount_vast,
    "paid_after_announced_end": paid_after_announced_end,
    "paid_for_other_tier": paid_for_other_tier,
    "erasure_denied": erasure_denied,
    "joined_before_end": joined_before_end,
    "failures_many": failures_many,
    "endings_many": endings_many,
}
DELIVERIES: dict[str, Callable[[list[Event], Random], list[Event]]] = {
    "repeat": repeat,
    "retry_counted": retry_counted,
    "retry_renewed": retry_renewed,
    "retry_number": retry_number,
    "retry_changed": retry_changed,
    "wrong_queue": wrong_queue,
    # After these a body is no plain JSON object, so they come last.
    "bytes_bom": _bytes("bytes_bom", lambda _event, _rng, body: b"\xef\xbb\xbf" + body),
    "bytes_list": _bytes("bytes_list", lambda _event, _rng, body: b"[" + body + b"]"),
    "bytes_utf16": _bytes("bytes_utf16", lambda _event, _rng, body: body.decode().encode("utf-16")),
    "bytes_quoted": _bytes("bytes_quoted", lambda _event, _rng, body: json.dumps(body.decode()).encode()),
    "bytes_gzip": _bytes("bytes_gzip", lambda _event, _rng, body: gzip.compress(body, mtime=0)),
    "bytes_form": _bytes(
        "bytes_form", lambda _event, _rng, body: urlencode({"delivery": body.decode()}).encode()
    ),
    "secret_escaped": _bytes("secret_escaped", with_escaped_key),
    "bytes_key_twice": _bytes("bytes_key_twice", lambda _event, _rng, body: body[:-1] + b',"payload":{}}'),
    "not_json": _bytes("not_json", lambda _event, _rng, body: body[:-9]),
    "ping": ping,
}
TIMELINE = frozenset(EVENTS)
ALL = frozenset({*EVENTS, *BODY, *DELIVERIES})
CHANCE = 0.12


def apply(events: list[Event], switches: Iterable[str], seed: str, chance: float = CHANCE) -> list[Event]:
    """Return the events with each oddity that is switched on put in once, by chance.

    Each oddity has numbers of its own, so that one more changes only the histories in which it stands.
    """
    on = set(switches)
    drawn = {name: Random(f"{name} {seed}") for name in (*EVENTS, *BODY, *DELIVERIES) if name in on}
    chosen = {name: rng for name, rng in drawn.items() if rng.random() < chance}
    for name, change in EVENTS.items():
        if name in chosen:
            events = change(events, chosen[name])
    for name, oddity in BODY.items():
        if name in chosen:
            events = _body_oddity(events, name, oddity, chosen[name])
    for name, change in DELIVERIES.items():
        if name in chosen:
            events = change(events, chosen[name])
    # Two events of one ms keep the order in which they were drawn.
    return sorted(events, key=lambda event: event.happened)


def _body_oddity(events: list[Event], name: str, oddity: Oddity, rng: Random) -> list[Event]:
    for n in rng.sample(range(len(events)), len(events)):
        if not events[n].oddities and (body := oddity(events[n], rng, body_of(events[n]))) is not None:
            return [*events[:n], with_body(events[n], body, name), *events[n + 1 :]]
    return events
