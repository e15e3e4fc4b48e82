"""Items that carry a version and are written only over the version that was read.

The loop around such a write (read, change, write, and again after a conflict) is `ports.optimistic`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import ClientError

from relay.adapters.aws.boto import aws_errors
from relay.adapters.dynamodb.attributes import number
from relay.errors import ConflictError

VERSION: Final = "version"
"""The attribute that counts an item's writes, unless its table names another."""

_CONDITION_FAILED: Final = "ConditionalCheckFailedException"


@contextmanager
def conditional_write(what: str) -> Iterator[None]:
    """Translate what AWS raises for a write that has a condition. `what` names the table in errors.

    Raises:
        ConflictError: the condition does not hold.
        TransientError, MisconfiguredError: as `aws_errors`.

    """
    with aws_errors(what):
        try:
            yield
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == _CONDITION_FAILED:
                raise ConflictError(f"{what}: another invocation wrote first") from error
            raise


def put_version(  # noqa: PLR0913 - where, what, over which version
    dynamodb: Any, table: str, item: Mapping[str, Any], *, read: int, what: str, version: str = VERSION
) -> None:
    """Put an item as version `read` + 1; `read` is 0 where the item was not there.

    `version` is the name of the attribute that counts the writes; this function sets it.

    Raises:
        ConflictError: the table holds another version than `read`.
        TransientError: the table does not answer.

    """
    condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(#version)"}
    if read:
        condition = {
            "ConditionExpression": "#version = :read",
            "ExpressionAttributeValues": {":read": number(read)},
        }
    with conditional_write(what):
        dynamodb.put_item(
            TableName=table,
            Item={**item, version: number(read + 1)},
            ExpressionAttributeNames={"#version": version},
            **condition,
        )
