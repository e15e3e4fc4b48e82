"""Webhook subscriptions, and the body and headers of each delivery attempt."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sim.ambiguities import Switches
from sim.clock import iso
from sim.events import DASHED_ID_TOPICS, PAYMENT_METHOD_ALIAS, Event, hex_id
from sim.model import Shop

VERSION: Final = "2025-06"
RENEWED_AFTER: Final = timedelta(seconds=5)


@dataclass(slots=True)
class Subscription:
    """A subscription to one v2.0 topic, or to all v1 topics (`topic` is None)."""

    id: str
    topic: str | None
    callback_url: str
    name: str
    token: str
    created_at: datetime
    updated_at: datetime
    app: str = "Default"

    def wants(self, event: Event) -> bool:
        """Return whether the subscription includes an event."""
        if self.topic is None:
            return event.v1 is not None
        return event.topic is not None and event.topic == canonical_topic(self.topic)


def canonical_topic(topic: str) -> str:
    """Return the name of a topic within the simulator, given either of its names."""
    return "customer.payment_methods.updated" if topic == PAYMENT_METHOD_ALIAS else topic


def wire_topic(topic: str, switches: Switches) -> str:
    """Return the name of a topic in deliveries."""
    renamed = topic == "customer.payment_methods.updated"
    return switches["payment_method_topic"] if renamed else topic


def webhook_body(
    shop: Shop,
    switches: Switches,
    event: Event,
    *,
    attempt: int,
    now: datetime,
    to: Subscription | None = None,
    changed: bool = False,
) -> bytes:
    """Return the body of an attempt; `attempt` counts from 0 and is the retryCount.

    `changed` makes it a retry that renews the time of triggering and the payload's `updatedAt`.
    """
    v1 = to is not None and to.topic is None
    topic = (event.v1 if v1 else wire_topic(event.topic or "", switches)) or ""
    metadata: dict[str, Any] = {
        "retryCount": attempt,
        "shopDomain": shop.domain,
        "topic": topic,
        "version": VERSION,
        switches["triggered_spelling"]: iso(_triggered(switches, event, attempt, now)),
    }
    if event.id is not None:
        metadata["id"] = _identity(switches, event, attempt)
    payload = event.payload
    if changed:
        metadata[switches["triggered_spelling"]] = iso(event.triggered_at + RENEWED_AFTER)
        if "updatedAt" in payload:
            payload = {**payload, "updatedAt": iso(event.at + RENEWED_AFTER)}
    body: dict[str, Any] = {"payload": payload, "metadata": metadata}
    place = "body" if v1 else switches["subscription_token"]
    if to is not None and place == "body":
        body["token"] = to.token
    if to is not None and place == "metadata":
        metadata["token"] = to.token
    return json.dumps(body, ensure_ascii=False).encode()


def webhook_headers(switches: Switches, to: Subscription) -> dict[str, str]:
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
    chance = random.Random(f"{event.id}/{attempt}")  # noqa: S311 - a seeded id can be repeated
    return hex_id(chance.getrandbits(128), dashed=event.topic in DASHED_ID_TOPICS)
