"""SNS topics in memory, delivering raw into queues: at most ten entries and 256 KiB a batch."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.aws.client import RefusedCallError

from tests.support.aws.refusals import refused
from tests.support.aws.sqs import REFUSED_BY_SQS, FakeQueue

MOST_BYTES: Final = 262_144
MOST_ENTRIES: Final = 10
LONGEST_SUBJECT: Final = 100


@dataclass(slots=True)
class FakeTopic:
    """A topic with its raw subscriptions, and what was published to it."""

    queues: list[FakeQueue] = field(default_factory=list)
    published: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class FakeSns:
    """Topics by ARN."""

    topics: dict[str, FakeTopic] = field(default_factory=dict)

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out an operation of the service model."""
        topic = self.topics.get(body["TopicArn"])
        if topic is None:
            raise refused("NotFound", 404)
        if operation == "Publish":
            _check(body)
            self._deliver(topic, body)
            return {"MessageId": f"m{len(topic.published)}"}
        if operation != "PublishBatch":
            raise NotImplementedError(f"the fake SNS has no {operation}")
        entries: Sequence[Mapping[str, Any]] = body["PublishBatchRequestEntries"]
        if not entries:
            raise refused("EmptyBatchRequest")
        if len(entries) > MOST_ENTRIES:
            raise refused("TooManyEntriesInBatchRequest")
        if len({entry["Id"] for entry in entries}) < len(entries):
            raise refused("BatchEntryIdsNotDistinct")
        if sum(map(_weight, entries)) > MOST_BYTES:
            raise refused("BatchRequestTooLong")
        return self._publish_each(topic, entries)

    def _publish_each(self, topic: FakeTopic, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Publish what can be published; an entry that cannot fails by itself."""
        taken: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for entry in entries:
            try:
                _check(entry)
                self._deliver(topic, entry)
            except RefusedCallError as refusal:
                failed.append({"Id": entry["Id"], "Code": refusal.code, "SenderFault": "true"})
            else:
                taken.append({"Id": entry["Id"], "MessageId": entry["Id"]})
        return {"Successful": taken, "Failed": failed}

    def _deliver(self, topic: FakeTopic, message: Mapping[str, Any]) -> None:
        topic.published.append(message)
        for queue in topic.queues:
            queue.put(message["Message"], message.get("MessageAttributes") or {})


def _weight(message: Mapping[str, Any]) -> int:
    attributes = message.get("MessageAttributes") or {}
    return len(message["Message"].encode()) + sum(
        len(name.encode()) + len(value["DataType"]) + len(value.get("StringValue", "").encode())
        for name, value in attributes.items()
    )


def _check(message: Mapping[str, Any]) -> None:
    subject = message.get("Subject")
    # What SQS would refuse is refused here: SNS would take it, and a queue would never get it.
    if not message["Message"] or _weight(message) > MOST_BYTES or REFUSED_BY_SQS.search(message["Message"]):
        raise refused("InvalidParameter")
    # The service model: "UTF-8 text with no line breaks or control characters, and less than 100 characters long".
    if subject is not None and (
        not 1 <= len(subject) < LONGEST_SUBJECT
        or any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in subject)
    ):
        raise refused("InvalidParameter")
