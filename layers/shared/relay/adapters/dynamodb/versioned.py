"""Writes an item that carries a version only over the version that was read.

The loop around such a write (read, change, write, and again after a conflict) is `ports.optimistic`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from relay.adapters.aws.client import AwsCaller, RefusedCallError, aws_errors
from relay.adapters.dynamodb.attributes import from_attribute, number
from relay.errors import ConflictError

VERSION: Final = "version"
"""The attribute that counts an item's writes, unless its table names another."""

CONDITION_FAILED: Final = "ConditionalCheckFailedException"
"""The code of a write whose condition does not hold."""


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
        except RefusedCallError as refusal:
            if refusal.code == CONDITION_FAILED:
                raise ConflictError(f"{what}: another invocation wrote first") from refusal
            raise


def put_version(  # noqa: PLR0913 - where, what, over which version
    aws: AwsCaller, table: str, item: Mapping[str, Any], *, read: int, what: str, version: str = VERSION
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
    written = {**item, version: number(read + 1)}
    request = {
        "TableName": table,
        "Item": written,
        "ExpressionAttributeNames": {"#version": version},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **condition,
    }
    with conditional_write(what):
        try:
            aws.call("dynamodb", "PutItem", request)
        except RefusedCallError as refusal:
            if not _is_our_own(refusal, written):
                raise


def own_item(refusal: RefusedCallError, written: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the item where a conflict is with this very write: its first try was carried out, and its answer got lost.

    `written` are the attributes that the write sets and no other write would set alike. The request asks for the item
    by `ReturnValuesOnConditionCheckFailure`.
    """
    item: Mapping[str, Any] = refusal.fields.get("Item", {})
    if refusal.code != CONDITION_FAILED or not refusal.after_lost_reply or not written.keys() <= item.keys():
        return None
    # By value: DynamoDB returns `10` where `10.00` was written.
    is_own = all(from_attribute(item[name]) == from_attribute(value) for name, value in written.items())
    return item if is_own else None


def _is_our_own(refusal: RefusedCallError, written: Mapping[str, Any]) -> bool:
    return own_item(refusal, written) is not None and refusal.fields["Item"].keys() == written.keys()
