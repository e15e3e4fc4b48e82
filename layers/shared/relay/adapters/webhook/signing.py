"""Signatures after Standard Webhooks, by which a receiver knows that a message is ours and is new.

`webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`. While a secret is
rotated there are two, and a signature by each: the receiver may know either.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

_PREFIX: Final = "whsec_"
_SHORTEST: Final = 24
_LONGEST: Final = 64


def keys_of(secret: str) -> list[bytes]:
    """Return the keys of one or more secrets `whsec_…`, separated by spaces or commas, the newest first.

    Raises:
        ValueError: when one of them is none; its text does not quote it.

    """
    keys = [_key(word) for word in secret.replace(",", " ").split()]
    if not keys:
        raise ValueError("no secret")
    return keys


def _key(word: str) -> bytes:
    try:
        key = base64.b64decode(word.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a secret is not base64") from None
    if not word.startswith(_PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError("a secret is not whsec_ and 24 to 64 bytes")
    return key


def signed(message_id: str, timestamp: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """Return the headers of a message that is sent at `timestamp` (seconds since 1970)."""
    content = b".".join((message_id.encode(), str(timestamp).encode(), body))
    signatures = (base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
