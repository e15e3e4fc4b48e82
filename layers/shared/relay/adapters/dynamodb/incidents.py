"""The notifier's memory in DynamoDB: one item per incident, written only on top of what was read."""

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

ROOM: Final = "waiting-room"
"""The one item that is no incident: every incident's key has a colon."""

Kept = TypeVar("Kept", Incident, HoldQueue)


@dataclass(frozen=True, slots=True)
class DynamoIncidents:
    """Items of `key`, `version`, `open`, `expires` (seconds since 1970, for the table's TTL) and `incident` (JSON).

    `open` is for who lists what is open: whether it stands.
    """

    table: str
    clock: Clock
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def load(self, key: str) -> Incident:
        """Read an incident; an untouched one where there is none yet.

        Raises:
            PermanentError: `unreadable_incident`, when a newer version of this code wrote what this one cannot read.
            TransientError: when the table does not answer.

        """
        return self._read(Incident, key) or Incident(key=key)

    def save(self, incident: Incident) -> None:
        """Write it as version + 1.

        Raises:
            ConflictError: when it was written since.
            TransientError: when the table does not answer.

        """
        written = replace(incident, version=incident.version + 1)
        until = max(self.clock() + written.kept_for, written.muted_until or self.clock())
        self._write(written.key, written, {"open": {"BOOL": written.stands}, "expires": _seconds(until)})

    def room(self) -> HoldQueue:
        """Read the waiting room; an empty one where there is none yet. Errors as in `load`."""
        return self._read(HoldQueue, ROOM) or HoldQueue()

    def keep(self, room: HoldQueue) -> None:
        """Write the waiting room as version + 1. Errors as in `save`."""
        self._write(ROOM, replace(room, version=room.version + 1), {})

    def _read(self, kind: type[Kept], key: str) -> Kept | None:
        with aws_errors("table incidents"):
            reply = self.dynamodb.get_item(TableName=self.table, Key={"key": {"S": key}}, ConsistentRead=True)
        item = reply.get("Item")
        return _parsed(kind, item) if item else None

    def _write(self, key: str, written: Incident | HoldQueue, about: dict[str, Any]) -> None:
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
            **about,
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


def _parsed(kind: type[Kept], item: Mapping[str, Any]) -> Kept:
    try:
        parsed: Kept = _json(kind).validate_json(item["incident"]["S"])
    except (KeyError, ValidationError):
        raise PermanentError("unreadable_incident") from None
    return parsed


def _seconds(moment: datetime) -> dict[str, str]:
    return _number(int(moment.timestamp()))


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _json(kind: type[Any]) -> TypeAdapter[Any]:
    """Return the reader and writer, made once; it leaves aside fields that a newer version has added."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


_ADAPTERS: Final[dict[type[Any], TypeAdapter[Any]]] = {}
