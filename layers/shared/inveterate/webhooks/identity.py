"""Event ids: the same for every delivery of an event, whatever id the platform gives the delivery.

`metadata.id` is missing in one topic, has two shapes in the others, and it is undocumented whether a
retry keeps it. The content of an event does not change on a retry, so its id is a hash of topic, shop
and payload. Standard library only.
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

    `payload` is parsed JSON. The order of its keys makes no difference, nor whether its numbers are
    floats or decimals.
    """
    content = json.dumps(
        [topic, shop.strip().lower(), payload],
        sort_keys=True,
        separators=(",", ":"),
        default=_number,
    )
    return hashlib.sha256(content.encode()).hexdigest()[:_LENGTH]


def raw_id(body: bytes) -> str:
    """Return the id of a delivery that is not an event: a hash of its bytes."""
    return hashlib.sha256(b"raw:" + body).hexdigest()[:_LENGTH]


def delivery_id(metadata: Mapping[str, Any]) -> str | None:
    """Return the platform's own id of this delivery, to quote to the platform's support; None without one."""
    value = metadata.get("id")
    return value[:100] if isinstance(value, str) and value else None


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)
