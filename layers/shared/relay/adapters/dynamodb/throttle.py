"""Stores when the API was last read for each member: one small item in the mirrors table, `read#{member}`.

    read_at         when it was last read (milliseconds since 1970)
    next_read_at    from when on it may be read again
    claim           the latest claim's token: a claim whose reply was lost is known by it

The claim is one conditional update.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from relay.adapters.aws.client import AwsCaller, RefusedCallError, aws, aws_errors
from relay.adapters.dynamodb import keys
from relay.adapters.dynamodb.attributes import Attribute, moment, moment_of, text
from relay.adapters.dynamodb.versioned import conditional_write, own_item
from relay.errors import ConflictError
from relay.ports.inveterate import ReadState


@dataclass(frozen=True, slots=True)
class DynamoReadThrottle:
    """`ports.ReadThrottle` in a DynamoDB table."""

    table: str
    aws: AwsCaller = field(default_factory=aws)

    def load(self, key: str) -> ReadState:
        """Return when a member was read and may be read again, as of the latest write."""
        with aws_errors(f"table {self.table}"):
            reply = self.aws.call(
                "dynamodb", "GetItem", {"TableName": self.table, "Key": _key(key), "ConsistentRead": True}
            )
        item = reply.get("Item", {})
        return ReadState(read_at=moment_of(item, "read_at"), next_read_at=moment_of(item, "next_read_at"))

    def claim(self, key: str, *, now: datetime, until: datetime) -> bool:
        """Claim the member's read until then; False while another invocation's claim lasts beyond `now`."""
        mine = {"claim": text(uuid4().hex)}
        try:
            with conditional_write(f"table {self.table}"):
                try:
                    self._update(
                        key,
                        UpdateExpression="SET next_read_at = :until, claim = :claim",
                        ConditionExpression="attribute_not_exists(next_read_at) OR next_read_at <= :now",
                        ExpressionAttributeValues={
                            ":until": moment(until),
                            ":now": moment(now),
                            ":claim": mine["claim"],
                        },
                        ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    )
                except RefusedCallError as refusal:
                    # Without this, a lost reply would make the member wait an hour for our own claim.
                    if own_item(refusal, mine) is None:
                        raise
        except ConflictError:
            return False
        return True

    def mark_read(self, key: str, at: datetime) -> None:
        """Record when the member was read; the claim stays."""
        with aws_errors(f"table {self.table}"):
            self._update(
                key,
                UpdateExpression="SET read_at = :at",
                ExpressionAttributeValues={":at": moment(at)},
            )

    def release(self, key: str) -> None:
        """Release the claim: the member was not read."""
        with aws_errors(f"table {self.table}"):
            self._update(key, UpdateExpression="REMOVE next_read_at")

    def _update(self, key: str, **request: Any) -> None:
        self.aws.call("dynamodb", "UpdateItem", {"TableName": self.table, "Key": _key(key), **request})


def _key(key: str) -> dict[str, Attribute]:
    return {"key": text(keys.read_throttle(key))}
