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
from tests.judge.body_oddities import (
    BODY,
    NO_MEMBER,
    WITHOUT_OWN_TIME,
    Oddity,
    body_of,
    payload_time,
    with_body,
)
from tests.judge.history import DAY, HOUR, MINUTE, SECOND, Delivery, Event

# --- ties: two events of one moment -----------------------------------------------------------------------------


def _tie(events: list[Event], rng: Random, *, same_ms: bool) -> list[Event]:
    """Move an event onto the ms, or the second, of the member's event before it."""
    pairs = [
        (n, m)
        for n, first in enumerate(events)
        for m, second in enumerate(events)
        if n < m and first.member == second.member and _next_of_member(events, n) == m
        if not (first.oddities | second.oddities) and payload_time(body_of(second)) and _own(first)
    ]
    credit = [pair for pair in pairs if {events[i].topic for i in pair} <= {bodies.CREDITS, bodies.EXPIRED}]
    pairs = credit if credit and rng.random() < 0.6 else pairs
    if not pairs:
        return events
    n, m = rng.choice(pairs)
    first, second = events[n], events[m]
    moment = first.happened if same_ms else first.happened - first.happened % SECOND + rng.randrange(SECOND)
    body = body_of(second)
    name = payload_time(body)
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
    return payload_time(body_of(event)) is not None


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


# --- the same matter once more, and payments that are no fee ----------------------------------------------------


def _follow_up(
    events: list[Event],
    rng: Random,
    oddity: str,
    topic: str,
    change: Callable[[bodies.Body, int], None],
    *,
    after: int = HOUR,
) -> list[Event]:
    """Add an event an hour later, or after the ms given, that the change makes of one of the topic."""
    found = [n for n, e in enumerate(events) if e.topic == topic and not e.oddities]
    # Only where nothing of the member comes between.
    free = [
        n
        for n in found
        if (m := _next_of_member(events, n)) is None or events[m].happened - events[n].happened > 2 * HOUR
    ]
    if not free:
        return events
    n = rng.choice(free)
    event, body = events[n], body_of(events[n])
    moment = event.happened + after
    body["payload"] |= {"createdAt": values.iso(moment), "updatedAt": values.iso(moment)}
    body["metadata"] |= {"id": f"{rng.getrandbits(128):032x}", "triggerredAt": values.iso(moment + 300)}
    change(body, moment)
    post = Delivery(moment + SECOND, bodies.dump(body))
    added = replace(
        event, name=f"{event.name}-1", topic=body["metadata"]["topic"], happened=moment, deliveries=(post,)
    )
    marked = [replace(e, oddities=e.oddities | {oddity}) for e in (event, added)]
    return [*events[:n], *marked, *events[n + 1 :]]


def trial_extended(events: list[Event], rng: Random) -> list[Event]:
    """A trial is told again with a later end."""

    def change(body: bodies.Body, moment: int) -> None:
        body["payload"]["freeTrialEnd"] = values.iso(moment + 120 * DAY)

    return _follow_up(events, rng, "trial_extended", bodies.JOINED_TRIAL, change)


def pending_again(events: list[Event], rng: Random) -> list[Event]:
    """An announced end is told again by another source, with another date."""

    def change(body: bodies.Body, moment: int) -> None:
        date = values.iso(moment - moment % HOUR + 200 * DAY)
        body["payload"]["detail"] |= {"effectiveCancellationDate": date, "cancellationSource": "MERCHANT"}

    return _follow_up(events, rng, "pending_again", bodies.PENDING, change)


def amount_part(events: list[Event], rng: Random) -> list[Event]:
    """A part of a failed fee is paid."""

    def change(body: bodies.Body, moment: int) -> None:
        payload, failed = body["payload"], body["payload"]["detail"]
        payload["detail"] = {
            "amount": 1,
            "currency": failed["currency"],
            "newBillingDate": values.iso(moment - moment % DAY + 365 * DAY),
        }
        payload["status"] = "PAID"
        body["metadata"]["topic"] = bodies.SUCCEEDED

    return _follow_up(events, rng, "amount_part", bodies.ATTEMPT, change)


def payment_one_off(events: list[Event], rng: Random) -> list[Event]:
    """Something else than the recurring fee is paid: it has no next billing date."""

    def change(body: bodies.Body, moment: int) -> None:
        body["payload"]["detail"] |= {"amount": 777}
        del body["payload"]["detail"]["newBillingDate"]

    return _follow_up(events, rng, "payment_one_off", bodies.SUCCEEDED, change)


def end_again(events: list[Event], rng: Random) -> list[Event]:
    """One end is told by two sources."""

    def change(body: bodies.Body, moment: int) -> None:
        body["payload"]["detail"]["cancellationSource"] = "MERCHANT"

    return _follow_up(events, rng, "end_again", bodies.CANCELLED, change)


def paid_after_end(events: list[Event], rng: Random) -> list[Event]:
    """A fee is paid after the membership has ended."""

    def change(body: bodies.Body, moment: int) -> None:
        billed = values.iso(moment - moment % DAY + 365 * DAY)
        body["payload"]["detail"] = {"amount": 49, "currency": "USD", "newBillingDate": billed}
        body["payload"]["status"] = "PAID"
        body["metadata"]["topic"] = bodies.SUCCEEDED

    return _follow_up(events, rng, "paid_after_end", bodies.CANCELLED, change)


def failure_after_end(events: list[Event], rng: Random) -> list[Event]:
    """The final failure is told 0.4 s after the ending."""

    def change(body: bodies.Body, moment: int) -> None:
        body["payload"]["detail"] = {
            "amount": 49,
            "currency": "USD",
            "errorMessage": "Insufficient funds",
            "billingAttempts": 3,
            "isFinal": True,
        }
        body["metadata"]["topic"] = bodies.FAILED

    return _follow_up(events, rng, "failure_after_end", bodies.CANCELLED, change, after=400)


def attempt_four(events: list[Event], rng: Random) -> list[Event]:
    """A fourth attempt fails, where three are known."""

    def change(body: bodies.Body, moment: int) -> None:
        body["payload"]["detail"]["billingAttempts"] = 4

    return _follow_up(events, rng, "attempt_four", bodies.ATTEMPT, change)


def address_back(events: list[Event], rng: Random) -> list[Event]:
    """An address changes from a to b, back to a, and to b again: three events, of which two say the same."""
    found = [n for n, e in enumerate(events) if e.topic == bodies.UPDATED and not e.oddities]
    addresses = [(n, _addresses(events[n])) for n in found]
    changed = [(n, pair) for n, pair in addresses if None not in pair and pair[0] != pair[1]]
    if not changed:
        return events
    n, pair = rng.choice(changed)
    event, added = events[n], list[Event]()
    for number, (address, former) in enumerate([(pair[0], pair[1]), (pair[1], pair[0])], start=1):
        body, moment = body_of(event), event.happened + number * MINUTE
        body["payload"]["newData"]["email"], body["payload"]["oldData"]["email"] = address, former
        body["metadata"] |= {
            "id": f"{rng.getrandbits(128):032x}",
            "triggerredAt": values.iso(moment),
        }
        post = Delivery(moment + SECOND, bodies.dump(body))
        added.append(replace(event, name=f"{event.name}-{number}", happened=moment, deliveries=(post,)))
    marked = [replace(e, oddities=e.oddities | {"address_back"}) for e in (event, *added)]
    return [*events[:n], *marked, *events[n + 1 :]]


def _addresses(event: Event) -> tuple[str | None, str | None]:
    payload = body_of(event)["payload"]
    return payload["oldData"].get("email"), payload["newData"].get("email")


# --- deliveries -------------------------------------------------------------------------------------------------


def _again(
    events: list[Event], rng: Random, oddity: str, renew: Callable[[bodies.Body, int], None]
) -> list[Event]:
    """Deliver one event a second time, with what the sender renews in it."""
    fit = [
        n
        for n, e in enumerate(events)
        if not e.oddities & (WITHOUT_OWN_TIME | {"not_json", "payload_missing"})
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


def ping_empty(events: list[Event], rng: Random) -> list[Event]:
    """The sender validates the address with a POST that has no body."""
    if not events:
        return events
    n = rng.randrange(len(events))
    event = events[n]
    ping = Delivery(event.deliveries[-1].at + SECOND, b"")
    changed = replace(event, deliveries=(*event.deliveries, ping), oddities=event.oddities | {"ping_empty"})
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
    "bytes_utf16": _bytes("bytes_utf16", lambda body: body.decode().encode("utf-16")),
    "bytes_quoted": _bytes("bytes_quoted", lambda body: json.dumps(body.decode()).encode()),
    "bytes_gzip": _bytes("bytes_gzip", lambda body: gzip.compress(body, mtime=0)),
    "bytes_form": _bytes("bytes_form", lambda body: urlencode({"delivery": body.decode()}).encode()),
    "bytes_key_twice": _bytes("bytes_key_twice", lambda body: body[:-1] + b',"payload":{}}'),
    "not_json": _bytes("not_json", lambda body: body[:-9]),
    "ping_empty": ping_empty,
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
