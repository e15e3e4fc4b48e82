"""The oddities of a timeline: ties, the same matter once more, and payments that are no fee.

Each takes a history's events and returns them with the odd one in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.judge import bodies, values
from tests.judge.history import DAY, HOUR, MINUTE, SECOND, Delivery, Event
from tests.judge.one_body import body_of, payload_time

# --- ties: two events of one moment -----------------------------------------------------------------------------


def _tie(events: list[Event], rng: Random, *, same_ms: bool) -> list[Event]:
    """Move an event onto the ms, or the second, of the member's event before it."""
    pairs = [
        (n, m)
        for n, first in enumerate(events)
        for m, second in enumerate(events)
        if n < m and first.member == second.member and next_of_member(events, n) == m
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


def next_of_member(events: list[Event], n: int) -> int | None:
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


def follow_up(
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
        if (m := next_of_member(events, n)) is None or events[m].happened - events[n].happened > 2 * HOUR
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

    return follow_up(events, rng, "trial_extended", bodies.JOINED_TRIAL, change)


def pending_again(events: list[Event], rng: Random) -> list[Event]:
    """An announced end is told again by another source, with another date."""

    def change(body: bodies.Body, moment: int) -> None:
        date = values.iso(moment - moment % HOUR + 200 * DAY)
        body["payload"]["detail"] |= {"effectiveCancellationDate": date, "cancellationSource": "MERCHANT"}

    return follow_up(events, rng, "pending_again", bodies.PENDING, change)


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

    return follow_up(events, rng, "amount_part", bodies.ATTEMPT, change)


def payment_one_off(events: list[Event], rng: Random) -> list[Event]:
    """Something else than the recurring fee is paid: it has no next billing date."""

    def change(body: bodies.Body, moment: int) -> None:
        body["payload"]["detail"] |= {"amount": 777}
        del body["payload"]["detail"]["newBillingDate"]

    return follow_up(events, rng, "payment_one_off", bodies.SUCCEEDED, change)


def end_again(events: list[Event], rng: Random) -> list[Event]:
    """One end is told by two sources."""

    def change(body: bodies.Body, moment: int) -> None:
        body["payload"]["detail"]["cancellationSource"] = "MERCHANT"

    return follow_up(events, rng, "end_again", bodies.CANCELLED, change)


def paid_after_end(events: list[Event], rng: Random) -> list[Event]:
    """A fee is paid after the membership has ended."""

    def change(body: bodies.Body, moment: int) -> None:
        billed = values.iso(moment - moment % DAY + 365 * DAY)
        body["payload"]["detail"] = {"amount": 49, "currency": "USD", "newBillingDate": billed}
        body["payload"]["status"] = "PAID"
        body["metadata"]["topic"] = bodies.SUCCEEDED

    return follow_up(events, rng, "paid_after_end", bodies.CANCELLED, change)


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

    return follow_up(events, rng, "failure_after_end", bodies.CANCELLED, change, after=400)


def attempt_four(events: list[Event], rng: Random) -> list[Event]:
    """A fourth attempt fails, where three are known."""

    def change(body: bodies.Body, moment: int) -> None:
        body["payload"]["detail"]["billingAttempts"] = 4

    return follow_up(events, rng, "attempt_four", bodies.ATTEMPT, change)


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
