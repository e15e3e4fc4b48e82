"""Stores the incidents in DynamoDB: one item each, and one for the hold queue; a write fails if another came first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from relay.adapters.aws.client import AwsCaller, aws, aws_errors
from relay.adapters.dynamodb import keys
from relay.adapters.dynamodb.attributes import Item, flag, text, text_of, time_to_live
from relay.adapters.dynamodb.versioned import put_version
from relay.errors import PermanentError
from relay.model.hold_queue import HoldQueue
from relay.model.incident import Incident
from relay.model.messages import json_adapter
from relay.ports.runtime import Clock

_TABLE: Final = "table incidents"

Stored = TypeVar("Stored", Incident, HoldQueue)


@dataclass(frozen=True, slots=True)
class DynamoIncidents:
    """Items of `key`, `version`, `open`, `expires` (seconds since 1970, for the table's TTL) and `document` (JSON).

    `open` is `Incident.is_open`, by which `open_incidents` selects. The hold queue has neither `open` nor `expires`.
    """

    table: str
    clock: Clock
    aws: AwsCaller = field(default_factory=aws)

    def load(self, key: str) -> Incident:
        """Read an incident; return an empty one for an unknown key.

        Raises:
            PermanentError: `unreadable_incident`, this version of the code cannot read what another one wrote.
            TransientError: the table does not answer.

        """
        return self._read(Incident, keys.incident(key)) or Incident(key=key)

    def save(self, incident: Incident) -> None:
        """Write it as version + 1.

        Raises:
            ConflictError: another writer wrote first.
            TransientError: the table does not answer.

        """
        expires = max(self.clock() + incident.retention, incident.muted_until or self.clock())
        attributes = {"open": flag(incident.is_open), "expires": time_to_live(expires)}
        self._write(keys.incident(incident.key), incident, attributes)

    def load_hold_queue(self) -> HoldQueue:
        """Read the hold queue; return an empty one where there is none yet. Errors as in `load`."""
        return self._read(HoldQueue, keys.HOLD_QUEUE) or HoldQueue()

    def save_hold_queue(self, queue: HoldQueue) -> None:
        """Write the hold queue as version + 1. Errors as in `save`."""
        self._write(keys.HOLD_QUEUE, queue, {})

    def open_incidents(self) -> Iterator[Incident]:
        """Yield the open incidents by a scan: for a command run now and then, an index would cost a write per alert.

        Errors as in `load`.
        """
        request: dict[str, Any] = {
            "TableName": self.table,
            "FilterExpression": "#open = :yes",
            "ExpressionAttributeNames": {"#open": "open"},
            "ExpressionAttributeValues": {":yes": flag(True)},  # noqa: FBT003 - the value itself
        }
        while True:
            with aws_errors(_TABLE):
                reply = self.aws.call("dynamodb", "Scan", request)
            yield from (_parsed(Incident, item) for item in reply["Items"])
            if "LastEvaluatedKey" not in reply:
                return
            request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]

    def _read(self, kind: type[Stored], key: str) -> Stored | None:
        with aws_errors(_TABLE):
            reply = self.aws.call(
                "dynamodb",
                "GetItem",
                {"TableName": self.table, "Key": {"key": text(key)}, "ConsistentRead": True},
            )
        item = reply.get("Item")
        return _parsed(kind, item) if item else None

    def _write(self, key: str, value: Incident | HoldQueue, attributes: Item) -> None:
        written = replace(value, version=value.version + 1)
        document = json_adapter(type(written)).dump_json(written, exclude_defaults=True).decode()
        item = {"key": text(key), "document": text(document), **attributes}
        put_version(self.aws, self.table, item, read=value.version, what=_TABLE)


def _parsed(kind: type[Stored], item: Item) -> Stored:
    try:
        parsed: Stored = json_adapter(kind).validate_json(text_of(item, "document") or "")
    except ValidationError:
        raise PermanentError("unreadable_incident") from None
    return parsed
