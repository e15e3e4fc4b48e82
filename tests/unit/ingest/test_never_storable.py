"""What a table will never take costs its own event alone: the member's other events, and the other members, go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from relay.adapters.dynamodb.members import DynamoMembers
from relay.errors import PermanentError, TransientError
from relay.model.facts import Lot
from relay.model.member import Member
from relay.model.messages import Outbox
from relay.model.registers import Register
from relay.model.stamps import Stamp
from relay.ports.members import MemberRecord, load_each
from relay.rules.settings import Rules

from tests.support.aws.fake_aws import FakeAws
from tests.support.port_fakes import SHOP, FakeMembers, World, queued
from tests.unit.ingest.consumer_runs import KEY, lost, run


def table() -> tuple[FakeAws, DynamoMembers]:
    aws = FakeAws()
    aws.dynamodb.table("members", "pk")
    return aws, DynamoMembers("members", SHOP, aws)


def record(**registers: Register) -> MemberRecord:
    return MemberRecord(member=Member(shop=SHOP, customer_id="1", registers=registers))


OUTBOX = Outbox(member=f"{SHOP}:1", changed=True)
STAMP = Stamp.of(datetime(2026, 3, 1, tzinfo=UTC), "a" * 32)
LOT = Lot(Decimal("1" * 39), datetime(2026, 9, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (record(email=Register("x", Stamp.of(datetime(1900, 1, 1, tzinfo=UTC), "a" * 32))), "not_storable"),
        (MemberRecord(member=Member(shop=SHOP, customer_id="1", lots={"a" * 32: LOT})), "not_storable"),
        (record(email=Register("x" * 420_000, STAMP)), "refused_by_service"),
    ],
    ids=["a stamp before 1970", "39 digits", "an item of over 400 KB"],
)
def test_what_no_table_takes_is_permanent(value: MemberRecord, reason: str) -> None:
    """It is no outage and no defect: the message goes to the dead letters, and no value of it into the text."""
    _, members = table()
    with pytest.raises(PermanentError) as caught:
        members.save(value, OUTBOX)
    assert caught.value.reason == reason
    assert "xxx" not in str(caught.value)


def test_an_email_of_420_000_characters_does_not_hold_up_the_member() -> None:
    """In one batch with a good event and another member's: one letter with the message itself, two events applied."""
    aws, members = table()
    world = World()
    world.members = members  # type: ignore[assignment]  # the real store
    long = lost(at="2025-05-30T12:00:00.000Z")
    long["payload"]["customer"] = {
        "id": long["payload"]["customerId"],
        "email": "x" * 420_000 + "@example.com",
    }
    records = [
        queued(lost(), message_id="good", event_id="a" * 32),
        queued(long, message_id="long", event_id="b" * 32),
        queued(lost("7"), message_id="other", event_id="c" * 32),
    ]
    world.members = SmallTable(members)  # type: ignore[assignment]  # likewise
    assert run(world, *records) == []
    assert sorted(line["id"][0] for line in world.journal.lines) == ["a", "c"]
    (letter,) = world.dead_letters.sent
    assert (letter.header.reason, letter.body) == ("refused_by_service", records[1]["body"])
    assert len(aws.dynamodb.tables["members"].items) == 2


@dataclass
class SmallTable:
    """A members table to which an event with the id `b…` is too large, whatever the models make of its values."""

    inner: DynamoMembers
    saves: list[str] = field(default_factory=list)

    def load(self, keys: Iterable[str]) -> tuple[Mapping[str, MemberRecord], Rules]:
        return self.inner.load(keys)

    def save(self, record: MemberRecord, outbox: Outbox) -> None:
        self.saves.append(record.member.key)
        if "b" * 32 in record.seen:
            raise PermanentError("refused_by_service", "members table: ValidationException")
        self.inner.save(record, outbox)


@dataclass
class BrokenRecord(FakeMembers):
    """A members table whose item of one member cannot be read."""

    broken: str = KEY
    error: Exception = field(default_factory=lambda: KeyError("f"))

    def load(self, keys: Iterable[str]) -> tuple[Mapping[str, MemberRecord], Rules]:
        wanted = list(keys)
        if self.broken in wanted:
            raise self.error
        return super().load(wanted)


@pytest.mark.parametrize(
    ("error", "returned", "letters"),
    [(KeyError("f"), ["bad"], 0), (PermanentError("refused_by_service"), [], 1)],
)
def test_a_record_that_cannot_be_read_costs_the_others_nothing(
    error: Exception, returned: list[str], letters: int
) -> None:
    """They are read one by one then: a defect returns its own message, a refusal ends its own."""
    world = World(members=BrokenRecord(error=error))
    records = [queued(lost(), message_id="bad"), queued(lost("7"), message_id="good", event_id="c" * 32)]
    assert run(world, *records) == returned
    assert [line["customer"] for line in world.journal.lines] == ["7"]
    assert len(world.dead_letters.sent) == letters


def test_a_table_that_does_not_answer_is_asked_once() -> None:
    """An outage is no broken record: nothing is read one by one, and everything waits."""
    store = BrokenRecord(error=TransientError("down"))
    with pytest.raises(TransientError):
        load_each(store, [KEY, "other"])


def test_the_rules_come_with_what_could_be_read() -> None:
    """Also where no record could."""
    loaded = load_each(BrokenRecord(), [KEY])
    assert (dict(loaded.records), list(loaded.errors)) == ({}, [KEY])
    assert loaded.rules == Rules()
