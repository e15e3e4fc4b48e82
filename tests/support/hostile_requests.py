"""Draws hostile and odd requests for the receiver, each with the status that it has to be answered with.

Every value that a sender could choose holds `MARK`, so that a log with a value of a body or a key in it shows. The
expected status is worked out from how a request was drawn, by none of the receiver's own code.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any, Final
from urllib.parse import urlencode

from tests.support.port_fakes import SHOP, sample

MARK: Final = "M4RK"
KEY: Final = f"key-{MARK}-right"
LONGEST_BLANK: Final = 100
LIMIT: Final = 900 * 1024
TOPICS: Final = (
    "customer.cancelled",
    "customer.updated",
    "customer.payment_failed",
    "customer.ordered",
    "customer.credits.updated",
    "customer.pending_cancellation",
)
_ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1e308, 10**30, "", " ", MARK, f"{MARK}\u0000", f"{MARK}\ud800", f"\u202e{MARK}", [], {},
    [MARK], {MARK: MARK}, [[[[MARK]]]], "1_000", "1e999999999", "9" * 400, f"https://{MARK}.example/", f"{MARK}@example.com",
    "1970-01-01T00:00:00Z", "\uffff" + MARK, f"<script>{MARK}</script>", f"'; DROP TABLE {MARK}",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HostileRequest:
    """A request of the HTTP API, the status of its answer, and the bytes that have to be queued where that is 202."""

    event: dict[str, Any]
    status: int
    body: bytes


def draw(rng: Random) -> HostileRequest:
    """Return one request."""
    body = _body(rng)
    event, body = _request(rng, body)
    right, key = rng.random() < 0.85, rng.choice([KEY, f"{KEY}/"])
    if not right:
        key = rng.choice(["", MARK, KEY[:-1], KEY.upper(), f"{KEY}x", f"\ud800{MARK}", "../" + KEY])
    event["pathParameters"] = rng.choice([{"key": key}, {"proxy": key}]) if key else rng.choice([None, {}])
    method = rng.choice(["POST"] * 12 + ["GET", "HEAD", "OPTIONS", "DELETE", "PUT"])
    if method != "POST" or rng.random() < 0.5:
        event["requestContext"] = {"http": {"method": method}}
    return HostileRequest(event, _status(right, method, body), body)


def _status(right: bool, method: str, body: bytes) -> int:  # noqa: FBT001 - a table of one
    if not right:
        return 401
    # White space, also after a byte order mark, is no body; a part of such a mark is one.
    is_blank = len(body) <= LONGEST_BLANK and not body.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n")
    if method in {"GET", "HEAD"} or (is_blank and method in {"POST", "PUT"}):
        return 200
    if method in {"OPTIONS", "DELETE"}:
        return 204 if method == "OPTIONS" else 405
    return 413 if len(body) > LIMIT else 202


def _request(rng: Random, body: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the request with the body in one of the forms in which the gateway passes it, and its bytes."""
    event: dict[str, Any] = {"headers": rng.choice([None, {}, {"x-note": MARK, "content-type": MARK}])}
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = None
    if text is None or rng.random() < 0.3:
        return {**event, "body": base64.b64encode(body).decode(), "isBase64Encoded": True}, body
    if rng.random() < 0.05 and text and not _could_be_base64(text):
        return {**event, "body": text, "isBase64Encoded": True}, body
    return {**event, "body": text or rng.choice(["", None])}, body


def _could_be_base64(text: str) -> bool:
    return all(char.isascii() and (char.isalnum() or char in "+/=") for char in "".join(text.split()))


def _body(rng: Random) -> bytes:
    return rng.choice(_BODIES)(rng)


def _event(rng: Random) -> dict[str, Any]:
    content = sample(rng.choice(TOPICS))
    content["payload"]["note"] = MARK
    for _ in range(rng.randrange(4)):
        part: dict[str, Any] = rng.choice(
            [content, content["metadata"], content["payload"], _detail(content)]
        )
        name = rng.choice([*part, MARK, "test"])
        part[name] = deepcopy(rng.choice(_ODD))
        content = {"metadata": {}, "payload": {}, **content}
        for place in ("metadata", "payload"):
            if not isinstance(content[place], dict):
                return content
    return content


def _detail(content: dict[str, Any]) -> dict[str, Any]:
    detail = content["payload"].get("detail")
    return detail if isinstance(detail, dict) else content["payload"]


def _plain(rng: Random) -> bytes:
    return json.dumps(_event(rng), ensure_ascii=rng.random() < 0.7).encode("utf-8", "surrogatepass")


def _cut(rng: Random) -> bytes:
    body = _plain(rng)
    return body[: rng.randrange(len(body))]


def _spoilt(rng: Random) -> bytes:
    body = bytearray(_plain(rng))
    for _ in range(rng.randrange(1, 9)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    return bytes(body)


def _topic(rng: Random) -> bytes:
    content = sample("customer.cancelled")
    content["metadata"]["topic"] = rng.choice([MARK, f"customer.{MARK}", "ping", "relay.probe", *_ODD])
    content["metadata"]["id"] = rng.choice([MARK, *_ODD])
    content["metadata"]["shopDomain"] = rng.choice([SHOP, f"https://{SHOP}/", MARK, *_ODD])
    return json.dumps(content).encode()


def _twice(rng: Random) -> bytes:
    return _plain(rng).replace(b'"payload"', b'"metadata"')


def _deep(rng: Random) -> bytes:
    depth = rng.choice([60, 66, 1_000, 60_000])
    opening, closing = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return (
        b'{"metadata": {"topic": "'
        + MARK.encode()
        + b'"}, "x": '
        + opening * depth
        + b"1"
        + closing * depth
        + b"}"
    )


def _noise(rng: Random) -> bytes:
    return rng.randbytes(rng.choice([0, 1, 2, 7, 300, 5_000]))


def _large(rng: Random) -> bytes:
    """Return one in a hundred times a body about as large as the bound, else a small one."""
    if rng.random() > 0.01:
        return MARK.encode() * 50
    size = rng.choice([LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 5_000])
    filling = rng.choice([b"[" + b"1," * size, b" " * size, b'{"a":"' + b"x" * size, b"[{}," * size])
    return filling[:size]


def _bomb(rng: Random) -> bytes:
    return gzip.compress(b" " * rng.choice([10, 1_000, LIMIT + 1]), mtime=0)


_WRAPPINGS: Final[tuple[Callable[[bytes], bytes], ...]] = (
    lambda body: b"\xef\xbb\xbf" + body,
    lambda body: body.decode("utf-8", "replace").encode("utf-16"),
    lambda body: body.decode("utf-8", "replace").encode("utf-32"),
    lambda body: b"[" + body + b"]",
    lambda body: json.dumps(body.decode("utf-8", "replace")).encode(),
    lambda body: gzip.compress(body, mtime=0),
    zlib.compress,
    lambda body: zlib.compress(body)[2:-4],
    lambda body: urlencode({"payload": body}).encode(),
    lambda body: gzip.compress(body, mtime=0)[:-3],
)


def _wrapped(rng: Random) -> bytes:
    body = _plain(rng)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        body = rng.choice(_WRAPPINGS)(body)
    return body


_BODIES: Final[tuple[Callable[[Random], bytes], ...]] = (
    _plain, _plain, _plain, _cut, _spoilt, _topic, _topic, _twice, _deep, _noise, _large, _bomb, _wrapped, _wrapped,
)  # fmt: skip
