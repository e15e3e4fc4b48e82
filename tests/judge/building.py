"""Builds small histories by hand for the judge's own tests, each event by a word or two."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tests.judge import bodies
from tests.judge.history import SECOND, SHOP, Delivery, Event, History, Person

MEMBER = "7733540520067"
EMAIL = "mail@people.example"
GOLD = ("3a636361", "Gold")
SILVER = ("5b747472", "Silver")
PERSON = {"id": MEMBER, "email": EMAIL, "phoneNumber": "+12025550143"}
TOKEN = "5ec4e7" + "0" * 26
HOLDER = {"customerId": MEMBER, "email": EMAIL, "firstName": "Ada", "lastName": "Byron"}


def at(text: str) -> int:
    """Return "MM-DD hh:mm:ss.mmm" of 2026 as ms; what is missing is zero."""
    day, _, clock = text.partition(" ")
    month, day_of_month = map(int, day.split("-"))
    whole, _, ms = (clock or "0:0:0").partition(".")
    hour, minute, second = map(int, (whole + ":0:0").split(":")[:3])
    instant = datetime(2026, month, day_of_month, hour, minute, second, tzinfo=UTC)
    return int(instant.timestamp()) * 1000 + int(ms or 0)


@dataclass(slots=True)
class Script:
    """Events of one member, added one after the other; `history()` is what they make."""

    events: list[Event] = field(default_factory=list)
    zone: str = "UTC"
    shop: str = SHOP

    def add(self, topic: str, payload: bodies.Body, happened: int, **metadata: Any) -> Script:
        """Add an event with one delivery a second after it happened."""
        body = bodies.envelope(topic, payload, happened + 300, f"{len(self.events):032x}")
        body["metadata"] |= metadata
        name = f"e{len(self.events)}"
        post = Delivery(happened + SECOND, bodies.dump(body))
        self.events.append(Event(name, topic, MEMBER, happened, (post,)))
        return self

    def again(self, later: int, **metadata: Any) -> Script:
        """Deliver the last event once more, `later` ms after its last delivery."""
        event = self.events[-1]
        body = json.loads(event.deliveries[0].body)
        body["metadata"] |= metadata
        post = Delivery(event.deliveries[-1].at + later, bodies.dump(body))
        self.events[-1] = replace(event, deliveries=(*event.deliveries, post))
        return self

    def join(self, when: str, topic: str = bodies.JOINED_PAID, tier: tuple[str, str] = GOLD) -> Script:
        """Add a joining."""
        ends = at(when) + 30 * 86_400_000 if topic == bodies.JOINED_TRIAL else None
        return self.add(topic, bodies.joined(topic, MEMBER, tier, at(when), ends), at(when))

    def pay(self, when: str, amount: Any = 49, currency: str = "USD", next_on: Any = "2027-04-01") -> Script:
        """Add a payment."""
        return self.add(bodies.SUCCEEDED, bodies.paid(PERSON, amount, currency, next_on, at(when)), at(when))

    def attempt(self, when: str, number: Any = 1, error: str = "Insufficient funds") -> Script:
        """Add a failed attempt."""
        payload = bodies.failed(PERSON, number, (49, "USD"), (error, GOLD[0]), at(when))
        return self.add(bodies.ATTEMPT, payload, at(when))

    def final(self, when: str, number: Any = 3) -> Script:
        """Add the final failure."""
        payload = bodies.failed(PERSON, number, (49, "USD"), ("Insufficient funds", GOLD[0]), at(when))
        payload["detail"]["isFinal"] = True
        return self.add(bodies.FAILED, payload, at(when))

    def credit(self, when: str, before: Any, after: Any, **fields: Any) -> Script:
        """Add a change of the balance."""
        payload = bodies.credited(HOLDER, (before, after), 1, "EARNED_FROM_PURCHASE", at(when)) | fields
        return self.add(bodies.CREDITS, payload, at(when))

    def cancel(self, when: str, source: str | None = "CUSTOMER", tier: tuple[str, str] = GOLD) -> Script:
        """Add an ending."""
        payload = bodies.cancelled(MEMBER, tier, source or "", at(when))
        if source is None:
            del payload["detail"]["cancellationSource"]
        return self.add(bodies.CANCELLED, payload, at(when))

    def leaving(self, when: str, ends: Any = "2027-01-31T11:00:00Z") -> Script:
        """Add an announced ending."""
        payload = bodies.pending(MEMBER, GOLD[0], at("12-31"), TOKEN, at(when))
        payload["detail"]["effectiveCancellationDate"] = ends
        return self.add(bodies.PENDING, payload, at(when))

    def update(self, when: str, **new: Any) -> Script:
        """Add a snapshot of the member's record; `retryCount` may be given as `_retry`."""
        retry = new.pop("_retry", 0)
        body = bodies.updated({"customerId": MEMBER, **new}, {"customerId": MEMBER})
        return self.add(bodies.UPDATED, body, at(when), retryCount=retry)

    def history(self) -> History:
        """Return the history."""
        people = (Person(MEMBER, (EMAIL, "Byron", "+12025550143")),)
        return History(0, tuple(self.events), people, self.shop, self.zone)
