"""One event on its way to one subscriber: what was tried, and what became of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sim.events import Event
from sim.sending import Subscription


@dataclass(slots=True)
class Attempt:
    """One request: its status (0 where there was no answer) and how long it took, in milliseconds."""

    status: int
    millis: float
    error: str | None = None


@dataclass(slots=True)
class Delivery:
    """One event for one subscriber. `receipt` is the id that the receiver answered with."""

    id: int
    event: Event
    to: Subscription
    topic: str
    state: str = "waiting"
    attempts: list[Attempt] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    receipt: str | None = None
    is_copy: bool = False

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
