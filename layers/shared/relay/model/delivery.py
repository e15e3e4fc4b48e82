"""One accepted webhook on its way through the queues: the untouched body, and what was learnt on receipt.

The body travels as it came. A queue takes only characters that XML allows, so a body with any other
(or with none at all) travels packed: zlib, then base64. Standard library only: the receiver writes this
at every cold start.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_REFUSED_BY_SQS: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PACKED: Final = "zlib+base64"
_EVENT_ID: Final = re.compile("[0-9a-f]{32}")
_LARGEST_BODY: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An accepted webhook. `reason` is set where it could not be placed; `received_at` is the first receipt."""

    event_id: str
    body: bytes
    received_at: datetime
    topic: str | None = None
    delivery_id: str | None = None
    reason: str | None = None
    deferrals: int = 0
    replay: str | None = None


def pack(delivery: Delivery) -> tuple[str, dict[str, str]]:
    """Return a queue message's body and its attributes (all text)."""
    attributes = {
        "event_id": delivery.event_id,
        "received_at": delivery.received_at.astimezone(UTC).isoformat(timespec="milliseconds"),
    }
    for name in ("topic", "delivery_id", "reason", "replay"):
        value = getattr(delivery, name)
        if value:
            attributes[name] = _REFUSED_BY_SQS.sub("?", value)
    if delivery.deferrals:
        attributes["deferrals"] = str(delivery.deferrals)
    text = _as_text(delivery.body)
    if text is None:
        attributes["encoding"] = _PACKED
        text = _PACKED + ":" + base64.b64encode(zlib.compress(delivery.body)).decode("ascii")
    return text, attributes


def unpack(text: str, attributes: Mapping[str, str]) -> Delivery:
    """Read what `pack` wrote.

    Raises:
        ValueError: when the message is not one of ours.

    """
    body = _unpacked(text) if attributes.get("encoding") == _PACKED else text.encode()
    if not _EVENT_ID.fullmatch(attributes.get("event_id", "")):
        raise ValueError("a message without an event_id of ours")
    try:
        received_at = datetime.fromisoformat(attributes.get("received_at", "")).astimezone(UTC)
        deferrals = int(attributes.get("deferrals", "0"))
    except (ValueError, OverflowError):
        # Python's own words would quote the attribute, and somebody else may have written it.
        raise ValueError("a message with a received_at or deferrals that is not ours") from None
    return Delivery(
        event_id=attributes["event_id"],
        body=body,
        received_at=received_at,
        topic=attributes.get("topic"),
        delivery_id=attributes.get("delivery_id"),
        reason=attributes.get("reason"),
        deferrals=deferrals,
        replay=attributes.get("replay"),
    )


def _as_text(body: bytes) -> str | None:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if not text or _REFUSED_BY_SQS.search(text) else text


def _unpacked(text: str) -> bytes:
    try:
        packed = base64.b64decode(text.removeprefix(_PACKED + ":"), validate=True)
        unpacker = zlib.decompressobj()
        body = unpacker.decompress(packed, _LARGEST_BODY)
    except (binascii.Error, zlib.error):
        raise ValueError("a packed body that cannot be unpacked") from None
    if not unpacker.eof:
        raise ValueError("a packed body that is too large or cut off")
    return body
