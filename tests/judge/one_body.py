"""One body of an event: read, and put back with what is odd about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TypeAlias

from tests.judge import bodies
from tests.judge.history import Event

Oddity: TypeAlias = "Callable[[Event, Random, bodies.Body], bodies.Body | None]"


def body_of(event: Event) -> bodies.Body:
    """Return the event's first body."""
    found: bodies.Body = json.loads(event.deliveries[0].body)
    return found


def with_body(event: Event, body: bodies.Body, oddity: str) -> Event:
    """Return the event with another body in each of its deliveries."""
    posts = tuple(replace(d, body=bodies.dump(body)) for d in event.deliveries)
    return replace(event, deliveries=posts, oddities=event.oddities | {oddity})


def payload_time(body: bodies.Body) -> str | None:
    return next((name for name in ("createdAt", "expiredAt") if name in body["payload"]), None)
