"""The members table in DynamoDB: what is written is read back, and no write overwrites another."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st
from inveterate.webhooks import TOPICS, model_for
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb import keys
from relay.adapters.dynamodb.codec import decode, encode
from relay.adapters.dynamodb.members import DynamoMembers
from relay.errors import ConflictError, MisconfiguredError, TransientError
from relay.ingest.reducer import REMEMBERED
from relay.model.balance_chain import KEPT, BalanceChange
from relay.model.facts import Facts
from relay.model.member import Member, merge
from relay.model.messages import EventEffects, Outbox
from relay.ports.members import MemberRecord
from relay.rules.document import document_of
from relay.rules.measures import Measures

from tests.support.moto_tables import make_table
from tests.support.port_fakes import NOW, SHOP, sample
from tests.support.topic_functions import TOPIC_RULES
from tests.unit.model.test_merging import a_fact, merged

KEY = f"{SHOP}:1"
QUIET = Outbox(member=KEY, changed=False)


@pytest.fixture
def table() -> DynamoMembers:
    return DynamoMembers(make_table("members"), SHOP)


def everything() -> Member:
    """Return a member after every topic's sample."""
    member = Member(shop=SHOP, customer_id="1")
    for topic in TOPICS:
        member = merge(member, TOPIC_RULES[topic].facts(model_for(topic).read(json.dumps(sample(topic)))))
    return member


def load(table: DynamoMembers, key: str = KEY) -> MemberRecord:
    return table.load([key])[0][key]


def test_a_new_member_is_an_empty_record(table: DynamoMembers) -> None:
    """A member without an item; the shop is the stack's."""
    assert load(table) == MemberRecord(member=Member(shop=SHOP, customer_id="1"))


def test_what_is_written_is_read_back(table: DynamoMembers) -> None:
    """All kinds of values, lots and the memory of ids, exactly; and with the next version."""
    record = MemberRecord(member=everything(), seen=("a" * 32, "0f" * 16))
    table.save(record, QUIET)
    assert load(table) == replace(record, version=1)


@given(st.lists(a_fact(), max_size=6, unique_by=lambda fact: fact.event_id))
def test_any_record_survives_the_table(facts: list[Any]) -> None:
    """Every record that events can make is read back exactly from its item."""
    record = MemberRecord(member=merged(facts), seen=tuple(f"{number:032x}" for number in range(len(facts))))
    assert decode(encode(record, QUIET)) == replace(record, version=1)


def test_a_write_in_between(table: DynamoMembers) -> None:
    """Of two writes on the same version the second is a conflict, for a new member and a known one."""
    record = load(table)
    table.save(record, QUIET)
    with pytest.raises(ConflictError):
        table.save(record, QUIET)
    table.save(load(table), QUIET)
    with pytest.raises(ConflictError):
        table.save(replace(record, version=1), QUIET)


def test_many_members_and_the_rules_in_one_read(table: DynamoMembers) -> None:
    """More members than one call takes; the rules' defaults where none are stored."""
    keys = [f"{SHOP}:{number}" for number in range(230)]
    for key in keys[::50]:
        table.save(MemberRecord(member=Member(shop=SHOP, customer_id=key.rpartition(":")[2])), QUIET)
    records, rules = table.load(keys)
    assert [record.version for record in records.values()] == [int(number % 50 == 0) for number in range(230)]
    assert rules.billing_attempts == 3


@pytest.mark.parametrize(
    ("document", "attempts"),
    [('{"billing_attempts": 5}', 5), ("{", None), ('{"unknown_setting": 1}', None), (7, None)],
)
def test_the_stored_rules(table: DynamoMembers, document: Any, attempts: int | None) -> None:
    """Stored rules apply; rules that cannot be read stop the work, and are never silently the defaults."""
    item = {"pk": {"S": "rules"}, "document": TypeSerializer().serialize(document)}
    client("dynamodb").put_item(TableName="members", Item=item)
    if attempts:
        assert table.load([KEY])[1].billing_attempts == attempts
    else:
        with pytest.raises(TransientError, match="rules"):
            table.load([KEY])


def test_what_a_newer_version_stored_is_kept(table: DynamoMembers) -> None:
    """Older code writes back the fields and attributes that it does not know, as they were."""
    table.save(MemberRecord(member=everything()), QUIET)
    dynamodb = client("dynamodb")
    item = dynamodb.get_item(TableName="members", Key={"pk": {"S": KEY}})["Item"]
    item["s"]["L"].append({"L": [{"N": "1"}, {"S": "api:2030"}]})
    item["f"]["M"]["mood"] = {"L": [{"S": "sunny"}, {"N": str(len(item["s"]["L"]) - 1)}]}
    item["z"] = {"S": "new"}
    dynamodb.put_item(TableName="members", Item=item)
    table.save(load(table), QUIET)
    after = dynamodb.get_item(TableName="members", Key={"pk": {"S": KEY}})["Item"]
    value, index = after["f"]["M"]["mood"]["L"]
    stamp = after["s"]["L"][int(index["N"])]
    assert (value, stamp, after["z"]) == (
        {"S": "sunny"},
        {"L": [{"N": "1"}, {"S": "api:2030"}]},
        {"S": "new"},
    )
    assert load(table).member == everything()


def test_an_item_without_a_chain_is_read(table: DynamoMembers) -> None:
    """A member without credit events has no chain; everything else is read."""
    item = encode(MemberRecord(member=everything()), QUIET)
    del item["c"]
    assert decode(item).member == replace(everything(), balance_chain=())


def test_the_item_is_small(table: DynamoMembers) -> None:
    """Every write pays for the item's bytes: a member with every field, chain and id costs two write units."""
    chain = tuple(
        BalanceChange(NOW + timedelta(minutes=minute), Decimal(minute * 15), Decimal(minute * 15 + 15))
        for minute in range(KEPT)
    )
    event_effects = EventEffects(event_id="a" * 32, topic="customer.updated", at=NOW)
    record = MemberRecord(
        member=replace(everything(), balance_chain=chain),
        seen=tuple(f"{number:032x}" for number in range(REMEMBERED)),
    )
    item = encode(record, Outbox(member=KEY, changed=True, events=(event_effects,)))
    size = sum(len(name) + weight(value) for name, value in item.items())
    assert size < 2048


def weight(value: dict[str, Any]) -> int:
    """Return about what DynamoDB counts for a value, in bytes."""
    ((kind, content),) = value.items()
    match kind:
        case "M":
            return 3 + sum(1 + len(name) + weight(part) for name, part in content.items())
        case "L":
            return 3 + sum(1 + weight(part) for part in content)
        case "N":
            return 1 + (len(content) + 1) // 2
        case "S":
            return len(content.encode())
        case "B":
            return len(content)
        case _:
            return 1


def test_money_and_moments_are_exact(table: DynamoMembers) -> None:
    """Many digits of an amount and the milliseconds of a moment come back."""
    content = sample("customer.credits.updated")
    content["payload"] |= {
        "customerId": "1",
        "newBalance": "123456789.891",
        "previousBalance": 0,
        "createdAt": "2025-05-30T10:18:11.721999Z",
    }
    event = model_for("customer.credits.updated").read(json.dumps(content))
    member = merge(Member(shop=SHOP, customer_id="1"), TOPIC_RULES["customer.credits.updated"].facts(event))
    table.save(MemberRecord(member=member), QUIET)
    loaded = load(table).member
    assert loaded.money("credit_balance") == Decimal("123456789.891")
    at = loaded.balance_chain[-1].at
    assert timedelta(0) <= datetime(2025, 5, 30, 10, 18, 11, 721999, UTC) - at < timedelta(milliseconds=1)


def test_what_is_newer_does_not_depend_on_the_table() -> None:
    """Of two facts within one millisecond the same one stands with a write in between as without."""
    first = Facts(event_id="a" * 32, at=NOW + timedelta(microseconds=900), values={"tier_name": "Gold"})
    second = Facts(event_id="b" * 32, at=NOW + timedelta(microseconds=100), values={"tier_name": "Blue"})
    member = merge(Member(shop=SHOP, customer_id="1"), first)
    stored = decode(encode(MemberRecord(member=member), QUIET)).member
    assert merge(member, second).text("tier_name") == merge(stored, second).text("tier_name")


def test_a_moment_is_cut_before_the_write() -> None:
    """The record holds no time finer than the table does, so a write changes nothing."""
    content = sample("customer.credits.updated")
    content["payload"] |= {
        "createdAt": "2025-05-30T10:18:11.721999Z",
        "expirationDate": "2025-06-30T10:00:00.000999Z",
    }
    event = model_for("customer.credits.updated").read(json.dumps(content))
    member = merge(Member(shop=SHOP, customer_id="1"), TOPIC_RULES["customer.credits.updated"].facts(event))
    assert decode(encode(MemberRecord(member=member), QUIET)).member == member


def test_a_table_that_is_not_there() -> None:
    """A setting is wrong: it is named, and the message is kept."""
    with pytest.raises(MisconfiguredError, match="members table"):
        DynamoMembers("nowhere", SHOP).load([KEY])


def test_measures_are_read_with_the_rules(table: DynamoMembers) -> None:
    """In the same read; they are no part of the merchant's document, and unreadable ones are none."""
    found = Measures(
        annual_fee={"USD": Decimal(240)}, currency="USD", attempts_seen={"gold": {"5": date(2026, 3, 1)}}
    )
    table.store_measures(found)
    table.store_rules('{"currency": "USD"}')
    _, rules = table.load(())
    assert (rules.measures, rules.currency) == (found, "USD")
    assert "measures" not in document_of(rules)
    client("dynamodb").put_item(
        TableName="members", Item={"pk": {"S": keys.MEASURES}, "document": {"S": "{"}}
    )
    assert table.load(())[1].measures == Measures()
