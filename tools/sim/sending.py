"""The body of a delivery: the payload with its envelope, as each attempt and each kind of subscriber gets it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sim.clock import iso
from sim.events import DASHED, OTHER_NAME, Event, hex_id
from sim.model import Shop
from sim.switches import Switches

VERSION: Final = "2025-06"


@dataclass(slots=True)
class Subscription:
    """Who is told: one topic (v2.0), or everything under the v1 names (`topic` None)."""

    id: str
    topic: str | None
    callback_url: str
    name: str
    token: str
    created_at: datetime
    updated_at: datetime
    app: str = "Default"

    def wants(self, event: Event) -> bool:
        """Tell whether an event is for this subscriber."""
        if self.topic is None:
            return event.v1 is not None
        return event.topic is not None and event.topic == plain(self.topic)


def plain(topic: str) -> str:
    """Return the name under which the simulator itself knows a topic."""
    return "customer.payment_methods.updated" if topic == OTHER_NAME else topic


def sent_name(topic: str, switches: Switches) -> str:
    """Return the name under which a topic is sent."""
    renamed = topic == "customer.payment_methods.updated"
    return switches["payment_method_topic"] if renamed else topic


def body_of(
    shop: Shop,
    switches: Switches,
    event: Event,
    *,
    attempt: int,
    now: datetime,
    to: Subscription | None = None,
) -> bytes:
    """Write the body of an attempt; `attempt` counts from 0 and is what retryCount says."""
    v1 = to is not None and to.topic is None
    topic = (event.v1 if v1 else sent_name(event.topic or "", switches)) or ""
    metadata: dict[str, Any] = {
        "retryCount": attempt,
        "shopDomain": shop.domain,
        "topic": topic,
        "version": VERSION,
        switches["triggered_spelling"]: iso(_triggered(switches, event, attempt, now)),
    }
    if event.id is not None:
        metadata["id"] = _identity(switches, event, attempt)
    body: dict[str, Any] = {"payload": event.payload, "metadata": metadata}
    place = "body" if v1 else switches["subscription_token"]
    if to is not None and place == "body":
        body["token"] = to.token
    if to is not None and place == "metadata":
        metadata["token"] = to.token
    return json.dumps(body, ensure_ascii=False).encode()


def headers_of(switches: Switches, to: Subscription) -> dict[str, str]:
    """Return the headers of a delivery."""
    headers = {"Content-Type": "application/json", "User-Agent": "Inveterate-Simulator"}
    if to.topic is not None and switches("subscription_token", "header"):
        headers[switches["token_header"]] = to.token
    return headers


def _triggered(switches: Switches, event: Event, attempt: int, now: datetime) -> datetime:
    renews = attempt and switches("retry_triggered_at", "renews")
    return max(event.triggered_at, now) if renews else event.triggered_at


def _identity(switches: Switches, event: Event, attempt: int) -> str | None:
    if not attempt or switches("retry_id", "keeps"):
        return event.id
    chance = random.Random(f"{event.id}/{attempt}")  # noqa: S311 - an id that can be repeated is the point
    return hex_id(chance.getrandbits(128), dashed=event.topic in DASHED)
