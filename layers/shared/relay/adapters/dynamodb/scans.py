"""Reads whole tables page by page: all members or their keys, and the sync states of all CRMs.

A page is what DynamoDB reads for one answer, at most a megabyte. The reads are eventually consistent, at half
the price: what a run misses of the last second, that second's events bring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.aws.boto import aws_errors, client
from relay.adapters.dynamodb import keys
from relay.adapters.dynamodb.attributes import Item, text, text_of
from relay.adapters.dynamodb.codec import decode
from relay.model.member import Member
from relay.ports.scans import Page

_KEYS_PER_PAGE: Final = 1_000


def scan_page(
    dynamodb: Any, table: str, key: str, cursor: str | None, **request: Any
) -> tuple[Sequence[Mapping[str, Any]], str | None]:
    """Return a page of a table's items, and the cursor of the next page; None where this was the last.

    `key` is the name of the table's partition key, whose text is the cursor. `request` is passed to `Scan`.

    Raises:
        TransientError: the table does not answer.

    """
    start = {"ExclusiveStartKey": {key: text(cursor)}} if cursor else {}
    with aws_errors(f"table {table}"):
        reply = dynamodb.scan(TableName=table, **start, **request)
    return reply["Items"], text_of(reply.get("LastEvaluatedKey", {}), key)


@dataclass(frozen=True, slots=True)
class DynamoMemberScan:
    """All members of one shop (`ports.Scan`)."""

    table: str
    shop: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def page(self, cursor: str | None = None) -> Page[Member]:
        """Return the members of the page at a cursor."""
        items, following = scan_page(self.dynamodb, self.table, "pk", cursor)
        members, unreadable = list[Member](), 0
        for item in items:
            # The table holds the rules as well: only a member's key begins with the shop.
            if item["pk"]["S"].startswith(keys.members_of(self.shop)):
                try:
                    members.append(decode(item).member)
                except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                    unreadable += 1
        return Page(items=members, cursor=following, unreadable=unreadable)


@dataclass(frozen=True, slots=True)
class DynamoMemberKeyScan:
    """The keys of all members of one shop (`ports.MemberKeyScan`)."""

    table: str
    shop: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def page(self, cursor: str | None = None) -> Page[str]:
        """Return the keys of the page at a cursor."""
        items, following = scan_page(
            self.dynamodb,
            self.table,
            "pk",
            cursor,
            Limit=_KEYS_PER_PAGE,
            ProjectionExpression="pk",
            FilterExpression="begins_with(pk, :shop)",
            ExpressionAttributeValues={":shop": text(keys.members_of(self.shop))},
        )
        return Page(items=[item["pk"]["S"] for item in items], cursor=following)


@dataclass(frozen=True, slots=True)
class DynamoSyncStatusScan:
    """The state of every member in every CRM, as pairs of the CRM and a state or reason (`ports.Scan`)."""

    table: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def page(self, cursor: str | None = None) -> Page[tuple[str, str]]:
        """Return the states of the page at a cursor."""
        items, following = scan_page(
            self.dynamodb,
            self.table,
            "key",
            cursor,
            ProjectionExpression="#key, #state, #reason",
            ExpressionAttributeNames={"#key": "key", "#state": "state", "#reason": "reason"},
        )
        states = [
            (parts[0], status)
            for item in items
            if (parts := keys.sync_state_parts(item["key"]["S"])) and (status := _status(item))
        ]
        return Page(items=states, cursor=following)


def _status(item: Item) -> str | None:
    """Return the state of a member in a CRM; of one that was skipped, the reason."""
    state = text_of(item, "state")
    return text_of(item, "reason") or state if state == "skipped" else state
