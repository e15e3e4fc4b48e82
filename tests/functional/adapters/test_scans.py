"""Scans of the members and of the mirrors table: every item once, over pages."""

from __future__ import annotations

from typing import Any

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb.members import DynamoMembers
from relay.adapters.dynamodb.scans import DynamoMemberScan, DynamoSyncStatusScan
from relay.model.facts import Facts
from relay.model.member import Member, merge
from relay.model.messages import Outbox
from relay.ports.members import MemberRecord
from relay.ports.scans import Scan

from tests.support.moto_tables import make_table
from tests.support.port_fakes import NOW, SHOP


@pytest.fixture(autouse=True)
def _tables() -> None:
    make_table("members")
    make_table("mirrors")


def member(number: int, **values: Any) -> Member:
    facts = Facts(event_id="e", at=NOW, values=values)
    return merge(Member(shop=SHOP, customer_id=str(number)), facts)


def put(one: Member) -> None:
    DynamoMembers("members", SHOP).save(MemberRecord(member=one), Outbox(member=one.key, changed=True))


def all_of(scan: Scan[Any]) -> tuple[list[Any], int]:
    """Return everything, and in how many pages."""
    found, cursor, number = list[Any](), None, 0
    while True:
        page = scan.page(cursor)
        found += page.items
        number += 1
        if page.cursor is None:
            return found, number
        cursor = page.cursor


def test_every_member_is_read_once_over_pages() -> None:
    """More members than one page holds, and no other item of the table."""
    people = [member(number, last_name="x" * 9_000, first_name="y" * 9_000) for number in range(70)]
    for one in people:
        put(one)
    client("dynamodb").put_item(TableName="members", Item={"pk": {"S": "rules"}, "document": {"S": "{}"}})
    found, number = all_of(DynamoMemberScan("members", SHOP))
    assert number > 1
    assert sorted(one.key for one in found) == sorted(one.key for one in people)
    assert found[0] in people


def test_the_shops_name_is_compared_as_keys_are_written() -> None:
    """In lower case."""
    put(member(1))
    assert [one.key for one in DynamoMemberScan("members", SHOP.upper()).page().items] == [f"{SHOP}:1"]


def test_a_member_that_cannot_be_read_is_counted() -> None:
    """The others are read."""
    put(member(1))
    client("dynamodb").put_item(TableName="members", Item={"pk": {"S": f"{SHOP}:2"}, "f": {"S": "?"}})
    page = DynamoMemberScan("members", SHOP).page()
    assert ([one.key for one in page.items], page.unreadable) == ([f"{SHOP}:1"], 1)


def test_how_each_member_stands_in_each_crm() -> None:
    """By state, and the reason of a member that was skipped; other items of the table are left out."""
    items: list[dict[str, Any]] = [
        {"key": {"S": f"sync#hubspot#{SHOP}:1"}, "state": {"S": "mirrored"}},
        {"key": {"S": f"sync#hubspot#{SHOP}:2"}, "state": {"S": "skipped"}, "reason": {"S": "no_email"}},
        {"key": {"S": f"sync#hubspot#{SHOP}:3"}, "state": {"S": "refused"}, "reason": {"S": "invalid_email"}},
        {"key": {"S": f"sync#hubspot#{SHOP}:4"}, "claimed_until": {"N": "1"}},
        {"key": {"S": f"sync#klaviyo#{SHOP}:1"}, "state": {"S": "retry"}},
        {"key": {"S": f"read#{SHOP}:1"}, "state": {"S": "mirrored"}},
        {"key": {"S": "circuit#hubspot"}, "state": {"S": "open"}},
        {"key": {"S": "run#hubspot#waiting"}, "run": {"S": '{"due": "", "version_ends": "2027-09-01"}'}},
        {"key": {"S": "run#klaviyo#waiting"}, "run": {"S": '{"due": ""}'}},
        {"key": {"S": "run#hubspot#audit"}, "run": {"S": '{"version_ends": "2026-01-01"}'}},
    ]
    for item in items:
        client("dynamodb").put_item(TableName="mirrors", Item=item)
    assert sorted(all_of(DynamoSyncStatusScan("mirrors"))[0]) == [
        ("hubspot", "api_ends_2027-09-01"),
        ("hubspot", "mirrored"),
        ("hubspot", "no_email"),
        ("hubspot", "refused"),
        ("klaviyo", "retry"),
    ]
