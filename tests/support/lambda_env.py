"""A function as Lambda runs it: its settings, its queue's messages, and no services of the test before."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from relay.adapters.aws.boto import client
from relay.model.header import MessageHeader
from relay.wiring.services import forget, now


@contextmanager
def function_env(monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str]) -> Iterator[None]:
    """Set the function's environment for a while; afterwards end the connections of its services."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    forget()
    try:
        yield
    finally:
        forget()
        drop_log(settings.get("POWERTOOLS_SERVICE_NAME", ""))


def drop_log(service: str) -> None:
    """Drop the logger of a service.

    Powertools' logger writes to the stdout of the test that first made it; the next test has another.
    """
    logging.Logger.manager.loggerDict.pop(service, None)


def sqs_record(
    message_id: str, body: str, *, receives: int = 1, header: MessageHeader | None = None
) -> dict[str, Any]:
    """Return one record of Lambda's event for a queue, sent now."""
    attributes = header.attributes if header else {}
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt-{message_id}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(receives),
            "SentTimestamp": _millis(now()),
        },
        "messageAttributes": {
            name: {"stringValue": value, "dataType": "String"} for name, value in attributes.items()
        },
    }


def sent_at(record: dict[str, Any], at: datetime) -> dict[str, Any]:
    """Return a record as if it had been sent then."""
    return {**record, "attributes": {**record["attributes"], "SentTimestamp": _millis(at)}}


def _millis(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


def header_of(message: Mapping[str, Any]) -> MessageHeader:
    """Return the header of a message as SQS hands it out."""
    attributes = message.get("MessageAttributes", {})
    return MessageHeader.read({name: value.get("StringValue", "") for name, value in attributes.items()})


def queued_count(queue: str) -> int:
    """Return how many messages a queue has, the deferred ones included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    found = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def queues(*names: str) -> list[str]:
    """Make queues; return their URLs."""
    return [client("sqs").create_queue(QueueName=name)["QueueUrl"] for name in names]
