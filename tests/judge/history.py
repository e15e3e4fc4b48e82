"""A history: the events of a few members, each as the platform posts it, with its times and its oddities.

A history is a value. It can be written to JSON and read again, so that a shrunk one is kept as a known fault.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

SHOP = "judged.myshopify.com"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST of an event.

    `at` is the receipt in ms since 1970 (UTC), `body` the bytes as posted. `queue` names the topic in whose
    queue the message is put, where that is not its own.
    """

    at: int
    body: bytes
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a member at `happened` (ms since 1970), and each delivery of it."""

    name: str
    topic: str
    member: str
    happened: int
    deliveries: tuple[Delivery, ...]
    oddities: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Person:
    """The personal data that a history gives a member; each text occurs nowhere else."""

    member: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery together with the name of its event and its number among the event's deliveries."""

    event: str
    number: int
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class History:
    """The events of a few members of one shop, in the order in which they happened."""

    seed: int
    events: tuple[Event, ...]
    people: tuple[Person, ...] = ()
    shop: str = SHOP
    zone: str = "UTC"

    def sent(self) -> list[Sent]:
        """Return every delivery by the time of its receipt."""
        found = [Sent(e.name, n, d) for e in self.events for n, d in enumerate(e.deliveries)]
        return sorted(found, key=lambda sent: (sent.delivery.at, sent.event, sent.number))

    def without(self, names: frozenset[str]) -> History:
        """Return the history that lacks the named events."""
        return replace(self, events=tuple(e for e in self.events if e.name not in names))

    @property
    def end(self) -> int:
        """The time of the last receipt, in ms."""
        return max((d.at for e in self.events for d in e.deliveries), default=0)

    @property
    def members(self) -> list[str]:
        """The ids of the members, each once."""
        return sorted({event.member for event in self.events})


def to_json(history: History) -> dict[str, Any]:
    """Return the history as JSON values; a body is text, or base64 where it is no UTF-8."""
    return {
        "seed": history.seed,
        "shop": history.shop,
        "zone": history.zone,
        "people": {person.member: list(person.texts) for person in history.people},
        "events": [
            {
                "name": e.name,
                "topic": e.topic,
                "member": e.member,
                "happened": e.happened,
                "oddities": sorted(e.oddities),
                "deliveries": list(_deliveries(e)),
            }
            for e in history.events
        ],
    }


def _deliveries(event: Event) -> Iterator[dict[str, Any]]:
    for delivery in event.deliveries:
        try:
            body = {"body": delivery.body.decode()}
        except UnicodeDecodeError:
            body = {"base64": base64.b64encode(delivery.body).decode()}
        queue = {} if delivery.queue is None else {"queue": delivery.queue}
        yield {"at": delivery.at, **body, **queue}


def from_json(data: dict[str, Any]) -> History:
    """Return the history that `to_json` wrote."""
    return History(
        seed=data["seed"],
        shop=data["shop"],
        zone=data["zone"],
        people=tuple(Person(member, tuple(texts)) for member, texts in data["people"].items()),
        events=tuple(
            Event(
                name=e["name"],
                topic=e["topic"],
                member=e["member"],
                happened=e["happened"],
                oddities=frozenset(e["oddities"]),
                deliveries=tuple(
                    Delivery(
                        d["at"],
                        d["body"].encode() if "body" in d else base64.b64decode(d["base64"]),
                        d.get("queue"),
                    )
                    for d in e["deliveries"]
                ),
            )
            for e in data["events"]
        ),
    )


def load(text: str) -> History:
    """Return the history of a JSON text."""
    return from_json(json.loads(text))
