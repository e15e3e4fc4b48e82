"""The oddities of a whole life: more failures, endings or credit events than a record keeps, and what contradicts itself.

Each takes a history's events and returns them with the odd ones in it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import count
from random import Random

from tests.judge import bodies, values
from tests.judge.body_oddities import body_of
from tests.judge.history import DAY, HOUR, MINUTE, SECOND, Delivery, Event
from tests.judge.timeline_oddities import follow_up, next_of_member

# A record keeps 12 failures and payments, and 40 endings and joinings (architecture.md, "Bounded, by the set alone").
MANY_CYCLES = 7
MANY_ENDINGS = 42
# "a second that holds 16 is undecided"
CROWD = 17
OTHER_TIER = "77777777"
_LEAVING = frozenset({*bodies.JOINED, bodies.CANCELLED, bodies.PENDING})
# Eighty events more make a play long: few histories have them.
_RARELY = 0.3


def _posted(like: Event, more: str, oddity: str, topic: str, payload: bodies.Body) -> Event:
    """Return one more event of a member, delivered a second after it happened; `more` completes its name."""
    moment = values.moment(payload["createdAt"])
    assert moment is not None
    name = f"{like.name}-{more}"
    body = bodies.envelope(topic, payload, moment + 300, hashlib.sha256(name.encode()).hexdigest()[:32])
    post = Delivery(moment + SECOND, bodies.dump(body))
    return Event(name, topic, like.member, moment, (post,), frozenset({oddity}))


def failures_many(events: list[Event], rng: Random) -> list[Event]:
    """Fees fail more often than a record keeps failures: seven cycles of two attempts, each recovered."""
    ends = {e.member: e for e in events if e.topic in _LEAVING or _erases(e)}
    last = {e.member: e for e in events}
    paid = [e for e in events if e.topic == bodies.SUCCEEDED and ends[e.member].topic == bodies.JOINED_PAID]
    paid = [
        e for e in paid if "amount_vast" not in e.oddities
    ]  # no float holds it, so no other body can repeat it
    if not paid or rng.random() > _RARELY:
        return events
    like = rng.choice(paid)
    payload = body_of(like)["payload"]
    if not isinstance(payload.get("customer"), dict):
        return events  # another oddity has taken the person from the body
    person, fee = payload["customer"], (payload["detail"]["amount"], payload["detail"]["currency"])
    moment, added, number = last[like.member].happened, list[Event](), count()

    def add(topic: str, body: bodies.Body) -> None:
        added.append(_posted(like, f"f{next(number)}", "failures_many", topic, body))

    for _ in range(MANY_CYCLES):
        for attempt, pause in ((1, 9 * DAY), (2, DAY)):
            moment += pause
            body = bodies.failed(person, attempt, fee, ("Insufficient funds", "3a636361"), moment)
            add(bodies.ATTEMPT, body)
        moment += 2 * HOUR
        next_on = values.iso(moment - moment % DAY + 365 * DAY)
        add(bodies.SUCCEEDED, bodies.paid(person, *fee, next_on, moment))
    return [*events, *added]


def _erases(event: Event) -> bool:
    return event.topic == bodies.UPDATED and body_of(event)["payload"]["newData"].get("anonymized") is True


def endings_many(events: list[Event], rng: Random) -> list[Event]:
    """A member leaves and comes back more often than a record keeps endings."""
    if not events or rng.random() > _RARELY:
        return events
    like = rng.choice(events)
    moment = max(e.happened for e in events if e.member == like.member)
    tier, added = ("0d0c6284", "Basic"), list[Event]()
    for number in range(2 * MANY_ENDINGS + 1):
        moment += 3 * DAY if number == 0 else HOUR
        if number % 2 == 0:
            topic = bodies.JOINED_FREE
            payload = bodies.joined(topic, like.member, tier, moment, None)
        else:
            topic = bodies.CANCELLED
            payload = bodies.cancelled(like.member, tier, "CUSTOMER", moment)
        added.append(_posted(like, f"m{number}", "endings_many", topic, payload))
    return [*events, *added]


def tie_crowd(events: list[Event], rng: Random) -> list[Event]:
    """Credits change more often within one second than a record keeps of it."""
    found = [n for n, e in enumerate(events) if e.topic == bodies.CREDITS and not e.oddities]
    if not found:
        return events
    n = rng.choice(found)
    event, added = events[n], list[Event]()
    second = event.happened - event.happened % SECOND + 2 * SECOND
    for number in range(CROWD):
        body, moment = body_of(event), second + rng.randrange(SECOND)
        before, after = rng.sample(range(1, 500), 2)
        body["payload"] |= {
            "previousBalance": before,
            "newBalance": after,
            "amount": abs(after - before),
            "createdAt": values.iso(moment),
        }
        body["metadata"]["triggerredAt"] = values.iso(moment + 300)
        post = Delivery(moment + SECOND, bodies.dump(body))
        added.append(replace(event, name=f"{event.name}-c{number}", happened=moment, deliveries=(post,)))
    marked = [replace(e, oddities=e.oddities | {"tie_crowd"}) for e in (event, *added)]
    return [*events[:n], *marked, *events[n + 1 :]]


def amount_vast(events: list[Event], rng: Random) -> list[Event]:
    """Two payments of one moment whose amounts no float can hold: `1e400` and `2e400` are two events."""
    found = [n for n, e in enumerate(events) if e.topic == bodies.SUCCEEDED and not e.oddities]
    if not found:
        return events
    n = rng.choice(found)
    event, pair = events[n], list[Event]()
    for number, amount in enumerate(("1e400", "2e400")):
        body = body_of(event)
        body["payload"]["detail"]["amount"] = "@"
        text = bodies.dump(body).replace(b'"@"', amount.encode())
        post = Delivery(event.deliveries[0].at + number, text)
        pair.append(replace(event, name=f"{event.name}{'-1' * number}", deliveries=(post,)))
    marked = [replace(e, oddities=e.oddities | {"amount_vast"}) for e in pair]
    return [*events[:n], *marked, *events[n + 1 :]]


def paid_after_announced_end(events: list[Event], rng: Random) -> list[Event]:
    """A fee is paid after the end that was announced, of which no ending has told."""

    def pays(body: bodies.Body, moment: int) -> None:
        billed = values.iso(moment - moment % DAY + 365 * DAY)
        body["payload"]["detail"] = {"amount": 49, "currency": "USD", "newBillingDate": billed}
        body["payload"]["status"] = "PAID"
        body["metadata"]["topic"] = bodies.SUCCEEDED

    changed = follow_up(events, rng, "paid_after_announced_end", bodies.PENDING, pays)
    marked = [n for n, e in enumerate(changed) if "paid_after_announced_end" in e.oddities]
    if not marked:
        return events
    event = changed[marked[0]]
    body, ends = body_of(event), values.iso(event.happened + 30 * MINUTE)
    body["payload"]["detail"]["effectiveCancellationDate"] = ends
    body["payload"]["detail"]["cancelRequest"]["cancelDate"] = ends
    changed[marked[0]] = replace(event, deliveries=(replace(event.deliveries[0], body=bodies.dump(body)),))
    return changed


def joined_before_end(events: list[Event], rng: Random) -> list[Event]:
    """The end of a former tier is told half a second after the next tier was joined."""
    found = [
        (n, m)
        for m, e in enumerate(events)
        for n in range(m)
        if events[n].member == e.member
        and events[n].topic == bodies.CANCELLED
        and e.topic in bodies.JOINED
        and next_of_member(events, n) == m
        and not (e.oddities | events[n].oddities)
        and body_of(events[n])["payload"]["tierId"] != body_of(e)["payload"]["tierId"]
    ]
    if not found:
        return events
    n, m = rng.choice(found)
    body, moment = body_of(events[n]), events[m].happened + SECOND // 2
    body["payload"] |= {"createdAt": values.iso(moment), "updatedAt": values.iso(moment)}
    body["metadata"]["triggerredAt"] = values.iso(moment + 300)
    post = Delivery(events[m].deliveries[0].at + SECOND, bodies.dump(body))
    moved = replace(events[n], happened=moment, deliveries=(post,), oddities=frozenset({"joined_before_end"}))
    joined = replace(events[m], oddities=frozenset({"joined_before_end"}))
    return [*events[:n], *events[n + 1 : m], joined, moved, *events[m + 1 :]]


def paid_for_other_tier(events: list[Event], rng: Random) -> list[Event]:
    """A payment names another tier than the member's."""

    def change(body: bodies.Body, moment: int) -> None:
        body["payload"]["detail"] |= {"billingTierId": OTHER_TIER}

    return follow_up(events, rng, "paid_for_other_tier", bodies.SUCCEEDED, change)


def erasure_denied(events: list[Event], rng: Random) -> list[Event]:
    """After an erasure a snapshot says that the member is not anonymised, and has the names again."""
    found = [
        n
        for n, e in enumerate(events)
        if _erases(e)
        and not e.oddities
        and ((m := next_of_member(events, n)) is None or events[m].happened - e.happened > 2 * HOUR)
    ]
    if not found:
        return events
    n = rng.choice(found)
    event, body = events[n], body_of(events[n])
    moment = event.happened + HOUR
    former = body["payload"]["oldData"]
    body["payload"]["newData"] |= {
        "anonymized": False,
        **{key: former.get(key) for key in ("email", "firstName", "lastName", "phoneNumber")},
    }
    body["metadata"] |= {"id": f"{rng.getrandbits(128):032x}", "triggerredAt": values.iso(moment + 300)}
    post = Delivery(moment + SECOND, bodies.dump(body))
    added = replace(event, name=f"{event.name}-1", happened=moment, deliveries=(post,))
    marked = [replace(e, oddities=e.oddities | {"erasure_denied"}) for e in (event, added)]
    return [*events[:n], *marked, *events[n + 1 :]]
