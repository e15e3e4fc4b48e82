"""Accepts webhooks: whatever Inveterate posts with a valid key is in a queue before the `202`.

Nothing heavy is imported here: for a small shop nearly every event meets a cold start.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from relay.adapters.aws.sqs_light import Credentials, LightSqs
from relay.errors import TransientError
from relay.ingest.receive import AccessPolicy, RefusedError, authenticate, route
from relay.model.delivery import Delivery, pack
from relay.topics import queue_variable

LARGEST_MESSAGE: Final = 1_000_000
"""Bytes of a message with its attributes; SQS takes 1,048,576. Only bodies that had to be packed come near."""

RETRY_AFTER: Final = "5"
"""Seconds. The platform's retry schedule is documented nowhere; a server that obeys this is welcome to."""


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Answer one request of the HTTP API (payload format 2.0)."""
    try:
        body = _body(event)
        access = _access()
        authenticate(access, _key(event), event.get("headers") or {}, body)
        queue, delivery = route(access.shop, body, datetime.now(UTC))
        _send(queue, delivery)
    except RefusedError as refusal:
        _log(refusal.code)
        return _answer(refusal.status, {"error": refusal.code})
    except TransientError:
        _log("not_queued")
        return _answer(503, {"error": "not_queued"}, {"retry-after": RETRY_AFTER})
    _log("accepted", delivery)
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


def _send(queue: str, delivery: Delivery) -> None:
    text, header = pack(delivery)
    attributes = header.attributes
    if len(text.encode()) + sum(map(len, attributes.values())) > LARGEST_MESSAGE:
        raise RefusedError(413, "too_large")
    url = os.environ.get(queue_variable(queue))
    if not url:
        raise TransientError(f"no queue for {queue}")
    _sqs().send(url, text, attributes)


@cache
def _access() -> AccessPolicy:
    return AccessPolicy(
        shop=os.environ["SHOP_DOMAIN"],
        key_digests=_list("KEY_DIGESTS"),
        token_digests=_list("TOKEN_DIGESTS"),
        token_header=os.environ.get("TOKEN_HEADER", ""),
    )


@cache
def _sqs() -> LightSqs:
    return LightSqs(Credentials.from_environment(), os.environ.get("AWS_ENDPOINT_URL"))


def _list(name: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in os.environ.get(name, "").split(",") if part.strip())


def _answer(
    status: int, content: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", **(headers or {})},
        "body": json.dumps(content),
    }


def _log(outcome: str, delivery: Delivery | None = None) -> None:
    """Log one line, which CloudWatch also reads as a metric (EMF). Never a path, a key or a value of a body."""
    fields = (
        {"event_id": delivery.event_id, "topic": delivery.topic, "reason": delivery.reason}
        if delivery
        else {}
    )
    name = "Received" if outcome == "accepted" else "Refused"
    metric = {"Namespace": "Relay", "Dimensions": [["service"]], "Metrics": [{"Name": name, "Unit": "Count"}]}
    line = {
        "level": "INFO",
        "message": outcome,
        **fields,
        "service": "receiver",
        name: 1,
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [metric]},
    }
    print(json.dumps(line))  # noqa: T201 - standard output is the log
