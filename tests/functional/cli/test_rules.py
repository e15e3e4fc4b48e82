"""`relay rules` with a stack: an applied document is in force for the next batch, an invalid one is never stored."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb import keys
from relay.adapters.dynamodb.members import DynamoMembers
from relay.rules.settings import Rules
from relay_cli.commands.rules import command
from relay_cli.errors import CliError
from relay_cli.stack import Stack

from tests.support.command_line import parsed
from tests.support.moto_tables import make_table


@dataclass(frozen=True)
class StackWithMembersTable(Stack):
    """A stack with one output, the members table."""

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The members table."""
        return {"MembersTable": "members"}


class Terminal(io.StringIO):
    """A terminal at which this text is typed."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def relay(*words: str) -> int:
    """Run `relay rules …` with that stack."""
    return command.main(
        parsed(command.configure, *words), lambda arguments: StackWithMembersTable(arguments.stack)
    )


@pytest.fixture
def members() -> str:
    """Create the members table; return its name."""
    return make_table("members")


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """Return a good document."""
    path = tmp_path / "rules.yaml"
    path.write_text("billing_attempts: 4\nrules: {dunning.attempt: {on: false}}\n")
    return path


def rules_of(table: str) -> Rules:
    """Return the rules as a consumer reads them."""
    return DynamoMembers(table, "acme.myshopify.com").load([])[1]


def test_from_diff_to_apply(members: str, document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`diff` shows the changes and stores nothing; `apply` stores them; then `diff` finds no change."""
    assert relay("diff", str(document)) == 3
    assert "billing_attempts: 3 -> 4" in capsys.readouterr().out
    assert rules_of(members) == Rules()
    assert relay("apply", "--yes", str(document)) == 0
    assert rules_of(members).billing_attempts == 4
    assert not rules_of(members).setting_for("dunning.attempt").on
    assert relay("diff", str(document)) == 0
    capsys.readouterr()
    assert relay("show") == 0
    shown = capsys.readouterr().out
    assert "* billing_attempts: 4  (default 3)" in shown
    assert "* dunning.attempt" in shown


def test_an_invalid_document_is_not_stored(
    members: str, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An invalid document is refused before the table is read."""
    document.write_text("billing_attempts: 4\nrules: {nonsense: {on: false}}\n")
    assert relay("apply", str(document)) == 2
    assert "nonsense" in capsys.readouterr().err
    assert rules_of(members) == Rules()


def test_apply_asks_for_confirmation(
    members: str, document: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The changes are shown first; without a terminal, or with the answer no, nothing is stored."""
    with pytest.raises(CliError, match="confirm with --yes"):
        relay("apply", str(document))
    assert "billing_attempts: 3 -> 4" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    with pytest.raises(CliError, match="nothing was changed"):
        relay("apply", str(document))
    assert rules_of(members) == Rules()
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert relay("apply", str(document)) == 0
    assert rules_of(members).billing_attempts == 4


def test_a_missing_table_is_not_reported_as_unreadable_rules(
    document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the table the command reports that alone."""
    with pytest.raises(CliError) as refused:
        relay("apply", "--yes", str(document))
    assert "cannot be read" not in str(refused.value)
    printed = capsys.readouterr()
    assert printed.out + printed.err == ""


def test_unreadable_rules_are_replaced(
    members: str, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unreadable rules stop all processing: `show` and `diff` report it, and `apply` repairs it."""
    client("dynamodb").put_item(TableName=members, Item={"pk": {"S": keys.RULES}, "document": {"S": "{"}})
    for action in (["show"], ["diff", str(document)]):
        with pytest.raises(CliError, match="cannot be read"):
            relay(*action)
    assert relay("apply", "--yes", str(document)) == 0
    assert rules_of(members).billing_attempts == 4
    printed = capsys.readouterr()
    assert "cannot be read" in printed.err
    assert "billing_attempts: 3 -> 4" in printed.out


def test_unreadable_rules_are_replaced_by_the_defaults(members: str, document: Path) -> None:
    """An empty document replaces unreadable rules as well."""
    client("dynamodb").put_item(TableName=members, Item={"pk": {"S": keys.RULES}, "document": {"S": "{"}})
    document.write_text("")
    assert relay("apply", "--yes", str(document)) == 0
    assert rules_of(members) == Rules()


def test_apply_as_json(members: str, document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` lists the changes and whether they were applied; each stored document has the next number."""
    assert relay("apply", "--yes", "--json", str(document)) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["applied"]
    assert {"path": "billing_attempts", "now": 3, "then": 4} in answer["changes"]
    document.write_text("billing_attempts: 5")
    assert relay("apply", "--yes", "--json", str(document)) == 0
    item = client("dynamodb").get_item(TableName=members, Key={"pk": {"S": keys.RULES}})["Item"]
    assert (item["n"], json.loads(item["document"]["S"])) == ({"N": "2"}, {"billing_attempts": 5})
