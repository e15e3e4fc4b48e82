"""SQS standard queues in memory, no kinder than the documentation.

Receive counts, visibility, delays of at most 900 s, retention, ten attributes, 1 MiB, refused characters, partial
batches and failed entries, a dead-letter queue after `maxReceiveCount`. `poll` hands messages out as Lambda's
event source mapping does. Sources: the SQS developer guide's quotas, the service model's errors.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from tests.support.aws.refusals import refused
from tests.support.aws.virtual_clock import VirtualClock

LARGEST: Final = 1_048_576
MOST_ATTRIBUTES: Final = 10
MOST_ENTRIES: Final = 10
LONGEST_DELAY: Final = 900

REFUSED_BY_SQS: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENTRY_ID: Final = re.compile("[A-Za-z0-9_-]{1,80}")
_ATTRIBUTE_NAME: Final = re.compile(
    r"(?!\.)(?!AWS\.|Amazon\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)", re.IGNORECASE
)


@dataclass(slots=True)
class StoredMessage:
    """A message in a queue. `visible_at` is when a reader may get it (again)."""

    id: str
    body: str
    attributes: Mapping[str, Mapping[str, Any]]
    sent_at: datetime
    visible_at: datetime
    receives: int = 0
    receipts: list[str] = field(default_factory=list)
    first_received_at: datetime | None = None
    moved_from: str | None = None


@dataclass(slots=True)
class FakeQueue:
    """One standard queue. `dead_letters` takes what was received `max_receives` times."""

    name: str
    clock: VirtualClock
    visibility: timedelta = timedelta(seconds=180)
    retention: timedelta = timedelta(days=4)
    max_receives: int = 20
    dead_letters: FakeQueue | None = None
    messages: list[StoredMessage] = field(default_factory=list)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        """The queue's address."""
        return f"https://sqs.eu-west-1.amazonaws.com/123456789012/{self.name}"

    def put(self, body: str, attributes: Mapping[str, Mapping[str, Any]], delay: int = 0) -> str:
        """Store a message; return its id. One that SQS would refuse is in no queue, also none from SNS."""
        message = {"MessageBody": body, "MessageAttributes": attributes, "DelaySeconds": delay}
        if code := complaint(message):
            raise refused(code)
        now = self.clock.now()
        message_id = f"{self.name}-{next(self._ids)}"
        self.messages.append(StoredMessage(message_id, body, attributes, now, now + timedelta(seconds=delay)))
        return message_id

    def receive(self, most: int, visibility: timedelta | None = None) -> list[StoredMessage]:
        """Hand out up to `most` visible messages, hidden from now on; move what was received too often."""
        now = self.clock.now()
        self.expire()
        out: list[StoredMessage] = []
        for message in list(self.messages):
            if message.visible_at > now or len(out) == most:
                continue
            if self.dead_letters is not None and message.receives >= self.max_receives:
                self.messages.remove(message)
                # A standard queue's dead letter keeps the time at which it was sent, and so its age.
                message.receives = 0
                message.moved_from = f"arn:aws:sqs:eu-west-1:123456789012:{self.name}"
                message.receipts.clear()
                message.visible_at = now
                self.dead_letters.messages.append(message)
                continue
            message.receives += 1
            message.first_received_at = message.first_received_at or now
            message.receipts.append(f"{message.id}#{message.receives}")
            message.visible_at = now + (self.visibility if visibility is None else visibility)
            out.append(message)
        return out

    def expire(self) -> None:
        """Delete what is older than the retention, as SQS does: silently."""
        oldest = self.clock.now() - self.retention
        self.messages[:] = [message for message in self.messages if message.sent_at > oldest]

    def delete(self, receipt: str) -> bool:
        """Delete by receipt handle. A handle of an earlier receive still deletes, as on a standard queue."""
        for message in self.messages:
            if receipt in message.receipts:
                self.messages.remove(message)
                return True
        return False

    def poll(self, most: int = 10) -> dict[str, Any] | None:
        """Return a Lambda event with up to `most` messages; None where none is visible."""
        records = [lambda_record(message, self.name) for message in self.receive(most)]
        return {"Records": records} if records else None

    def process_response(self, event: Mapping[str, Any], response: Mapping[str, Any] | None) -> None:
        """Do what the event source mapping does with a function's answer; None stands for a function that failed.

        What is named in `batchItemFailures` stays hidden until its visibility timeout; the rest is deleted. An
        answer that names an unknown message fails the whole batch.
        """
        if response is None:
            return
        failed = {failure["itemIdentifier"] for failure in response.get("batchItemFailures", ())}
        records = {record["messageId"]: record for record in event["Records"]}
        if not failed <= records.keys():
            return
        for message_id, record in records.items():
            if message_id not in failed:
                self.delete(record["receiptHandle"])


def lambda_record(message: StoredMessage, queue: str) -> dict[str, Any]:
    """Return a message as Lambda's SQS event has it."""
    first = message.first_received_at or message.sent_at
    return {
        "messageId": message.id,
        "receiptHandle": message.receipts[-1],
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(int(message.sent_at.timestamp() * 1000)),
            "ApproximateFirstReceiveTimestamp": str(int(first.timestamp() * 1000)),
            "SenderId": "AROAEXAMPLE:function",
            **({"DeadLetterQueueSourceArn": message.moved_from} if message.moved_from else {}),
        },
        "messageAttributes": {
            name: {
                "stringValue": value["StringValue"],
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": value["DataType"],
            }
            for name, value in message.attributes.items()
        },
        "md5OfBody": hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:eu-west-1:123456789012:{queue}",
        "awsRegion": "eu-west-1",
    }


@dataclass(slots=True)
class FakeSqs:
    """The service: queues by name, and the operations that Relay calls."""

    clock: VirtualClock
    queues: dict[str, FakeQueue] = field(default_factory=dict)

    def queue(self, name: str, **settings: Any) -> FakeQueue:
        """Return a queue, made if it is new."""
        if name not in self.queues:
            self.queues[name] = FakeQueue(name, self.clock, **settings)
        return self.queues[name]

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out an operation of the service model."""
        queue = self._named(body.get("QueueUrl", ""))
        match operation:
            case "SendMessage":
                _check_size(_weight(body))
                code = complaint(body)
                if code:
                    raise refused(code)
                message_id = queue.put(
                    body["MessageBody"], body.get("MessageAttributes") or {}, body.get("DelaySeconds", 0)
                )
                return {"MessageId": message_id, "MD5OfMessageBody": _md5(body["MessageBody"])}
            case "SendMessageBatch":
                return self._send_batch(queue, body["Entries"])
            case "ReceiveMessage":
                return self._receive(queue, body)
            case "DeleteMessage":
                queue.delete(body["ReceiptHandle"])
                return {}
            case "DeleteMessageBatch" | "ChangeMessageVisibilityBatch":
                return self._for_each(operation.removesuffix("Batch"), body)
            case "ChangeMessageVisibility":
                self._change_visibility(queue, body["ReceiptHandle"], body["VisibilityTimeout"])
                return {}
            case _:
                raise NotImplementedError(f"the fake SQS has no {operation}")

    def _for_each(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a batch entry by entry."""
        entries = _checked_entries(body["Entries"])
        for entry in entries:
            self.call(operation, {"QueueUrl": body["QueueUrl"], **entry})
        return {"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []}

    def _named(self, url: str) -> FakeQueue:
        name = url.rpartition("/")[2]
        if name not in self.queues:
            raise refused("AWS.SimpleQueueService.NonExistentQueue")
        return self.queues[name]

    def _send_batch(self, queue: FakeQueue, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        _checked_entries(entries)
        if sum(map(_weight, entries)) > LARGEST:
            raise refused("AWS.SimpleQueueService.BatchRequestTooLong")
        taken: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for entry in entries:
            code = complaint(entry)
            if code:
                failed.append({"Id": entry["Id"], "Code": code, "SenderFault": True})
                continue
            message_id = queue.put(
                entry["MessageBody"], entry.get("MessageAttributes") or {}, entry.get("DelaySeconds", 0)
            )
            taken.append(
                {"Id": entry["Id"], "MessageId": message_id, "MD5OfMessageBody": _md5(entry["MessageBody"])}
            )
        return {"Successful": taken, "Failed": failed}

    def _receive(self, queue: FakeQueue, body: Mapping[str, Any]) -> dict[str, Any]:
        most = body.get("MaxNumberOfMessages", 1)
        if not 1 <= most <= MOST_ENTRIES:
            raise refused("InvalidParameterValue")
        seconds = body.get("VisibilityTimeout")
        messages = queue.receive(most, None if seconds is None else timedelta(seconds=seconds))
        # Attributes come only where they are asked for.
        wants_attributes = "All" in (body.get("MessageAttributeNames") or ())
        wants_system = "All" in (body.get("MessageSystemAttributeNames") or ())
        return {
            "Messages": [
                {
                    "MessageId": message.id,
                    "ReceiptHandle": message.receipts[-1],
                    "Body": message.body,
                    **(
                        {"Attributes": lambda_record(message, queue.name)["attributes"]}
                        if wants_system
                        else {}
                    ),
                    **({"MessageAttributes": dict(message.attributes)} if wants_attributes else {}),
                }
                for message in messages
            ]
        }

    def _change_visibility(self, queue: FakeQueue, receipt: str, seconds: int) -> None:
        for message in queue.messages:
            if receipt in message.receipts:
                message.visible_at = self.clock.now() + timedelta(seconds=seconds)
                return
        raise refused("MessageNotInflight")


def _checked_entries(entries: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    prefix = "AWS.SimpleQueueService."
    if not entries:
        raise refused(f"{prefix}EmptyBatchRequest")
    if len(entries) > MOST_ENTRIES:
        raise refused(f"{prefix}TooManyEntriesInBatchRequest")
    ids = [entry["Id"] for entry in entries]
    if len(set(ids)) < len(ids):
        raise refused(f"{prefix}BatchEntryIdsNotDistinct")
    if not all(_ENTRY_ID.fullmatch(entry_id) for entry_id in ids):
        raise refused(f"{prefix}InvalidBatchEntryId")
    return entries


def _weight(message: Mapping[str, Any]) -> int:
    """Return bytes of body and attributes: names, types and values."""
    return len(message["MessageBody"].encode("utf-8", "surrogatepass")) + sum(
        len(name.encode())
        + len(value["DataType"])
        + len(value.get("StringValue", "").encode("utf-8", "surrogatepass"))
        for name, value in (message.get("MessageAttributes") or {}).items()
    )


def _check_size(weight: int) -> None:
    if weight > LARGEST:
        raise refused("InvalidParameterValue")


def complaint(message: Mapping[str, Any]) -> str | None:
    """Return the code with which SQS refuses a message; None where it takes it."""
    attributes = message.get("MessageAttributes") or {}
    delay = message.get("DelaySeconds", 0)
    if not message["MessageBody"]:
        return "MissingParameter"
    if _weight(message) > LARGEST or isinstance(delay, bool) or not 0 <= delay <= LONGEST_DELAY:
        return "InvalidParameterValue"
    if REFUSED_BY_SQS.search(message["MessageBody"]):
        return "InvalidMessageContents"
    if len(attributes) > MOST_ATTRIBUTES:
        return "InvalidParameterValue"
    for name, value in attributes.items():
        text = value.get("StringValue", "")
        if not _ATTRIBUTE_NAME.fullmatch(name) or not text or REFUSED_BY_SQS.search(text):
            return "InvalidParameterValue"
    return None


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
