"""A function as Lambda starts it: its settings, its queue's messages, and nothing left of the test before."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from relay import wiring
from relay.adapters.aws.boto import client
from relay.model.header import MessageHeader
from relay.wiring import common, crms, platform

PARTS = tuple(
    importlib.import_module(found.name) for found in pkgutil.iter_modules(wiring.__path__, "relay.wiring.")
)


@contextmanager
def wired(monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str]) -> Iterator[None]:
    """Give the function its settings for a while, and end what it has connected to."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    rewire()
    try:
        yield
    finally:
        close()
        rewire(settings.get("POWERTOOLS_SERVICE_NAME"))


def rewire(service: str | None = None) -> None:
    """Clear everything that the wiring has made, and the logger of this service.

    Powertools' logger writes to the stdout of the test that first made it; the next test has another.
    """
    for module in PARTS:
        for part in vars(module).values():
            if hasattr(part, "cache_clear"):
                part.cache_clear()
    if service:
        logging.Logger.manager.loggerDict.pop(service, None)


def close() -> None:
    """End the connections of the adapters that were made."""
    made: list[Any] = [crms.crm()] if crms.crm.cache_info().currsize else []
    made += [part().api for part in (platform.reconciling, platform.granting) if part.cache_info().currsize]
    for adapter in made:
        adapter.close()


def sqs_record(
    message_id: str, body: str, *, receives: int = 1, header: MessageHeader | None = None
) -> dict[str, Any]:
    """Return one record of Lambda's event for a queue."""
    attributes = header.attributes if header else {}
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt-{message_id}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(receives),
            "SentTimestamp": str(int(common.now().timestamp() * 1000)),
        },
        "messageAttributes": {
            name: {"stringValue": value, "dataType": "String"} for name, value in attributes.items()
        },
    }


def header_of(message: Mapping[str, Any]) -> MessageHeader:
    """Return the header of a message as SQS hands it out."""
    attributes = message.get("MessageAttributes", {})
    return MessageHeader.read({name: value.get("StringValue", "") for name, value in attributes.items()})


def held(queue: str) -> int:
    """Return how many messages a queue has, the deferred ones included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    found = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def queues(*names: str) -> list[str]:
    """Make queues; return their URLs."""
    return [client("sqs").create_queue(QueueName=name)["QueueUrl"] for name in names]
