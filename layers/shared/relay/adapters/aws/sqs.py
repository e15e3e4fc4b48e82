"""Sends to SQS in batches, defers messages, acknowledges early, and receives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from relay.adapters.aws.client import AwsCaller, aws, aws_errors, refusal_error
from relay.errors import PermanentError, TransientError
from relay.ports.messaging import OutgoingMessage
from relay.queues.batch import Message, read_message

_ENTRIES: Final = 10
_BYTES: Final = 1_000_000
"""A batch may have 1 MiB in all; the rest is left for what the API adds."""


@dataclass(frozen=True, slots=True)
class SqsOutgoing:
    """A queue that is sent to (`ports.MessageSender`). `name` is for error texts."""

    url: str
    name: str
    aws: AwsCaller = field(default_factory=aws)

    def send(self, messages: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        """Send in batches that SQS takes; return an answer for each message, by its own entry."""
        return [answer for chunk in chunks(messages) for answer in answers_of(chunk, self._send)]

    def _send(self, chunk: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        entries = [
            {
                "Id": str(number),
                "MessageBody": message.body,
                "DelaySeconds": message.delay,
                "MessageAttributes": attribute_values(message),
            }
            for number, message in enumerate(chunk)
        ]
        with aws_errors(f"queue {self.name}"):
            reply = self.aws.call("sqs", "SendMessageBatch", {"QueueUrl": self.url, "Entries": entries})
        return entry_answers(reply, len(chunk), f"queue {self.name}")


_Part = TypeVar("_Part")


def answers_of(
    parts: Sequence[_Part], send: Callable[[Sequence[_Part]], Sequence[Exception | None]]
) -> Sequence[Exception | None]:
    """Return the answers of one batch call, an answer for each of its parts.

    A refusal of the whole call that can never turn may be the fault of one part: each is then sent by itself, so that
    the others go on.
    """
    try:
        return send(parts)
    except TransientError as error:
        return [error] * len(parts)
    except PermanentError as error:
        if len(parts) == 1:
            return [error]
        return [answer for part in parts for answer in answers_of([part], send)]


def attribute_values(message: OutgoingMessage) -> dict[str, dict[str, str]]:
    """Return a message's attributes as SQS and SNS take them."""
    return {name: {"DataType": "String", "StringValue": value} for name, value in message.attributes.items()}


def entry_answers(reply: Mapping[str, Any], number: int, what: str) -> list[Exception | None]:
    """Return an answer for each of `number` entries of a batch: None only where the reply names it as successful.

    An entry that is refused for what it says is a `PermanentError`: sent again, it would be refused again.
    """
    taken = {entry["Id"] for entry in reply.get("Successful", ())}
    failed = {entry["Id"]: entry for entry in reply.get("Failed", ())}
    return [
        None if entry_id in taken else _entry_error(failed.get(entry_id), what)
        for entry_id in map(str, range(number))
    ]


def _entry_error(entry: Mapping[str, Any] | None, what: str) -> Exception:
    if entry is None:
        return TransientError(f"{what}: no answer")
    # SNS's XML has the flag as a text.
    is_sender_fault = entry.get("SenderFault") in {True, "true"}
    return refusal_error(what, entry.get("Code", "unknown"), sender_fault=is_sender_fault)


@dataclass(frozen=True, slots=True)
class SqsSource:
    """The queue that a function reads."""

    url: str
    name: str
    aws: AwsCaller = field(default_factory=aws)

    def defer(self, messages: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        """Send delayed copies to the same queue."""
        return SqsOutgoing(self.url, self.name, self.aws).send(messages)

    def delete(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        """Acknowledge early; one answer for each message, None where it is surely deleted."""
        starts = range(0, len(messages), _ENTRIES)
        return [
            answer
            for start in starts
            for answer in answers_of(messages[start : start + _ENTRIES], self._delete)
        ]

    def waiting(self) -> int:
        """Return about how many messages wait in the queue, the delayed ones included.

        Raises:
            TransientError: SQS does not answer.

        """
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
        with aws_errors(f"queue {self.name}"):
            request = {"QueueUrl": self.url, "AttributeNames": names}
            reply = self.aws.call("sqs", "GetQueueAttributes", request)
        return sum(int(reply["Attributes"].get(name, 0)) for name in names)

    def _delete(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        entries = [
            {"Id": str(number), "ReceiptHandle": message.receipt} for number, message in enumerate(messages)
        ]
        with aws_errors(f"queue {self.name}"):
            reply = self.aws.call("sqs", "DeleteMessageBatch", {"QueueUrl": self.url, "Entries": entries})
        return entry_answers(reply, len(messages), f"queue {self.name}")


@dataclass(frozen=True, slots=True)
class SqsInbox:
    """A queue that is polled. `hidden_for` are seconds; None leaves them to the queue's visibility timeout."""

    url: str
    name: str
    aws: AwsCaller = field(default_factory=aws)
    hidden_for: int | None = None

    def receive(self) -> Sequence[Message]:
        """Return up to ten messages; they are hidden from other readers for a while.

        Raises:
            TransientError: SQS does not answer.

        """
        with aws_errors(f"queue {self.name}"):
            reply = self.aws.call(
                "sqs",
                "ReceiveMessage",
                {
                    "QueueUrl": self.url,
                    "MaxNumberOfMessages": _ENTRIES,
                    "WaitTimeSeconds": 1,
                    "MessageAttributeNames": ["All"],
                    "MessageSystemAttributeNames": ["All"],
                    **({} if self.hidden_for is None else {"VisibilityTimeout": self.hidden_for}),
                },
            )
        return [read_message(_as_lambda_record(message)) for message in reply.get("Messages", ())]

    def delete(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages. One that is not deleted comes again, and is handled again."""
        SqsSource(self.url, self.name, self.aws).delete(messages)

    def release(self, receipts: Sequence[str]) -> None:
        """Show messages to other readers again. One that is not released appears by itself when its time is over."""
        for start in range(0, len(receipts), _ENTRIES):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for number, receipt in enumerate(receipts[start : start + _ENTRIES])
            ]
            try:
                with aws_errors(f"queue {self.name}"):
                    body = {"QueueUrl": self.url, "Entries": entries}
                    self.aws.call("sqs", "ChangeMessageVisibilityBatch", body)
            except TransientError:
                return


def _as_lambda_record(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a received message as Lambda's events have it: the same values under other names."""
    return {
        "messageId": message["MessageId"],
        "body": message["Body"],
        "receiptHandle": message["ReceiptHandle"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {"stringValue": value.get("StringValue")}
            for name, value in message.get("MessageAttributes", {}).items()
        },
    }


def chunks(messages: Sequence[OutgoingMessage], heaviest: int = _BYTES) -> Iterator[list[OutgoingMessage]]:
    """Cut messages into batches that the API takes: at most ten messages, and `heaviest` bytes in all."""
    chunk: list[OutgoingMessage] = []
    weight = 0
    for message in messages:
        size = len(message.body.encode()) + sum(
            len(name) + len(value) + 6 for name, value in message.attributes.items()
        )
        if chunk and (len(chunk) == _ENTRIES or weight + size > heaviest):
            yield chunk
            chunk, weight = [], 0
        chunk.append(message)
        weight += size
    if chunk:
        yield chunk
