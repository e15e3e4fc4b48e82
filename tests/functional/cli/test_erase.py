"""`relay erase`: the record is empty of the person at once, the CRMs hear of it, and the journal knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import pytest
from relay.adapters.aws.boto import BotoAws
from relay.adapters.dynamodb.members import DynamoMembers
from relay.model.facts import Facts
from relay.model.member import Member, merge
from relay.model.messages import Outbox
from relay.ports.members import MemberRecord
from relay_cli.commands import erase
from relay_cli.errors import CliError, DeclinedError
from relay_cli.main import main
from relay_cli.stack import Stack

from tests.support.command_line import parsed
from tests.support.moto_tables import items_of, make_table

SHOP = "acme.myshopify.com"
KEY = f"{SHOP}:7001"
TOLD = datetime(2026, 3, 1, tzinfo=UTC)
NOW = TOLD + timedelta(days=30)


@dataclass
class CountingAws:
    """AWS as moto has it, with a journal in memory that may refuse."""

    inner: BotoAws
    lines: list[dict[str, Any]] = field(default_factory=list)
    refuses: bool = False
    ends_at: float | None = None

    def call(self, service: str, operation: str, body: Mapping[str, Any], *, repeatable: bool = True) -> Any:
        """Return moto's answer; keep what goes to the journal."""
        if service != "firehose":
            return self.inner.call(service, operation, body, repeatable=repeatable)
        if self.refuses:
            return {"RequestResponses": [{"ErrorCode": "ServiceUnavailableException"}]}
        self.lines.extend(json.loads(record["Data"]) for record in body["Records"])
        return {"RequestResponses": [{"RecordId": "1"}]}


AWS: list[CountingAws] = []


@dataclass(frozen=True)
class StackWithMembers(Stack):
    """A stack with a members table and a journal."""

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The outputs that the command reads."""
        return {"MembersTable": "members", "JournalStream": "journal"}

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The parameter that the command reads."""
        return {"ShopDomain": SHOP}

    def aws(self) -> Any:
        """Return AWS with the journal of the test."""
        return AWS[-1]


def relay(*words: str) -> int:
    """Run `relay erase …` with that stack."""
    arguments = parsed(erase.configure, *words)
    return erase.main(arguments, lambda given: StackWithMembers(given.stack))


@pytest.fixture(autouse=True)
def _world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the table, with one member in it, and a clock."""
    make_table("members")
    AWS.append(CountingAws(BotoAws(Stack("s").client)))
    monkeypatch.setattr(erase, "now", lambda: NOW)
    facts = Facts(
        event_id="a" * 32, at=TOLD, values={"email": "ada@example.com", "first_name": "Ada", "tier_id": "t1"}
    )
    member = merge(Member(shop=SHOP, customer_id="7001"), facts)
    store().save(MemberRecord(member=member, seen=("a" * 32,)), Outbox(member=KEY, changed=True))


def store() -> DynamoMembers:
    """Return the members table."""
    return DynamoMembers("members", SHOP, AWS[-1])


def record(key: str = KEY) -> MemberRecord:
    """Return a member's record as the table has it."""
    return store().load([key])[0][key]


def outbox() -> dict[str, Any]:
    """Return the outbox of the latest write."""
    [item] = [item for item in items_of("members") if item["pk"]["S"] == KEY]
    found: dict[str, Any] = json.loads(item["o"]["S"])
    return found


def test_a_member_is_erased_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing personal is left in the item; the membership and the ids of events are; the change goes to the CRMs."""
    assert relay("7001", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {
        "member": KEY,
        "known": True,
        "erased": True,
        "was_erased": False,
        "dropped": ["email", "first_name"],
        "at": NOW.isoformat(),
    }
    found = record()
    assert (found.member.is_erased, found.member.moment("erased_at"), found.version) == (True, NOW, 2)
    assert (found.member.value("email"), found.member.value("tier_id")) == (None, "t1")
    assert found.seen == ("a" * 32,)
    assert outbox() == {
        "member": KEY,
        "changed": True,
        "events": [],
        "newest_webhook_at": None,
        "backfill": False,
    }
    assert not {text for text in ("ada@example.com", "Ada") if text in str(items_of("members"))}


def test_the_journal_has_the_command_and_nothing_of_the_person() -> None:
    """One line for each command: who was erased, when, and that it was lifted."""
    relay("7001")
    relay("7001", "--undo")
    lines = AWS[-1].lines
    assert [(line["kind"], line["action"], line["customer"], line["outcome"]) for line in lines] == [
        ("action", "erased", "7001", "applied"),
        ("action", "lifted", "7001", "applied"),
    ]
    assert "da@" not in str(lines)


def test_undo_lets_the_record_take_personal_data_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was dropped stays dropped until it is told again."""
    relay("gid://shopify/Customer/7001")
    monkeypatch.setattr(erase, "now", lambda: NOW + timedelta(hours=1))
    assert relay("7001", "--undo") == 0
    assert "the erasure is lifted" in capsys.readouterr().out
    member = record().member
    assert (member.is_erased, member.value("email")) == (False, None)
    again = Facts(event_id="b" * 32, at=NOW, values={"email": "ada@example.com"})
    assert merge(member, again).value("email") == "ada@example.com"


@pytest.mark.parametrize("words", [("42",), ("42", "--undo"), ("42", "--json")])
def test_an_id_that_was_never_heard_of_is_asked_about(words: tuple[str, ...]) -> None:
    """It may be mistyped: without an answer the table and the journal stay as they are."""
    with pytest.raises(DeclinedError, match="has not heard of the customer 42") as declined:
        relay(*words)
    assert "--yes" in str(declined.value)
    assert (record(f"{SHOP}:42").version, AWS[-1].lines) == (0, [])


def test_a_member_that_was_never_heard_of_can_be_erased(capsys: pytest.CaptureFixture[str]) -> None:
    """What comes later is not taken; the output says that the id is new."""
    assert relay("42", "--yes") == 0
    assert "has not heard of this member" in capsys.readouterr().out
    member = record(f"{SHOP}:42").member
    late = Facts(event_id="c" * 32, at=NOW + timedelta(days=1), values={"email": "x@example.com"})
    assert merge(member, late).value("email") is None


def test_without_the_journal_nothing_is_changed() -> None:
    """What changed a record is surely in the journal."""
    AWS.append(CountingAws(AWS[-1].inner, refuses=True))
    with pytest.raises(CliError, match="run the command again"):
        relay("7001")
    assert record().member.value("email") == "ada@example.com"


@pytest.mark.parametrize("words", [["ada@example.com"], [""], ["70x1"], []])
def test_what_is_no_customer_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With the exit code of a wrong argument, and before anything is called."""
    assert main(["erase", *words]) == 2
    assert "CUSTOMER" in capsys.readouterr().err
