"""Publishes to SNS in batches: to the topic `changes`, which sends each changed member to every target's queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from relay.adapters.aws.client import AwsCaller, aws, aws_errors
from relay.adapters.aws.sqs import attribute_values, chunks, entry_answers
from relay.errors import TransientError
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
        answers: list[Exception | None] = []
        for chunk in chunks(messages, _BYTES):
            answers += self._send(chunk)
        return answers

    def _send(self, chunk: Sequence[OutgoingMessage]) -> list[Exception | None]:
        entries = [
            {
                "Id": str(number),
                "Message": message.body,
                "MessageAttributes": attribute_values(message),
            }
            for number, message in enumerate(chunk)
        ]
        try:
            with aws_errors(f"topic {self.name}"):
                reply = self.aws.call(
                    "sns", "PublishBatch", {"TopicArn": self.arn, "PublishBatchRequestEntries": entries}
                )
        except TransientError as error:
            return [error] * len(chunk)
        return entry_answers(reply, len(chunk), f"topic {self.name}")
