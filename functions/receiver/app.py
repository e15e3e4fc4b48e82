"""Accepts webhooks: whatever Inveterate posts with a valid key is in a queue before the `202`.

Nothing heavy is imported here: for a small shop nearly every event meets a cold start.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from relay.adapters.aws.client import AwsClient, aws_errors
from relay.adapters.aws.connection import Connections
from relay.errors import PermanentError, TransientError
from relay.ingest.receive import AccessPolicy, RefusedError, authenticate, route
from relay.model.delivery import Delivery, pack
from relay.model.metrics import RECEIVED, REFUSED, embedded
from relay.topics import PROBE_TOPIC
from relay.wiring.environment import stack_name
from relay.wiring.receiver_settings import ReceiverSettings

LARGEST_MESSAGE: Final = 1_000_000
"""Bytes of a message with its attributes; SQS takes 1,048,576. Only bodies that had to be packed come near."""

RETRY_AFTER: Final = "5"
"""Seconds. The platform's retry schedule is documented nowhere; a server that obeys this is welcome to."""


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Answer one request of the HTTP API (payload format 2.0)."""
    try:
        body = _body(event)
        settings = _settings()
        key = authenticate(_access(settings), _key(event), event.get("headers") or {}, body)
        queue, delivery = route(settings.shop, body, datetime.now(UTC))
        _send(settings, queue, delivery)
    except RefusedError as refusal:
        _log(refusal.code)
        return _answer(refusal.status, {"error": refusal.code})
    except (PermanentError, TransientError) as error:
        # Also what SQS calls the sender's fault: `pack` leaves nothing that it refuses, so it is ours, and the platform
        # delivers again.
        _log("not_queued", reason=str(error))
        return _answer(503, {"error": "not_queued"}, {"retry-after": RETRY_AFTER})
    # Which key it bears, by its place in KEY_DIGESTS: after a rotation the log shows when the old one is out of use.
    _log("accepted", event_id=delivery.event_id, topic=delivery.topic, reason=delivery.reason, key=key)
    return _answer(202, {"id": delivery.event_id})


def _body(event: Mapping[str, Any]) -> bytes:
    body: str = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            return base64.b64decode(body)
        except ValueError:
            return body.encode()
    return body.encode("utf-8", "surrogatepass")


def _key(event: Mapping[str, Any]) -> str:
    return (event.get("pathParameters") or {}).get("key") or ""


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
        _aws().call("sqs", "SendMessage", message)


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


def _log(outcome: str, **fields: str | int | None) -> None:
    """Log one line, which CloudWatch also reads as a metric (EMF). Never a path, a key or a value of a body."""
    measured = {} if fields.get("topic") == PROBE_TOPIC else _measured(outcome)
    print(json.dumps({"level": "INFO", "message": outcome, **fields, **measured}))  # noqa: T201 - standard output is the log


def _measured(outcome: str) -> Mapping[str, Any]:
    metric = RECEIVED if outcome == "accepted" else REFUSED
    return embedded(metric, 1, stack=stack_name(), service="receiver", at_ms=int(time.time() * 1000))
