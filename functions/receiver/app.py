"""Accepts webhooks: whatever Inveterate posts with a valid key is in a queue before the `202`.

Nothing heavy is imported here: for a small shop nearly every event meets a cold start.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from relay.adapters.aws.client import AwsClient, aws_errors
from relay.adapters.aws.connection import Connections
from relay.errors import PermanentError, TransientError
from relay.ingest.http_request import request_body
from relay.ingest.receive import AccessPolicy, RefusedError, authenticate, route, token_marks, unclaimed
from relay.model.delivery import Delivery, pack
from relay.model.metrics import RECEIVED, REFUSED, Metric, embedded
from relay.topics import FOLDERS, PROBE_TOPICS, UNCLAIMED
from relay.wiring.environment import stack_name
from relay.wiring.receiver_settings import ReceiverSettings

LARGEST_MESSAGE: Final = 1_000_000
"""Bytes of a message with its attributes; SQS takes 1,048,576. Only bodies that had to be packed come near."""

RETRY_AFTER: Final = "5"
"""Seconds. The platform's retry schedule is documented nowhere; a server that obeys this is welcome to."""


_DELIVERING: Final = frozenset({"POST", "PUT", "PATCH"})
_METHODS: Final = "GET, HEAD, OPTIONS, POST"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_WHITE_SPACE: Final = b" \t\r\n"
_LONGEST_BLANK: Final = 100


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Answer one request of the HTTP API (payload format 2.0)."""
    try:
        body = request_body(event)
        settings = _settings()
        access = _access(settings)
        method = _method(event)
        if method not in _DELIVERING or _is_blank(body):
            # Some senders try the address before they post: they are told that it is right, and nothing is kept.
            authenticate(replace(access, token_digests=()), _key(event), {}, b"")
            return _answer_ping(method)
        key = authenticate(access, _key(event), event.get("headers") or {}, body)
        queue, delivery = _route(settings.shop, body, event.get("headers") or {})
        _send(settings, queue, delivery)
    except RefusedError as refusal:
        _log(refusal.code, REFUSED)
        return _answer(refusal.status, {"error": refusal.code})
    except (PermanentError, TransientError) as error:
        # Also what SQS calls the sender's fault: `pack` leaves nothing that it refuses, so it is ours, and the platform
        # delivers again.
        _log("not_queued", REFUSED, reason=str(error), status=_status(error))
        return _answer(503, {"error": "not_queued"}, {"retry-after": RETRY_AFTER})
    # A name that only the sender knows is in the message, and in no log.
    topic = delivery.topic if delivery.topic in {*FOLDERS, *PROBE_TOPICS} else None
    # A probe is no delivery of the programme, and counts in no figure. `key` is the key's place in KEY_DIGESTS: after a
    # rotation the log shows when the old one is out of use.
    metric = None if topic in PROBE_TOPICS else RECEIVED
    marks = {"key": key, "token": token_marks(access, event.get("headers") or {}, body)}
    _log("accepted", metric, event_id=delivery.event_id, topic=topic, reason=delivery.reason, **marks)
    return _answer(202, {"id": delivery.event_id})


def _method(event: Mapping[str, Any]) -> str:
    http = (event.get("requestContext") or {}).get("http") or {}
    return str(http.get("method") or "POST").upper()


def _is_blank(body: bytes) -> bool:
    """Return whether a body is empty, or a little white space, or a byte order mark alone."""
    return len(body) <= _LONGEST_BLANK and not body.removeprefix(_BYTE_ORDER_MARK).strip(_WHITE_SPACE)


def _key(event: Mapping[str, Any]) -> str:
    """Return the key: the last part of the path, whatever the route calls it, also between slashes."""
    parameters = event.get("pathParameters") or {}
    path = parameters.get("key") or parameters.get("proxy") or ""
    return str(path).strip("/")


def _route(shop: str, body: bytes, headers: Mapping[str, str]) -> tuple[str, Delivery]:
    """Route a body. A defect in routing costs the event its queue and not its life: it waits in `unclaimed`."""
    received_at = datetime.now(UTC)
    try:
        return route(shop, body, received_at, headers)
    except RefusedError:
        raise
    except Exception as error:  # noqa: BLE001 - see above; the drain of `unclaimed` places it after the next deployment
        return UNCLAIMED, unclaimed(body, received_at, f"defect.{type(error).__name__}")


def _answer_ping(method: str) -> dict[str, Any]:
    _log("ping", None)
    if method == "OPTIONS":
        return {"statusCode": 204, "headers": {"allow": _METHODS}, "body": ""}
    if method == "HEAD":
        return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": ""}
    if method == "GET" or method in _DELIVERING:
        return _answer(200, {"status": "ready"})
    return _answer(405, {"error": "method"}, {"allow": _METHODS})


def _status(error: Exception) -> int | None:
    """Return the HTTP status of the queue's refusal; None where no answer came."""
    status: int | None = getattr(error.__cause__, "status", None)
    return status


def _send(settings: ReceiverSettings, queue: str, delivery: Delivery) -> None:
    text, header = pack(delivery)
    attributes = header.attributes
    if len(text.encode()) + sum(map(len, attributes.values())) > LARGEST_MESSAGE:
        raise RefusedError(413, "too_large")
    message = {
        "QueueUrl": settings.queue(queue),
        "MessageBody": text,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    }
    # A second copy of a message does no harm: its event id is the same.
    with aws_errors(f"queue {queue}"):
        reply = _aws().call("sqs", "SendMessage", message)
    if not reply.get("MessageId"):
        # Not SQS's own answer, whatever its status: the sender keeps the event.
        raise TransientError(f"queue {queue}: no message id")


@cache
def _settings() -> ReceiverSettings:
    return ReceiverSettings.from_env()


def _access(settings: ReceiverSettings) -> AccessPolicy:
    return AccessPolicy(
        shop=settings.shop,
        key_digests=settings.key_digests,
        token_digests=settings.token_digests,
        token_header=settings.token_header,
    )


@cache
def _aws() -> AwsClient:
    """Return the client: connect 1 s, a try 3 s, two tries, 6.5 s in all; the function's timeout is 10 s."""
    return AwsClient(
        max_tries=2, call_seconds=6.5, try_seconds=3.0, connections=Connections(connect_seconds=1.0)
    )


def _answer(
    status: int, content: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", **(headers or {})},
        "body": json.dumps(content),
    }


def _log(outcome: str, metric: Metric | None, **fields: str | int | None) -> None:
    """Log one line, which CloudWatch also reads as a metric (EMF). Never a path, a key or a value of a body."""
    at_ms = int(time.time() * 1000)
    measured = embedded(metric, 1, stack=stack_name(), service="receiver", at_ms=at_ms) if metric else {}
    print(json.dumps({"level": "INFO", "message": outcome, **fields, **measured}))  # noqa: T201 - standard output is the log
