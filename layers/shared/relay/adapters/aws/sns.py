"""Publishes to SNS in batches: to the topic `changes`, which sends each changed member to every target's queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from relay.adapters.aws.client import AwsCaller, aws, aws_errors
from relay.adapters.aws.sqs import answers_of, attribute_values, chunks, entry_answers
from relay.ports.messaging import OutgoingMessage

_BYTES: Final = 250_000
"""SNS takes 256 KiB a batch, where SQS takes 1 MiB."""


@dataclass(frozen=True, slots=True)
class SnsOutgoing:
    """A topic that is published to in batches (`ports.MessageSender`). `name` is for error texts."""

    arn: str
    name: str
    aws: AwsCaller = field(default_factory=aws)

    def send(self, messages: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        """Publish; return an answer for each message, by its own entry."""
        return [answer for chunk in chunks(messages, _BYTES) for answer in answers_of(chunk, self._send)]

    def _send(self, chunk: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        entries = [
            {
                "Id": str(number),
                "Message": message.body,
                "MessageAttributes": attribute_values(message),
            }
            for number, message in enumerate(chunk)
        ]
        with aws_errors(f"topic {self.name}"):
            reply = self.aws.call(
                "sns", "PublishBatch", {"TopicArn": self.arn, "PublishBatchRequestEntries": entries}
            )
        return entry_answers(reply, len(chunk), f"topic {self.name}")
