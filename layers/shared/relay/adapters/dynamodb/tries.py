"""Stores how often each suspect message was begun alone: one small item in the incidents table, `try#{message}`.

    tries      how often it was begun since it last ended in order
    expires    when the table may delete the item (seconds since 1970): no message is tried for longer than four days

The count is raised before each try, so that a try that ends the function counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from relay.adapters.aws.client import AwsCaller, aws, aws_errors
from relay.adapters.dynamodb import keys
from relay.adapters.dynamodb.attributes import Attribute, number, text, time_to_live
from relay.ports.runtime import Clock

_KEPT: Final = timedelta(days=4)
"""A queue keeps a message for four days."""


@dataclass(frozen=True, slots=True)
class DynamoTries:
    """`ports.TryCounter` in a DynamoDB table."""

    table: str
    clock: Clock
    aws: AwsCaller = field(default_factory=aws)

    def begin(self, message: str) -> int:
        """Count one more try; return how many there are with it.

        Raises:
            TransientError: the table does not answer, and nothing may be begun.

        """
        # A lost reply may count a try twice. Fewer tries are the safe side: a redrive gives five more.
        reply = self._update(
            message,
            UpdateExpression="SET expires = :expires ADD tries :one",
            ExpressionAttributeValues={":one": number(1), ":expires": self._expires()},
            ReturnValues="UPDATED_NEW",
        )
        return int(reply["Attributes"]["tries"]["N"])

    def clear(self, message: str) -> None:
        """Begin the count anew: the message ended in order.

        Raises:
            TransientError: the table does not answer.

        """
        self._update(
            message,
            UpdateExpression="SET expires = :expires, tries = :none",
            ExpressionAttributeValues={":none": number(0), ":expires": self._expires()},
        )

    def _expires(self) -> Attribute:
        return time_to_live(self.clock() + _KEPT)

    def _update(self, message: str, **request: Any) -> dict[str, Any]:
        with aws_errors(f"table {self.table}"):
            return self.aws.call(
                "dynamodb",
                "UpdateItem",
                {"TableName": self.table, "Key": {"key": text(keys.tries(message))}, **request},
            )
