"""One accepted webhook as a queue message: the body unchanged, and its id, topic and time of receipt.

A queue takes only characters that XML allows. A body with any other character, or an empty body, is sent packed:
zlib, then base64. Standard library only: the receiver imports this at every cold start.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from relay.model.header import MessageHeader

# What XML refuses, by itself: the set of what it allows takes ten times as long to compile, 3 ms of a cold start.
_REFUSED_BY_SQS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_PACKED: Final = "zlib+base64"
_EVENT_ID: Final = re.compile("[0-9a-f]{32}")
_LARGEST_BODY: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An accepted webhook. `reason` is set where no topic's queue takes it; `received_at` is the first receipt."""

    event_id: str
    body: bytes
    received_at: datetime
    topic: str | None = None
    delivery_id: str | None = None
    reason: str | None = None


def pack(delivery: Delivery) -> tuple[str, MessageHeader]:
    """Return a queue message's body and its header."""
    text = _as_text(delivery.body)
    encoding = None
    if text is None:
        encoding = _PACKED
        text = _PACKED + ":" + base64.b64encode(zlib.compress(delivery.body)).decode("ascii")
    return text, MessageHeader(
        event_id=delivery.event_id,
        received_at=delivery.received_at,
        topic=delivery.topic,
        delivery_id=delivery.delivery_id,
        reason=delivery.reason,
        encoding=encoding,
    )


def unpack(text: str, header: MessageHeader) -> Delivery:
    """Return the delivery of a message that `pack` wrote.

    Raises:
        ValueError: when the message is not one of ours.

    """
    if not _EVENT_ID.fullmatch(header.event_id or "") or header.received_at is None:
        raise ValueError("a message without an event id and a time of receipt of ours")
    return Delivery(
        event_id=header.event_id or "",
        body=_unpacked(text) if header.encoding == _PACKED else text.encode(),
        received_at=header.received_at,
        topic=header.topic,
        delivery_id=header.delivery_id,
        reason=header.reason,
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
