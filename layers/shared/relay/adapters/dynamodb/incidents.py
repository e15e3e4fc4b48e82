"""Incidents in DynamoDB: one item each, and one for the hold queue; a write fails if another came first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from botocore.exceptions import ClientError
from pydantic import TypeAdapter, ValidationError

from relay.adapters.aws.boto import aws_errors, client
from relay.errors import ConflictError, PermanentError
from relay.model.hold_queue import HoldQueue
from relay.model.incident import Incident
from relay.ports.runtime import Clock

HOLD_QUEUE_KEY: Final = "hold-queue"
"""The one item that is no incident: the key of every incident has a colon."""

Stored = TypeVar("Stored", Incident, HoldQueue)


@dataclass(frozen=True, slots=True)
class DynamoIncidents:
    """Items of `key`, `version`, `open`, `expires` (seconds since 1970, for the table's TTL) and `incident` (JSON).

    `open` is `Incident.is_open`, by which `relay alerts` selects. The hold queue has neither `open` nor `expires`.
    """

    table: str
    clock: Clock
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def load(self, key: str) -> Incident:
        """Read an incident; return an empty one for an unknown key.

        Raises:
            PermanentError: `unreadable_incident`, this version of the code cannot read what another one wrote.
            TransientError: the table does not answer.

        """
        return self._read(Incident, key) or Incident(key=key)

    def save(self, incident: Incident) -> None:
        """Write it as version + 1.

        Raises:
            ConflictError: another writer was faster.
            TransientError: the table does not answer.

        """
        written = replace(incident, version=incident.version + 1)
        until = max(self.clock() + written.retention, written.muted_until or self.clock())
        self._write(written.key, written, {"open": {"BOOL": written.is_open}, "expires": _seconds(until)})

    def load_hold_queue(self) -> HoldQueue:
        """Read the hold queue; return an empty one where there is none yet. Errors as in `load`."""
        return self._read(HoldQueue, HOLD_QUEUE_KEY) or HoldQueue()

    def save_hold_queue(self, queue: HoldQueue) -> None:
        """Write the hold queue as version + 1. Errors as in `save`."""
        self._write(HOLD_QUEUE_KEY, replace(queue, version=queue.version + 1), {})

    def _read(self, kind: type[Stored], key: str) -> Stored | None:
        with aws_errors("table incidents"):
            reply = self.dynamodb.get_item(TableName=self.table, Key={"key": {"S": key}}, ConsistentRead=True)
        item = reply.get("Item")
        return _parsed(kind, item) if item else None

    def _write(self, key: str, written: Incident | HoldQueue, attributes: dict[str, Any]) -> None:
        read = written.version - 1
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(#version)"}
        if read:
            condition = {
                "ConditionExpression": "#version = :read",
                "ExpressionAttributeValues": {":read": _number(read)},
            }
        document = _json(type(written)).dump_json(written, exclude_defaults=True).decode()
        item = {
            "key": {"S": key},
            "version": _number(written.version),
            "incident": {"S": document},
            **attributes,
        }
        with aws_errors("table incidents"):
            try:
                self.dynamodb.put_item(
                    TableName=self.table,
                    Item=item,
                    ExpressionAttributeNames={"#version": "version"},
                    **condition,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                    raise ConflictError("table incidents: written since") from error
                raise


def _parsed(kind: type[Stored], item: Mapping[str, Any]) -> Stored:
    try:
        parsed: Stored = _json(kind).validate_json(item["incident"]["S"])
    except (KeyError, ValidationError):
        raise PermanentError("unreadable_incident") from None
    return parsed


def _seconds(moment: datetime) -> dict[str, str]:
    return _number(int(moment.timestamp()))


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _json(kind: type[Any]) -> TypeAdapter[Any]:
    """Return the JSON adapter of a type, made once; it ignores fields that a newer version has added."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


_ADAPTERS: Final[dict[type[Any], TypeAdapter[Any]]] = {}
