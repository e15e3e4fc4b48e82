"""The grants table: what was promised to whom, and how much of each month's ceiling is promised.

    key         `grant#{key}`                   or `month#{2026-11}`
    state       `open` or `granted`             promised   in all, in the shop's currency unit
    customer, amount                            expires    likewise
    attempt     how many posts were allowed
    since       when the latest was (milliseconds since 1970)
    month       whose ceiling it counts under
    by          the effect that asked first
    expires     when it may be forgotten (seconds since 1970)

A table of its own: mirrors can be made again and go with the stack, while a promise that is forgotten is
one that can be made twice. So it stays when the stack goes, and when the API's key is taken out of it.

An item lasts thirteen months beyond its last change, and an event is granted nothing after one (`leaving.py`):
a replay of anything older finds no promise and is refused all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from relay.adapters.aws.boto import aws_errors, client
from relay.adapters.dynamodb.grants import DynamoGrants, grant_key, month_key
from relay.ports.grants import GrantRecord, MonthlyBudget
from relay.ports.runtime import Clock


@dataclass(frozen=True, slots=True)
class DynamoGrantRecords:
    """`ports.Promises` in a DynamoDB table."""

    table: str
    clock: Clock
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def load(self, key: str) -> GrantRecord | None:
        """Return what is promised under a key, as of the latest write."""
        item = self._get(grant_key(key))
        if not item:
            return None
        return GrantRecord(
            customer_id=item["customer"]["S"],
            amount=Decimal(item["amount"]["N"]),
            by=item.get("by", {}).get("S", ""),
            granted=item["state"]["S"] == "granted",
        )

    def promised(self, month: str) -> Decimal:
        """Return how much is promised for a month, as of the latest write."""
        return Decimal(self._get(month_key(month)).get("promised", {}).get("N", "0"))

    def intents(self, allowance: MonthlyBudget | None, by: str) -> DynamoGrants:
        """Return the intents of one grant, counted under this allowance."""
        return DynamoGrants(self.table, self.clock, allowance, by, self.dynamodb)

    def _get(self, key: dict[str, Any]) -> dict[str, Any]:
        with aws_errors(f"table {self.table}"):
            reply = self.dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        item: dict[str, Any] = reply.get("Item", {})
        return item
