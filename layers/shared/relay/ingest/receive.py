"""Decides which webhooks are accepted and which queue each goes to.

A request without a valid key is refused. One with a valid key is never refused for what it says: what has no
queue of its own goes to `unclaimed` with the reason, for a person or a later version to place. Pure, and
standard library only: nearly every event of a small shop meets a cold start here.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from inveterate.webhooks import body as bodies
from inveterate.webhooks.identity import event_id, raw_id, shop_name
from inveterate.webhooks.topics import topic_named

from relay.model.delivery import Delivery
from relay.model.header import topic_or_none, word_or_none
from relay.topics import FOLDERS, PROBE_TOPIC, TEST_TOPIC, UNCLAIMED

LARGEST_BODY: Final = bodies.LARGEST_BODY
"""Bytes. A queue takes 1 MiB with attributes, the journal 1,000 KiB with its columns."""

_TRIAL_WORDS: Final = frozenset({"test", "ping"})
_NAMES_OF_A_TOPIC: Final = ("topic", "type", "event", "action")
"""Where a delivery without `metadata` may say what it is."""

_TRIAL_FLAGS: Final = frozenset(
    {
        "test",
        "istest",
        "testing",
        "testmode",
        "testevent",
        "istestevent",
        "dryrun",
        "sandbox",
        "ping",
        "isping",
    }
)
_LIVE_FLAGS: Final = frozenset({"live", "livemode", "islive"})
_MODES: Final = frozenset({"mode", "environment", "env", "type", "kind", "event", "eventtype", "action"})
_TRIAL_MODES: Final = frozenset({"test", "testing", "sandbox", "dry_run", "ping"})
_TRIALS_GO_TO: Final = FOLDERS["customer.updated"]
"""The queue of a test of no known topic: any will do, since a test is journaled and does nothing else."""


TOKEN_MARK: Final = 12
"""Hex digits of a token's SHA-256 that the log has: enough to tell tokens apart, useless to anyone who reads them."""


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


def token_marks(access: AccessPolicy, headers: Mapping[str, str], body: bytes) -> str | None:
    """Return what tells which tokens a delivery bore, for the log: 12 hex digits of each one's SHA-256; None without any."""
    if not access.token_header and b"token" not in body:
        return None
    digests = {
        sha256(token.encode("utf-8", "surrogatepass")).hexdigest() for token in _tokens(access, headers, body)
    }
    return ",".join(sorted(digest[:TOKEN_MARK] for digest in digests)) or None


def route(
    shop: str, body: bytes, received_at: datetime, headers: Mapping[str, str] | None = None
) -> tuple[str, Delivery]:
    """Return the name of the queue that a delivery belongs in, and the delivery. A header may say that it is a test.

    Raises:
        RefusedError: 413 `too_large`, the only refusal of a request with a valid key.

    """
    if len(body) > LARGEST_BODY:
        raise RefusedError(413, "too_large")
    return place(shop, body, received_at, is_trial=_is_trial_by_header(headers or {}))


def place(shop: str, body: bytes, received_at: datetime, *, is_trial: bool = False) -> tuple[str, Delivery]:
    """Return the queue and the delivery of a body of any size, as `route`; what fits nowhere goes to `unclaimed`."""
    try:
        content = _read(body, is_trial=is_trial)
        queue, topic = _destination(shop, content, is_trial=is_trial)
    except _UnclaimedError as error:
        return UNCLAIMED, unclaimed(body, received_at, error.reason, error.topic)
    return queue, Delivery(
        event_id=event_id(topic, shop, content),
        body=body,
        received_at=received_at,
        topic=topic,
        # The platform's own id, for people to quote. It decides nothing.
        delivery_id=word_or_none(content["metadata"].get("id")),
    )


def unclaimed(body: bytes, received_at: datetime, reason: str, topic: str | None = None) -> Delivery:
    """Return a delivery for `unclaimed`, identified by its bytes."""
    return Delivery(event_id=raw_id(body), body=body, received_at=received_at, reason=reason, topic=topic)


class _UnclaimedError(Exception):
    def __init__(self, reason: str, topic: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.topic = topic


def _read(body: bytes, *, is_trial: bool) -> dict[str, Any]:
    if len(body) > LARGEST_BODY:
        raise _UnclaimedError("too_large")
    try:
        content = bodies.read_body(body)
    except bodies.UnreadableBodyError as error:
        raise _UnclaimedError(error.reason) from None
    if isinstance(content, dict) and "metadata" not in content and (is_trial or _is_trial(content)):
        # Some senders try the address with a body of its own form, each time that they are asked to.
        content = {**content, "metadata": {}}
    if not isinstance(content, dict) or not isinstance(content.get("metadata"), dict):
        raise _UnclaimedError("no_envelope")
    return content


def _destination(shop: str, content: Mapping[str, Any], *, is_trial: bool) -> tuple[str, str]:
    """Return the queue's name and the topic's."""
    metadata = content["metadata"]
    if not is_of_shop(shop, metadata.get("shopDomain")):
        raise _UnclaimedError("other_shop")
    name = metadata.get("topic")
    topic = topic_named(name)
    if is_trial or _is_trial(content):
        # A probe is journaled and does nothing else, whichever queue it is in.
        return FOLDERS[topic] if topic else _TRIALS_GO_TO, TEST_TOPIC if is_trial else PROBE_TOPIC
    if not isinstance(name, str) or not name.strip():
        raise _UnclaimedError("no_topic")
    if name == PROBE_TOPIC:
        return _probed_queue(content), PROBE_TOPIC
    if topic is None:
        raise _UnclaimedError("unknown_topic", topic_or_none(name))
    return FOLDERS[topic], topic


def is_of_shop(shop: str, sender: object) -> bool:
    """Return whether a delivery is of this shop: by its domain in any spelling, by the domain's first label, or unnamed."""
    if sender is None or (isinstance(sender, str) and not sender.strip()):
        return True
    ours = shop_name(shop)
    return isinstance(sender, str) and shop_name(sender) in {ours, ours.partition(".")[0]}


def is_probe(content: object) -> bool:
    """Return whether a delivery, by its body alone, is a probe or a test: it is journaled and changes nothing."""
    if not isinstance(content, dict) or not isinstance(metadata := content.get("metadata", {}), dict):
        return False
    return metadata.get("topic") == PROBE_TOPIC or _is_trial(content)


def _is_trial(content: Mapping[str, Any]) -> bool:
    """Return whether a delivery says that it is a test: in its topic, or at the top of one of its objects.

    An order that was placed as a test says so within `detail`: it is an event like any other.
    """
    metadata = content.get("metadata")
    names = [metadata.get("topic")] if metadata else [content.get(name) for name in _NAMES_OF_A_TOPIC]
    if any(isinstance(name, str) and _names_test(name) for name in names):
        return True
    parts = (content, metadata, content.get("payload"))
    return any(
        _says_test(name, value) for part in parts if isinstance(part, dict) for name, value in part.items()
    )


def _is_trial_by_header(headers: Mapping[str, str]) -> bool:
    """Return whether a header says that a delivery is a test: `X-Shopify-Test: true`, `X-Test-Mode: 1`, `X-Event: ping`."""
    return any(
        _says_test(name[start:], value)
        for name, value in headers.items()
        for start in (0, *(index + 1 for index, char in enumerate(name) if char == "-"))
    )


def _names_test(topic: str) -> bool:
    """Return whether a part of a topic's name is `test` or `ping`, whatever separates the parts."""
    words = "".join(char if char.isalnum() else " " for char in topic.lower()).split()
    return not _TRIAL_WORDS.isdisjoint(words)


def _says_test(name: str, value: object) -> bool:
    letters = "".join(filter(str.isalpha, name)).lower()
    word = str(value).strip().lower() if isinstance(value, bool | int | str) else ""
    if letters in _TRIAL_FLAGS:
        return word in {"true", "1", "yes", "on"}
    if letters in _LIVE_FLAGS:
        return word in {"false", "0", "no", "off"}
    return letters in _MODES and word in _TRIAL_MODES


def _probed_queue(content: Mapping[str, Any]) -> str:
    payload = content.get("payload")
    queue = payload.get("queue") if isinstance(payload, dict) else None
    if queue not in FOLDERS.values():
        raise _UnclaimedError("unknown_topic", PROBE_TOPIC)
    return str(queue)


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
    found: list[object] = [headers.get(access.token_header.lower())] if access.token_header else []
    try:
        content = bodies.read_body(body) if len(body) <= LARGEST_BODY else None
    except bodies.UnreadableBodyError:
        content = None
    if isinstance(content, dict):
        metadata = content.get("metadata")
        found += [content.get("token"), metadata.get("token") if isinstance(metadata, dict) else None]
    return [token for token in found if isinstance(token, str) and token]
