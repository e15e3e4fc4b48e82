"""Reads whole tables page by page: members or their keys, and sync states of one CRM or of all.

A page is what DynamoDB reads for one answer, at most a megabyte. The reads are eventually consistent, at half
the price: a change of the last second that a run misses is written by its own event.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from relay.adapters.aws.client import AwsCaller, aws, aws_errors
from relay.adapters.dynamodb import keys
from relay.adapters.dynamodb.attributes import Item, moment, text, text_of
from relay.adapters.dynamodb.codec import decode
from relay.adapters.dynamodb.crm_state import decode_sync_state, for_each
from relay.adapters.dynamodb.versioned import conditional_write
from relay.errors import ConflictError
from relay.model.kpis import API_ENDS
from relay.model.member import Member
from relay.ports.crm_state import RunName, SyncState
from relay.ports.scans import Page

_KEYS_PER_PAGE: Final = 1_000
_SYNC_STATES_PER_PAGE: Final = 200
"""Two calls to a CRM that is read by the hundred, a few seconds in all."""


def scan_page(
    aws: AwsCaller, table: str, key: str, cursor: str | None, **request: Any
) -> tuple[Sequence[Mapping[str, Any]], str | None]:
    """Return a page of a table's items, and the cursor of the next page; None where this was the last.

    `key` is the name of the table's partition key, whose text is the cursor. `request` is passed to `Scan`.

    Raises:
        TransientError: the table does not answer.

    """
    start = {"ExclusiveStartKey": {key: text(cursor)}} if cursor else {}
    with aws_errors(f"table {table}"):
        reply = aws.call("dynamodb", "Scan", {"TableName": table, **start, **request})
    return reply["Items"], text_of(reply.get("LastEvaluatedKey", {}), key)


@dataclass(frozen=True, slots=True)
class DynamoMemberScan:
    """All members of one shop (`ports.Scan`)."""

    table: str
    shop: str
    aws: AwsCaller = field(default_factory=aws)

    def page(self, cursor: str | None = None) -> Page[Member]:
        """Return the members of the page at a cursor."""
        items, following = scan_page(self.aws, self.table, "pk", cursor)
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
    aws: AwsCaller = field(default_factory=aws)

    def page(self, cursor: str | None = None) -> Page[str]:
        """Return a page of keys."""
        items, following = scan_page(
            self.aws,
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
class DynamoSyncStateScan:
    """All sync states of one target (`ports.SyncStateScan`), and the progress of its long runs.

    run#{target}#{name}     run: JSON, how far a back-fill or an audit is, and its results
    """

    table: str
    target: str
    aws: AwsCaller = field(default_factory=aws)

    def page(self, cursor: str | None = None) -> Page[tuple[str, SyncState]]:
        """Return a page of (member key, sync state); it may be empty without being the last."""
        prefix = keys.sync_states_of(self.target)
        items, following = scan_page(
            self.aws,
            self.table,
            "key",
            cursor,
            Limit=_SYNC_STATES_PER_PAGE,
            FilterExpression="begins_with(#key, :prefix)",
            ExpressionAttributeNames={"#key": "key"},
            ExpressionAttributeValues={":prefix": text(prefix)},
        )
        found = [(item["key"]["S"].removeprefix(prefix), decode_sync_state(item)) for item in items]
        return Page(items=found, cursor=following)

    def waiting(self) -> Sequence[tuple[str, SyncState]]:
        """Return all members that wait, or whose latest try has no result: what is final has no next try.

        It reads the whole table, so it is asked only while some do.
        """
        prefix, cursor = keys.sync_states_of(self.target), None
        found: list[tuple[str, SyncState]] = []
        while True:
            items, cursor = scan_page(
                self.aws,
                self.table,
                "key",
                cursor,
                FilterExpression="begins_with(#key, :prefix) AND attribute_exists(next_try)",
                ExpressionAttributeNames={"#key": "key"},
                ExpressionAttributeValues={":prefix": text(prefix)},
            )
            found += [(item["key"]["S"].removeprefix(prefix), decode_sync_state(item)) for item in items]
            if cursor is None:
                return found

    def postpone(self, members: Sequence[str], now: datetime, until: datetime) -> None:
        """Set the next try of these members, as far as they still wait: they were queued `now`."""
        for_each(lambda member: self._postpone(member, now, until), members)

    def _postpone(self, member: str, now: datetime, until: datetime) -> None:
        try:
            with conditional_write(f"table {self.table}"):
                self.aws.call(
                    "dynamodb",
                    "UpdateItem",
                    {
                        "TableName": self.table,
                        "Key": {"key": text(keys.sync_state(self.target, member))},
                        "UpdateExpression": "SET next_try = :until, tried_at = :now",
                        "ConditionExpression": "attribute_exists(next_try)",
                        "ExpressionAttributeValues": {":until": moment(until), ":now": moment(now)},
                    },
                )
        except ConflictError:
            return  # written since

    def load_run(self, name: RunName) -> Mapping[str, Any]:
        """Return the stored progress of a run; empty if there was none."""
        with aws_errors(f"table {self.table}"):
            reply = self.aws.call(
                "dynamodb",
                "BatchGetItem",
                {"RequestItems": {self.table: {"Keys": [self._run_key(name)], "ConsistentRead": True}}},
            )
        item: dict[str, Any] = next(iter(reply["Responses"].get(self.table, ())), {})
        progress: Mapping[str, Any] = json.loads(item.get("run", {}).get("S", "{}"))
        return progress

    def save_run(self, name: RunName, progress: Mapping[str, Any]) -> None:
        """Store the progress of a run."""
        with aws_errors(f"table {self.table}"):
            self.aws.call(
                "dynamodb",
                "UpdateItem",
                {
                    "TableName": self.table,
                    "Key": self._run_key(name),
                    "UpdateExpression": "SET #run = :run",
                    "ExpressionAttributeNames": {"#run": "run"},
                    "ExpressionAttributeValues": {":run": {"S": json.dumps(dict(progress))}},
                },
            )

    def delete(self, member: str) -> None:
        """Delete a member's sync state: its next change is sent as if it were the first."""
        key = {"key": {"S": keys.sync_state(self.target, member)}}
        with aws_errors(f"table {self.table}"):
            self.aws.call("dynamodb", "DeleteItem", {"TableName": self.table, "Key": key})

    def _run_key(self, name: RunName) -> dict[str, Any]:
        return {"key": {"S": keys.run(self.target, name)}}


@dataclass(frozen=True, slots=True)
class DynamoSyncStatusScan:
    """The state of every member in every CRM, as pairs of the CRM and a state or reason (`ports.Scan`).

    Also the day on which a CRM ends the version of its API that is set, behind `API_ENDS`.
    """

    table: str
    aws: AwsCaller = field(default_factory=aws)

    def page(self, cursor: str | None = None) -> Page[tuple[str, str]]:
        """Return the states of the page at a cursor."""
        items, following = scan_page(
            self.aws,
            self.table,
            "key",
            cursor,
            ProjectionExpression="#key, #state, #reason, #run",
            ExpressionAttributeNames={"#key": "key", "#state": "state", "#reason": "reason", "#run": "run"},
        )
        states = [
            (parts[0], status)
            for item in items
            if (parts := keys.sync_state_parts(item["key"]["S"])) and (status := _status(item))
        ]
        states += [
            (target, f"{API_ENDS}{ends}")
            for item in items
            if (target := keys.waiting_run_target(item["key"]["S"])) and (ends := _version_ends(item))
        ]
        return Page(items=states, cursor=following)


def _status(item: Item) -> str | None:
    """Return the state of a member in a CRM; of one that was skipped, the reason."""
    state = text_of(item, "state")
    return text_of(item, "reason") or state if state == "skipped" else state


def _version_ends(item: Item) -> str:
    """Return the day that the progress of a CRM's waiting members names; empty where it names none."""
    progress = json.loads(text_of(item, "run") or "{}")
    return str(progress.get("version_ends", ""))
