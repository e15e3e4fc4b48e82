"""All that was noted of one target's members, page by page, and where its long runs stand: in the mirrors table.

fill#{target}, audit#{target}      `run`, JSON: how far it is, and what it came to
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.aws.boto import aws_errors, client
from relay.adapters.dynamodb.crm_state import mirror_of
from relay.ports.crm_state import RunName, SyncStatePage

_LOOKED_AT: Final = 200
"""Items of a page: two calls to a CRM that is read by the hundred, a few seconds in all."""


@dataclass(frozen=True, slots=True)
class DynamoSyncStateScan:
    """`ports.Inventory` of one target."""

    table: str
    target: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def page(self, cursor: str | None = None) -> SyncStatePage:
        """Return a page of the mirrors; it may be empty and not the last."""
        begin = {"ExclusiveStartKey": {"key": {"S": cursor}}} if cursor else {}
        with aws_errors(f"table {self.table}"):
            reply = self.dynamodb.scan(
                TableName=self.table,
                Limit=_LOOKED_AT,
                FilterExpression="begins_with(#key, :target)",
                ExpressionAttributeNames={"#key": "key"},
                ExpressionAttributeValues={":target": {"S": f"{self.target}#"}},
                **begin,
            )
        mirrors = {
            item["key"]["S"].removeprefix(f"{self.target}#"): mirror_of(item) for item in reply["Items"]
        }
        last = reply.get("LastEvaluatedKey")
        return SyncStatePage(mirrors=mirrors, cursor=last["key"]["S"] if last else None)

    def run(self, name: RunName) -> Mapping[str, Any]:
        """Return what was noted of a run; empty where there was none."""
        with aws_errors(f"table {self.table}"):
            reply = self.dynamodb.batch_get_item(
                RequestItems={self.table: {"Keys": [self._key(name)], "ConsistentRead": True}}
            )
        item: dict[str, Any] = next(iter(reply["Responses"].get(self.table, ())), {})
        noted: Mapping[str, Any] = json.loads(item.get("run", {}).get("S", "{}"))
        return noted

    def note(self, name: RunName, run: Mapping[str, Any]) -> None:
        """Note where a run stands."""
        with aws_errors(f"table {self.table}"):
            self.dynamodb.update_item(
                TableName=self.table,
                Key=self._key(name),
                UpdateExpression="SET #run = :run",
                ExpressionAttributeNames={"#run": "run"},
                ExpressionAttributeValues={":run": {"S": json.dumps(dict(run))}},
            )

    def forget(self, key: str) -> None:
        """Forget a member: the next change of it is sent as if it were the first."""
        with aws_errors(f"table {self.table}"):
            self.dynamodb.delete_item(TableName=self.table, Key={"key": {"S": f"{self.target}#{key}"}})

    def _key(self, name: RunName) -> dict[str, Any]:
        return {"key": {"S": f"{name}#{self.target}"}}
