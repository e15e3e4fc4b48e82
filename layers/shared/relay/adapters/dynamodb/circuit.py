"""Stores the circuit of one CRM: one item of the mirrors table, written only over the version that was read.

key         circuit#{target}
state       closed, open or half_open
open_until  when a probe is let through, or when the probe counts as dead (milliseconds since 1970); absent while closed
failures    failed calls in a row
reason      the latest failure's
version     how often it was written
by_code     whether one code that met many members opened it
evidence    the latest calls that speak for that: a list of pairs of a member key and a code
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from relay.adapters.aws.client import AwsCaller, aws, aws_errors
from relay.adapters.dynamodb import attributes, keys
from relay.adapters.dynamodb.versioned import VERSION, conditional_write
from relay.errors import ConflictError, TransientError
from relay.ports.crm_state import CircuitRecord, CircuitState


@dataclass(frozen=True, slots=True)
class DynamoCircuits:
    """`CircuitStore` of one target."""

    table: str
    target: str
    aws: AwsCaller = field(default_factory=aws)

    def load(self) -> CircuitRecord:
        """Return the record. The read is eventually consistent: an invocation that misses a write makes one call in vain."""
        with aws_errors(f"table {self.table}"):
            reply = self.aws.call(
                "dynamodb", "BatchGetItem", {"RequestItems": {self.table: {"Keys": [self._key]}}}
            )
        if reply.get("UnprocessedKeys"):
            raise TransientError(f"table {self.table}: throttled")
        item: dict[str, Any] = next(iter(reply["Responses"].get(self.table, ())), {})
        return CircuitRecord(
            state=cast("CircuitState", attributes.text_of(item, "state") or "closed"),
            until=attributes.moment_of(item, "open_until"),
            failures=attributes.count_of(item, "failures"),
            reason=attributes.text_of(item, "reason") or "",
            version=attributes.count_of(item, VERSION),
            by_code=item.get("by_code", {}).get("BOOL") is True,
            evidence=tuple(
                (str(member), str(code)) for member, code in attributes.from_attribute(item["evidence"])
            )
            if "evidence" in item
            else (),
        )

    def compare_and_swap(self, known: CircuitRecord, wanted: CircuitRecord) -> bool:
        """Write `wanted` over `known`; return False if it was written since."""
        values = {
            ":state": attributes.text(wanted.state),
            ":failures": attributes.number(wanted.failures),
            ":reason": attributes.text(wanted.reason),
            ":version": attributes.number(wanted.version),
            ":by_code": attributes.flag(wanted.by_code),
            ":evidence": attributes.to_attribute([list(pair) for pair in wanted.evidence]),
        }
        change = "SET #state = :state, failures = :failures, reason = :reason, #version = :version"
        change += ", by_code = :by_code, evidence = :evidence"
        if wanted.until:
            values[":until"] = attributes.moment(wanted.until)
            change += ", open_until = :until"
        else:
            change += " REMOVE open_until"
        condition = "attribute_not_exists(#version)"
        if known.version:
            values[":known"] = attributes.number(known.version)
            condition = "#version = :known"
        try:
            # An update and no put: the function may not put items into this table.
            with conditional_write(f"table {self.table}"):
                self.aws.call(
                    "dynamodb",
                    "UpdateItem",
                    {
                        "TableName": self.table,
                        "Key": self._key,
                        "UpdateExpression": change,
                        "ConditionExpression": condition,
                        "ExpressionAttributeNames": {"#state": "state", "#version": VERSION},
                        "ExpressionAttributeValues": values,
                    },
                )
        except ConflictError:
            return False
        return True

    @property
    def _key(self) -> dict[str, Any]:
        return {"key": attributes.text(keys.circuit(self.target))}
