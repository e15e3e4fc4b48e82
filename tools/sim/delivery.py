"""One event for one subscriber: its attempts, its state, and the requests injected before it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sim.events import Event
from sim.webhooks import Subscription


@dataclass(slots=True)
class DeliveryAttempt:
    """One request: its status (0 without an answer) and its duration in milliseconds.

    `real_status` is the answer of the receiver and `answer_order` the order of the answers, even if a fault hides
    the answer from the sender.
    """

    status: int
    millis: float
    error: str | None = None
    real_status: int = 0
    answer_order: int = 0
    receipt: str | None = None


@dataclass(slots=True)
class Delivery:
    """One event for one subscriber. `receipt` is the id in the answer of the receiver.

    `is_changed` marks a copy that is a retry with a renewed body. `injected_requests` are the requests that faults sent before it, each with the name of the fault.
    """

    id: int
    event: Event
    to: Subscription
    topic: str
    state: str = "waiting"
    attempts: list[DeliveryAttempt] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    receipt: str | None = None
    is_copy: bool = False
    is_changed: bool = False
    injected_requests: list[tuple[str, DeliveryAttempt]] = field(default_factory=list)

    def request_log(self) -> Iterator[dict[str, Any]]:
        """Yield every request of this delivery as the receiver saw it."""
        made = [("copy" if self.is_copy else "delivery", one) for one in self.attempts]
        for kind, one in (*self.injected_requests, *made):
            yield {
                "event": self.event.ordinal,
                "topic": self.topic,
                "customer_id": self.event.member_id,
                "kind": kind,
                "status": one.real_status,
                "place": one.answer_order,
                "receipt": one.receipt,
            }

    def as_dict(self) -> dict[str, Any]:
        """Return the delivery for the console, without URL and token: either may be the only secret of a receiver."""
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


def receipt_of(reply: bytes) -> str | None:
    """Return the id in the answer of a receiver, None without one."""
    try:
        content = json.loads(reply)
    except ValueError:
        return None
    found = content.get("id") if isinstance(content, dict) else None
    return found if isinstance(found, str) else None
