"""The keys of all members, page by page, for what concerns every one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.aws.boto import aws_errors, client

_LOOKED_AT: Final = 1_000


@dataclass(frozen=True, slots=True)
class DynamoMemberKeyScan:
    """The roll (`filling.Roll`) of one shop's members."""

    table: str
    shop: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def keys(self, cursor: str | None = None) -> tuple[Sequence[str], str | None]:
        """Return a page of keys, and the cursor of the next; None where this was the last."""
        begin = {"ExclusiveStartKey": {"pk": {"S": cursor}}} if cursor else {}
        with aws_errors(f"table {self.table}"):
            reply = self.dynamodb.scan(
                TableName=self.table,
                Limit=_LOOKED_AT,
                ProjectionExpression="pk",
                FilterExpression="begins_with(pk, :shop)",
                ExpressionAttributeValues={":shop": {"S": f"{self.shop.lower()}:"}},
                **begin,
            )
        last = reply.get("LastEvaluatedKey")
        return [item["pk"]["S"] for item in reply["Items"]], last["pk"]["S"] if last else None
