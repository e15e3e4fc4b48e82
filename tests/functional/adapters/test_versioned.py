"""The conditional put that every versioned item is written by, in DynamoDB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from relay.adapters.aws.boto import boto_aws
from relay.adapters.aws.client import RefusedCallError
from relay.adapters.dynamodb.attributes import text
from relay.adapters.dynamodb.versioned import conditional_write, put_version
from relay.errors import ConflictError, MisconfiguredError

from tests.support.moto_tables import items_of, make_table

ITEM = {"key": text("one")}


def test_an_item_is_written_over_the_version_that_was_read() -> None:
    """The first put makes version 1, the next one 2; the attribute's name is the caller's."""
    table, aws = make_table("mirrors"), boto_aws()
    put_version(aws, table, ITEM, read=0, what="table mirrors", version="n")
    put_version(aws, table, {**ITEM, "a": text("b")}, read=1, what="table mirrors", version="n")
    assert items_of(table) == [{**ITEM, "a": {"S": "b"}, "n": {"N": "2"}}]


@pytest.mark.parametrize("read", [0, 1, 3])
def test_any_other_version_is_a_conflict(read: int) -> None:
    """A stale read and an item believed absent; nothing is written."""
    table, aws = make_table("mirrors"), boto_aws()
    for version in (0, 1):
        put_version(aws, table, ITEM, read=version, what="table mirrors")
    with pytest.raises(ConflictError, match="table mirrors"):
        put_version(aws, table, {**ITEM, "a": text("b")}, read=read, what="table mirrors")
    assert items_of(table) == [{**ITEM, "version": {"N": "2"}}]


def test_other_refusals_are_no_conflicts() -> None:
    """A table that is not there is a problem of the settings."""
    with pytest.raises(MisconfiguredError), conditional_write("table absent"):
        boto_aws().call("dynamodb", "PutItem", {"TableName": "absent", "Item": ITEM})


class LostReply:
    """AWS that carries out the first write and loses its reply; the client tries again and meets the write."""

    ends_at: float | None = None

    def __init__(
        self, other: Mapping[str, Any] | None = None, returned: Mapping[str, Any] | None = None
    ) -> None:
        self.other = other
        self.returned = returned

    def call(
        self, service: str, operation: str, body: Mapping[str, Any], *, repeatable: bool = True
    ) -> dict[str, Any]:
        boto_aws().call(service, operation, {**body, "Item": self.other or body["Item"]})
        try:
            return boto_aws().call(service, operation, body)
        except RefusedCallError as refusal:
            fields = {**refusal.fields, "Item": self.returned or refusal.fields["Item"]}
            raise RefusedCallError(refusal.code, refusal.status, fields, after_lost_reply=True) from None


def test_our_own_write_is_no_conflict() -> None:
    """The reply got lost and the repetition met the write: it is written, bytes and all."""
    table = make_table("mirrors")
    put_version(LostReply(), table, {**ITEM, "b": {"B": b"\x00\xff"}}, read=0, what="table mirrors")
    assert items_of(table)[0]["version"] == {"N": "1"}


def test_our_own_numbers_are_known_by_their_value() -> None:
    """DynamoDB trims a number's zeros: what it returns is our own write all the same."""
    table = make_table("mirrors")
    written = {**ITEM, "a": {"L": [{"N": "10.00"}, {"M": {"b": {"N": "1E+2"}}}]}}
    returned = {**ITEM, "a": {"L": [{"N": "10"}, {"M": {"b": {"N": "100"}}}]}, "version": {"N": "1"}}
    put_version(LostReply(returned=returned), table, written, read=0, what="table mirrors")
    with pytest.raises(ConflictError):
        put_version(LostReply(returned=returned), table, ITEM, read=1, what="table mirrors")


def test_the_write_of_another_is_a_conflict_all_the_same() -> None:
    """A lost reply alone proves nothing: the table must hold the very item."""
    table = make_table("mirrors")
    other = {**ITEM, "a": text("theirs"), "version": {"N": "1"}}
    with pytest.raises(ConflictError):
        put_version(LostReply(other), table, {**ITEM, "a": text("ours")}, read=0, what="table mirrors")


def test_an_equal_write_without_a_lost_reply_is_a_conflict() -> None:
    """Another invocation wrote the same: its outbox is sent already, and the event is decided again from the record."""
    table = make_table("mirrors")
    put_version(boto_aws(), table, ITEM, read=0, what="table mirrors")
    with pytest.raises(ConflictError):
        put_version(boto_aws(), table, ITEM, read=0, what="table mirrors")
