"""The conditional put that every versioned item is written by, in DynamoDB."""

from __future__ import annotations

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb.attributes import text
from relay.adapters.dynamodb.versioned import conditional_write, put_version
from relay.errors import ConflictError, MisconfiguredError

from tests.support.moto_tables import items_of, make_table

ITEM = {"key": text("one")}


def test_an_item_is_written_over_the_version_that_was_read() -> None:
    """The first put makes version 1, the next one 2; the attribute's name is the caller's."""
    table, dynamodb = make_table("mirrors"), client("dynamodb")
    put_version(dynamodb, table, ITEM, read=0, what="table mirrors", version="n")
    put_version(dynamodb, table, {**ITEM, "a": text("b")}, read=1, what="table mirrors", version="n")
    assert items_of(table) == [{**ITEM, "a": {"S": "b"}, "n": {"N": "2"}}]


@pytest.mark.parametrize("read", [0, 1, 3])
def test_any_other_version_is_a_conflict(read: int) -> None:
    """A stale read and an item believed absent; nothing is written."""
    table, dynamodb = make_table("mirrors"), client("dynamodb")
    for version in (0, 1):
        put_version(dynamodb, table, ITEM, read=version, what="table mirrors")
    with pytest.raises(ConflictError, match="table mirrors"):
        put_version(dynamodb, table, {**ITEM, "a": text("b")}, read=read, what="table mirrors")
    assert items_of(table) == [{**ITEM, "version": {"N": "2"}}]


def test_other_refusals_are_no_conflicts() -> None:
    """A table that is not there is a matter of the settings."""
    with pytest.raises(MisconfiguredError), conditional_write("table absent"):
        client("dynamodb").put_item(TableName="absent", Item=ITEM)
