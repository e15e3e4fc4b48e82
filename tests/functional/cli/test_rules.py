"""`relay rules` with a stack: an applied document is in force for the next batch, an invalid one is never stored."""

from __future__ import annotations

import io
import json
import re
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
    assert re.search(r"^billing_attempts +3 +→ +4$", capsys.readouterr().out, re.MULTILINE)
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
    assert re.search(r"^billing_attempts +3 +→ +4$", capsys.readouterr().out, re.MULTILINE)
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
    assert re.search(r"^billing_attempts +3 +→ +4$", printed.out, re.MULTILINE)


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


def test_what_is_shown_can_be_applied(
    members: str, document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`show --document` prints what `apply` takes: applied to other rules, it makes the very rules it was printed of."""
    document.write_text(
        "billing_attempts: 4\nquiet_hours: {begin: 22:00, end: 07:30}\nthresholds: {high_value_credits: 0.5}\n"
        'tiers: {12e45678: {name: "Gold \\u2028 \\x7f é \\U0001F600", rank: 2, annual_fee: 99.90}}\n'
    )
    assert relay("apply", "--yes", str(document)) == 0
    wanted = rules_of(members)
    capsys.readouterr()
    assert relay("show", "--document") == 0
    shown = tmp_path / "shown.yaml"
    shown.write_text(capsys.readouterr().out)
    document.write_text("billing_attempts: 7\n")
    assert relay("apply", "--yes", str(document)) == 0
    assert rules_of(members) != wanted
    assert relay("apply", "--yes", str(shown)) == 0
    assert rules_of(members) == wanted
    assert relay("diff", str(shown)) == 0


def test_apply_prints_what_it_replaces(
    members: str, document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The replaced document is on the standard error, and with `--json` in the answer; nothing where nothing changes."""
    assert relay("apply", "--yes", str(document)) == 0
    capsys.readouterr()
    other = tmp_path / "other.yaml"
    other.write_text("billing_attempts: 5")
    assert relay("apply", "--yes", str(other)) == 0
    replaced = capsys.readouterr().err.partition("This document is replaced:\n")[2]
    other.write_text(replaced)
    assert relay("apply", "--yes", "--json", str(other)) == 0
    answer = json.loads(capsys.readouterr().out)
    assert json.loads(answer["replaced"]) == {"billing_attempts": 5}
    assert rules_of(members).billing_attempts == 4
    assert relay("apply", "--yes", str(other)) == 0
    assert "replaced" not in capsys.readouterr().err


def test_an_unreadable_document_that_is_replaced_is_printed(
    members: str, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What this version cannot read a person may."""
    client("dynamodb").put_item(
        TableName=members, Item={"pk": {"S": keys.RULES}, "document": {"S": '{"from": "the future"}'}}
    )
    assert relay("apply", "--yes", str(document)) == 0
    assert '{"from": "the future"}' in capsys.readouterr().err


@pytest.mark.parametrize("empty", ["", "# nothing\n", "{}"])
def test_an_empty_document_is_asked_about_twice(
    members: str, document: Path, monkeypatch: pytest.MonkeyPatch, empty: str
) -> None:
    """One yes is not enough for a document that sets nothing; two are. Without settings there is nothing to ask."""
    assert relay("apply", "--yes", str(document)) == 0
    document.write_text(empty)
    monkeypatch.setattr("sys.stdin", Terminal("y\nn\n"))
    with pytest.raises(CliError, match="nothing was changed"):
        relay("apply", str(document))
    assert rules_of(members).billing_attempts == 4
    monkeypatch.setattr("sys.stdin", Terminal("y\ny\n"))
    assert relay("apply", str(document)) == 0
    assert rules_of(members) == Rules()
    monkeypatch.setattr("sys.stdin", Terminal(""))
    assert relay("apply", str(document)) == 0
