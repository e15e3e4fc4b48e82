"""Decides which webhooks are accepted and which queue each goes to.

A request without a valid key is refused. One with a valid key is never refused for what it says: what has no
queue of its own goes to `unclaimed` with the reason, for a person or a later version to place. Pure, and
standard library only: nearly every event of a small shop meets a cold start here.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any, Final

from inveterate.webhooks.identity import event_id, raw_id
from inveterate.webhooks.topics import topic_named

from relay.model.delivery import Delivery
from relay.model.header import topic_or_none, word_or_none
from relay.topics import FOLDERS, PROBE_TOPIC, UNCLAIMED

LARGEST_BODY: Final = 900 * 1024
"""Bytes. A queue takes 1 MiB with attributes, the journal 1,000 KiB with its columns."""

DEEPEST: Final = 64
"""Levels of nesting; documented events have five."""


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """The shop, and SHA-256 digests (hex) of the keys and, where configured, of the tokens that are valid now."""

    shop: str
    key_digests: tuple[str, ...]
    token_digests: tuple[str, ...] = ()
    token_header: str = ""


class RefusedError(Exception):
    """The request gets this status and code, and nothing of it is kept."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def authenticate(access: AccessPolicy, key: str, headers: Mapping[str, str], body: bytes) -> int:
    """Check the key and, where tokens are configured, the token; return which key it is, counted from 1.

    `headers` by lower-case name.

    Raises:
        RefusedError: 401 `bad_key` or `bad_token`.

    """
    position = _position(key, access.key_digests)
    if not position:
        raise RefusedError(401, "bad_key")
    if access.token_digests and not any(
        _is_known(token, access.token_digests) for token in _tokens(access, headers, body)
    ):
        raise RefusedError(401, "bad_token")
    return position


def route(shop: str, body: bytes, received_at: datetime) -> tuple[str, Delivery]:
    """Return the name of the queue that a delivery belongs in, and the delivery.

    Raises:
        RefusedError: 413 `too_large`, the only refusal of a request with a valid key.

    """
    if len(body) > LARGEST_BODY:
        raise RefusedError(413, "too_large")
    try:
        content = _read(body)
        queue, topic = _destination(shop, content)
    except _UnclaimedError as error:
        return UNCLAIMED, Delivery(
            event_id=raw_id(body), body=body, received_at=received_at, reason=error.reason, topic=error.topic
        )
    return queue, Delivery(
        event_id=event_id(topic, shop, content),
        body=body,
        received_at=received_at,
        topic=topic,
        # The platform's own id, for people to quote. It decides nothing.
        delivery_id=word_or_none(content["metadata"].get("id")),
    )


class _UnclaimedError(Exception):
    def __init__(self, reason: str, topic: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.topic = topic


def _read(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(
            body.decode("utf-8"),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_with_unique_keys,
        )
    except RecursionError:
        raise _UnclaimedError("too_deep") from None
    except (ValueError, InvalidOperation):  # the latter for an exponent beyond what a decimal can hold
        raise _UnclaimedError("not_json") from None
    if not isinstance(content, dict) or not isinstance(content.get("metadata"), dict):
        raise _UnclaimedError("no_envelope")
    if _is_too_deep(content):
        raise _UnclaimedError("too_deep")
    return content


def _with_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that has a key twice: readers disagree on which of the values counts."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key twice")
    return content


def _destination(shop: str, content: Mapping[str, Any]) -> tuple[str, str]:
    """Return the queue's name and the topic's."""
    metadata = content["metadata"]
    sender = metadata.get("shopDomain")
    if sender is not None and (not isinstance(sender, str) or sender.strip().lower() != shop.lower()):
        raise _UnclaimedError("other_shop")
    name = metadata.get("topic")
    if not isinstance(name, str) or not name:
        raise _UnclaimedError("no_topic")
    if name == PROBE_TOPIC:
        return _probed_queue(content), PROBE_TOPIC
    topic = topic_named(name)
    if topic is None:
        raise _UnclaimedError("unknown_topic", topic_or_none(name))
    return FOLDERS[topic], topic


def _probed_queue(content: Mapping[str, Any]) -> str:
    payload = content.get("payload")
    queue = payload.get("queue") if isinstance(payload, dict) else None
    if queue not in FOLDERS.values():
        raise _UnclaimedError("unknown_topic", PROBE_TOPIC)
    return str(queue)


def _is_too_deep(content: object) -> bool:
    """Walk level by level: recursion would fail on the very bodies that this refuses."""
    level: list[object] = [content]
    for _ in range(DEEPEST):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(parent: object) -> Iterable[object]:
    if isinstance(parent, dict):
        return parent.values()
    return parent if isinstance(parent, list) else ()


def _is_known(secret: str, digests: Iterable[str]) -> bool:
    return bool(_position(secret, digests))


def _position(secret: str, digests: Iterable[str]) -> int:
    """Return the place of a secret's digest, counted from 1; 0 where it is none of them.

    Every digest is compared in constant time, so that timing does not show which one matched.
    """
    digest = sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
    places = [place * hmac.compare_digest(digest, known) for place, known in enumerate(digests, 1)]
    return max(places, default=0)


def _tokens(access: AccessPolicy, headers: Mapping[str, str], body: bytes) -> list[str]:
    """Return the tokens found in the header named by a setting, in `token` and in `metadata.token`."""
    found = [headers.get(access.token_header.lower())] if access.token_header else []
    try:
        content = _read_any(body)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        metadata = content.get("metadata")
        found += [content.get("token"), metadata.get("token") if isinstance(metadata, dict) else None]
    return [token for token in found if isinstance(token, str) and token]


def _read_any(body: bytes) -> object:
    if len(body) > LARGEST_BODY:
        return None
    return json.loads(body.decode("utf-8"))


def _refuse_constant(_: str) -> object:
    raise ValueError("NaN and Infinity are no JSON")
