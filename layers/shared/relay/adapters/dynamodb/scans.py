"""The members and the mirrors table, read through page by page: for the clock's daily round.

A page is what DynamoDB reads for one answer, a megabyte. Both reads are eventually consistent, at half
the price: what a round misses of the last second is an event's to tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.aws.boto import aws_errors, client
from relay.adapters.dynamodb.codec import decode
from relay.model.member import Member
from relay.ports.scans import Page

_NO_TARGETS: Final = frozenset({"reconcile"})
"""What else has items in the mirrors table: who was read from the API when (`turns.py`)."""


@dataclass(frozen=True, slots=True)
class DynamoMemberScan:
    """All members of one shop (`ports.Pages`)."""

    table: str
    shop: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def page(self, after: str | None = None) -> Page[Member]:
        """Return the members of the page that follows the key `after`."""
        reply = _scan(self.dynamodb, self.table, "pk", after)
        members, unreadable = list[Member](), 0
        for item in reply["Items"]:
            # The rules have an item here as well, and others may: a member's key begins with the shop.
            if item["pk"]["S"].startswith(f"{self.shop.lower()}:"):
                try:
                    members.append(decode(item).member)
                except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                    unreadable += 1
        return Page(items=members, after=_next(reply, "pk"), unreadable=unreadable)


@dataclass(frozen=True, slots=True)
class DynamoSyncStatePages:
    """How every member stands in every CRM, as (CRM, state or reason) (`ports.Pages`)."""

    table: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def page(self, after: str | None = None) -> Page[tuple[str, str]]:
        """Return the states of the page that follows the key `after`."""
        reply = _scan(
            self.dynamodb,
            self.table,
            "key",
            after,
            ProjectionExpression="#key, #state, #reason",
            ExpressionAttributeNames={"#key": "key", "#state": "state", "#reason": "reason"},
        )
        states = [
            (target, _state(item))
            for item in reply["Items"]
            for target, sign, _ in [item["key"]["S"].partition("#")]
            if sign and target not in _NO_TARGETS and "state" in item
        ]
        return Page(items=states, after=_next(reply, "key"))


def _state(item: Mapping[str, Any]) -> str:
    """Return the state; of a member that was passed over, why."""
    state: str = item["state"]["S"]
    reason: str = item.get("reason", {}).get("S", "")
    return reason or state if state == "skipped" else state


def _scan(dynamodb: Any, table: str, key: str, after: str | None, **how: Any) -> Mapping[str, Any]:
    start = {"ExclusiveStartKey": {key: {"S": after}}} if after else {}
    with aws_errors(f"table {table}"):
        reply: Mapping[str, Any] = dynamodb.scan(TableName=table, **start, **how)
    return reply


def _next(reply: Mapping[str, Any], key: str) -> str | None:
    last: str | None = reply.get("LastEvaluatedKey", {}).get(key, {}).get("S")
    return last
