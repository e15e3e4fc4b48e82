"""A target's gate: one item of the mirrors table, `breaker#{target}`, written on condition that nobody wrote between.

until       closed until then (milliseconds since 1970); absent while open
trying      true while somebody, let through alone, finds out whether it can be opened
failures    calls in a row that got nowhere
reason      the latest's
version     how often it was written
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from relay.adapters.aws.boto import aws_errors, client
from relay.errors import TransientError
from relay.model.fields import from_millis, to_millis
from relay.ports.crm_state import CircuitRecord


@dataclass(frozen=True, slots=True)
class DynamoCircuits:
    """`ports.Gates` of one target."""

    table: str
    target: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def load(self) -> CircuitRecord:
        """Return the gate. Not the latest write at any price: who comes a moment late only calls in vain."""
        with aws_errors(f"table {self.table}"):
            reply = self.dynamodb.batch_get_item(RequestItems={self.table: {"Keys": [self._key]}})
        if reply.get("UnprocessedKeys"):
            raise TransientError(f"table {self.table}: throttled")
        item: dict[str, Any] = next(iter(reply["Responses"].get(self.table, ())), {})
        until = item.get("until", {}).get("N")
        return CircuitRecord(
            until=from_millis(int(until)) if until else None,
            trying=item.get("trying", {}).get("BOOL", False),
            failures=int(item.get("failures", {}).get("N", 0)),
            reason=item.get("reason", {}).get("S", ""),
            version=int(item.get("version", {}).get("N", 0)),
        )

    def swap(self, known: CircuitRecord, wanted: CircuitRecord) -> bool:
        """Write it as the next version; False where somebody wrote since `known`."""
        values = {
            ":trying": {"BOOL": wanted.trying},
            ":failures": {"N": str(wanted.failures)},
            ":reason": {"S": wanted.reason},
            ":version": {"N": str(wanted.version)},
            ":known": {"N": str(known.version)},
        }
        change = "SET trying = :trying, failures = :failures, reason = :reason, #version = :version"
        names = {"#version": "version", "#until": "until"}
        if wanted.until:
            values[":until"] = {"N": str(to_millis(wanted.until))}
            change += ", #until = :until"
        else:
            change += " REMOVE #until"
        condition = "#version = :known" if known.version else "attribute_not_exists(#version)"
        if not known.version:
            del values[":known"]
        with aws_errors(f"table {self.table}"):
            try:
                self.dynamodb.update_item(
                    TableName=self.table,
                    Key=self._key,
                    UpdateExpression=change,
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=values,
                )
            except self.dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        return True

    @property
    def _key(self) -> dict[str, Any]:
        return {"key": {"S": f"breaker#{self.target}"}}
