"""Reads all sync states of one target, page by page, and stores the progress of its long runs.

key     run#{target}#{name}, name = backfill or audit
run     JSON: how far the run is, and its results
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.aws.boto import aws_errors, client
from relay.adapters.dynamodb import keys
from relay.adapters.dynamodb.crm_state import decode_sync_state
from relay.adapters.dynamodb.scans import scan_page
from relay.ports.crm_state import RunName, SyncState
from relay.ports.scans import Page

_ITEMS_PER_PAGE: Final = 200
"""Two calls to a CRM that is read by the hundred, a few seconds in all."""


@dataclass(frozen=True, slots=True)
class DynamoSyncStateScan:
    """`SyncStateScan` of one target."""

    table: str
    target: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def page(self, cursor: str | None = None) -> Page[tuple[str, SyncState]]:
        """Return a page of (member key, sync state); it may be empty without being the last."""
        prefix = keys.sync_states_of(self.target)
        items, following = scan_page(
            self.dynamodb,
            self.table,
            "key",
            cursor,
            Limit=_ITEMS_PER_PAGE,
            FilterExpression="begins_with(#key, :prefix)",
            ExpressionAttributeNames={"#key": "key"},
            ExpressionAttributeValues={":prefix": {"S": prefix}},
        )
        found = [(item["key"]["S"].removeprefix(prefix), decode_sync_state(item)) for item in items]
        return Page(items=found, cursor=following)

    def load_run(self, name: RunName) -> Mapping[str, Any]:
        """Return the stored progress of a run; empty if there was none."""
        with aws_errors(f"table {self.table}"):
            reply = self.dynamodb.batch_get_item(
                RequestItems={self.table: {"Keys": [self._run_key(name)], "ConsistentRead": True}}
            )
        item: dict[str, Any] = next(iter(reply["Responses"].get(self.table, ())), {})
        progress: Mapping[str, Any] = json.loads(item.get("run", {}).get("S", "{}"))
        return progress

    def save_run(self, name: RunName, progress: Mapping[str, Any]) -> None:
        """Store the progress of a run."""
        with aws_errors(f"table {self.table}"):
            self.dynamodb.update_item(
                TableName=self.table,
                Key=self._run_key(name),
                UpdateExpression="SET #run = :run",
                ExpressionAttributeNames={"#run": "run"},
                ExpressionAttributeValues={":run": {"S": json.dumps(dict(progress))}},
            )

    def delete(self, member: str) -> None:
        """Delete a member's sync state: its next change is sent as if it were the first."""
        key = {"key": {"S": keys.sync_state(self.target, member)}}
        with aws_errors(f"table {self.table}"):
            self.dynamodb.delete_item(TableName=self.table, Key=key)

    def _run_key(self, name: RunName) -> dict[str, Any]:
        return {"key": {"S": keys.run(self.target, name)}}
