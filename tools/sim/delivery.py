"""One event on its way to one subscriber: what was tried, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sim.events import Event
from sim.sending import Subscription


@dataclass(slots=True)
class Attempt:
    """One request: its status (0 where there was no answer) and how long it took, in milliseconds.

    `answered` is what the receiver truly answered and `place` the order of such answers, also where the
    sender is made to think that none came.
    """

    status: int
    millis: float
    error: str | None = None
    answered: int = 0
    place: int = 0
    receipt: str | None = None


@dataclass(slots=True)
class Delivery:
    """One event for one subscriber. `receipt` is the id that the receiver answered with.

    `strays` are the requests made before it that are not it, by the name of the fault.
    """

    id: int
    event: Event
    to: Subscription
    topic: str
    state: str = "waiting"
    attempts: list[Attempt] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    receipt: str | None = None
    is_copy: bool = False
    strays: list[tuple[str, Attempt]] = field(default_factory=list)

    def requests(self) -> Iterator[dict[str, Any]]:
        """Describe every request that was made for it, as the receiver saw it."""
        made = [("copy" if self.is_copy else "delivery", one) for one in self.attempts]
        for kind, one in (*self.strays, *made):
            yield {
                "event": self.event.ordinal,
                "topic": self.topic,
                "customer_id": self.event.member_id,
                "kind": kind,
                "status": one.answered,
                "place": one.place,
                "receipt": one.receipt,
            }

    def shown(self) -> dict[str, Any]:
        """Describe it for people. Neither URL nor token: either may be all that a receiver checks."""
        last = self.attempts[-1] if self.attempts else None
        return {
            "id": self.id,
            "event": self.event.ordinal,
            "topic": self.topic,
            "customer_id": self.event.member_id,
            "subscriber": self.to.name,
            "host": urlsplit(self.to.callback_url).netloc,
            "at": self.event.at.isoformat(),
            "state": self.state,
            "attempts": [
                {"status": one.status, "ms": round(one.millis, 1), "error": one.error}
                for one in self.attempts
            ],
            "status": last.status if last else None,
            "ms": round(last.millis, 1) if last else None,
            "faults": self.faults,
            "delivery_id": self.event.id,
            "receipt": self.receipt,
        }


def receipt_in(reply: bytes) -> str | None:
    """Return the id that a receiver answered with, if there is one."""
    try:
        content = json.loads(reply)
    except ValueError:
        return None
    found = content.get("id") if isinstance(content, dict) else None
    return found if isinstance(found, str) else None
