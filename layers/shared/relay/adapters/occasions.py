"""The notifier's memory in DynamoDB: one item per occasion, written only on top of what was read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from pydantic import TypeAdapter, ValidationError

from relay.adapters.aws import aws_errors, client
from relay.errors import ConflictError, PermanentError
from relay.occasions import Occasion
from relay.ports import Clock


@dataclass(frozen=True, slots=True)
class DynamoOccasions:
    """Items of `key`, `version`, `open`, `expires` (seconds since 1970, for the table's TTL) and `occasion` (JSON)."""

    table: str
    clock: Clock
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def load(self, key: str) -> Occasion:
        """Read an occasion; an untouched one where there is none yet.

        Raises:
            PermanentError: `unreadable_occasion`, when a newer version of this code wrote what this one cannot read.
            TransientError: when the table does not answer.

        """
        with aws_errors("table occasions"):
            reply = self.dynamodb.get_item(TableName=self.table, Key={"key": {"S": key}}, ConsistentRead=True)
        item = reply.get("Item")
        if item is None:
            return Occasion(key=key)
        try:
            return _json().validate_json(item["occasion"]["S"])
        except ValidationError:
            raise PermanentError("unreadable_occasion") from None

    def save(self, occasion: Occasion) -> None:
        """Write it as version + 1.

        Raises:
            ConflictError: when it was written since.
            TransientError: when the table does not answer.

        """
        with aws_errors("table occasions"):
            try:
                self.dynamodb.put_item(
                    TableName=self.table,
                    Item=self._item(occasion),
                    ConditionExpression="#version = :read"
                    if occasion.version
                    else "attribute_not_exists(#version)",
                    ExpressionAttributeNames={"#version": "version"},
                    **(
                        {"ExpressionAttributeValues": {":read": _number(occasion.version)}}
                        if occasion.version
                        else {}
                    ),
                )
            except ClientError as error:
                if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                    raise ConflictError("table occasions: written since") from error
                raise

    def _item(self, occasion: Occasion) -> dict[str, Any]:
        written = replace(occasion, version=occasion.version + 1)
        return {
            "key": {"S": written.key},
            "version": _number(written.version),
            "open": {"BOOL": written.open},
            "expires": _number(int((self.clock() + written.kept_for).timestamp())),
            "occasion": {"S": _json().dump_json(written, exclude_defaults=True).decode()},
        }


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


@cache
def _json() -> TypeAdapter[Occasion]:
    """Return the reader and writer; it leaves aside fields that a newer version has added."""
    return TypeAdapter(Occasion)
