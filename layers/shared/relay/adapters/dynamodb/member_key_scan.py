"""Reads the keys of all members, page by page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.aws.boto import aws_errors, client
from relay.adapters.dynamodb import keys
from relay.ports.scans import Page

_ITEMS_PER_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class DynamoMemberKeyScan:
    """`MemberKeyScan` of one shop."""

    table: str
    shop: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def page(self, cursor: str | None = None) -> Page[str]:
        """Return a page of keys."""
        start = {"ExclusiveStartKey": {"pk": {"S": cursor}}} if cursor else {}
        with aws_errors(f"table {self.table}"):
            reply = self.dynamodb.scan(
                TableName=self.table,
                Limit=_ITEMS_PER_PAGE,
                ProjectionExpression="pk",
                FilterExpression="begins_with(pk, :shop)",
                ExpressionAttributeValues={":shop": {"S": keys.members_of(self.shop)}},
                **start,
            )
        last = reply.get("LastEvaluatedKey")
        return Page(
            items=[item["pk"]["S"] for item in reply["Items"]], cursor=last["pk"]["S"] if last else None
        )
