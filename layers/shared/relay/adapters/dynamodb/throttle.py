"""Who was read from the API when: one small item a member, in the mirrors table, keyed `reconcile#{member}`.

    read_at     when it was last read (milliseconds since 1970)
    free_at     until when it is not to be read again

The claim is one conditional update. Its key cannot be a mirror's: no CRM is called `reconcile`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from relay.adapters.aws.boto import aws_errors, client
from relay.model.fields import from_millis, to_millis
from relay.ports.inveterate import ReadTurn


@dataclass(frozen=True, slots=True)
class DynamoReadThrottle:
    """`ports.Turns` in a DynamoDB table."""

    table: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def load(self, key: str) -> ReadTurn:
        """Return a member's turn, as of the latest write."""
        with aws_errors(f"table {self.table}"):
            reply = self.dynamodb.get_item(TableName=self.table, Key=_key(key), ConsistentRead=True)
        item = reply.get("Item", {})
        return ReadTurn(read_at=_moment(item, "read_at"), free_at=_moment(item, "free_at"))

    def claim(self, key: str, *, now: datetime, until: datetime) -> bool:
        """Take the member's turn; False where somebody has it beyond `now`."""
        with aws_errors(f"table {self.table}"):
            try:
                self.dynamodb.update_item(
                    TableName=self.table,
                    Key=_key(key),
                    UpdateExpression="SET free_at = :until",
                    ConditionExpression="attribute_not_exists(free_at) OR free_at <= :now",
                    ExpressionAttributeValues={":until": _number(until), ":now": _number(now)},
                )
            except self.dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def settle(self, key: str, read_at: datetime | None) -> None:
        """Note when it was read; None gives the turn back, since it was not."""
        change: dict[str, Any] = {"UpdateExpression": "REMOVE free_at"}
        if read_at:
            change = {
                "UpdateExpression": "SET read_at = :at",
                "ExpressionAttributeValues": {":at": _number(read_at)},
            }
        with aws_errors(f"table {self.table}"):
            self.dynamodb.update_item(TableName=self.table, Key=_key(key), **change)


def _key(key: str) -> dict[str, Any]:
    return {"key": {"S": f"reconcile#{key}"}}


def _number(moment: datetime) -> dict[str, str]:
    return {"N": str(to_millis(moment))}


def _moment(item: Mapping[str, Any], name: str) -> datetime | None:
    return from_millis(int(item[name]["N"])) if name in item else None
