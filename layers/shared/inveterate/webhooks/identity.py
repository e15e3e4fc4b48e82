"""The identity of an event: the same for every delivery of it, whatever the platform calls the delivery.

`metadata.id` is missing from one topic, has two shapes in the others, and nothing says whether a retry
keeps it. What an event *says* does not change on a retry, so its id is a hash of that: topic, shop and
payload. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

_LENGTH: Final = 32


def event_id(topic: str, shop: str, payload: object) -> str:
    """Return the event's id: 32 lower-case hex digits of a SHA-256.

    `payload` is what JSON made of it; the order of its keys, and whether its numbers were read as
    floats or as decimals, make no difference.
    """
    content = json.dumps(
        [topic, shop.strip().lower(), payload],
        sort_keys=True,
        separators=(",", ":"),
        default=_number,
    )
    return hashlib.sha256(content.encode()).hexdigest()[:_LENGTH]


def raw_id(body: bytes) -> str:
    """Return the id of a delivery that is no event: a hash of its bytes."""
    return hashlib.sha256(b"raw:" + body).hexdigest()[:_LENGTH]


def delivery_id(metadata: Mapping[str, Any]) -> str | None:
    """Return the platform's own id of this delivery, for people to quote; None where it sent none."""
    value = metadata.get("id")
    return value[:100] if isinstance(value, str) and value else None


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)
