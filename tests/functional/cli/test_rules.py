"""`relay rules` against a stack: what is applied holds for the next batch, what is bad never gets there."""

from __future__ import annotations

import argparse
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
from relay_cli import rules
from relay_cli.account import Account
from relay_cli.failing import CliError

from tests.support.moto_tables import make_table


@dataclass(frozen=True)
class OneTable(Account):
    """A stack of which its members table alone is known."""

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The one output that is needed."""
        return {"MembersTable": "members"}


class Terminal(io.StringIO):
    """A person who types this."""

    def isatty(self) -> bool:
        """Say that somebody is there."""
        return True


def relay(*words: str) -> int:
    """Run `relay rules …` against that stack."""
    parser = argparse.ArgumentParser()
    rules.configure(parser)
    return rules.main(parser.parse_args(words), OneTable)


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
    """`diff` says and does nothing; `apply` says and does; then there is nothing to say any more."""
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


def test_a_bad_document_is_never_live(
    members: str, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused before the table is asked for anything."""
    document.write_text("billing_attempts: 4\nrules: {nonsense: {on: false}}\n")
    assert relay("apply", str(document)) == 2
    assert "nonsense" in capsys.readouterr().err
    assert rules_of(members) == Rules()


def test_nothing_is_applied_unasked(
    members: str, document: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The difference is shown first; where nobody can be asked, or they say no, nothing is done."""
    with pytest.raises(CliError, match="say --yes"):
        relay("apply", str(document))
    assert "billing_attempts: 3 -> 4" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    with pytest.raises(CliError, match="nothing was done"):
        relay("apply", str(document))
    assert rules_of(members) == Rules()
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert relay("apply", str(document)) == 0
    assert rules_of(members).billing_attempts == 4


def test_what_keeps_us_is_all_that_is_said(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the table the rules are not unreadable: the command says what is wrong, and claims nothing else."""
    with pytest.raises(CliError) as refused:
        relay("apply", "--yes", str(document))
    assert "cannot be read" not in str(refused.value)
    told = capsys.readouterr()
    assert told.out + told.err == ""


def test_rules_that_cannot_be_read_are_replaced(
    members: str, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Broken rules stop all work: `show` says so, and `apply` puts it right."""
    client("dynamodb").put_item(TableName=members, Item={"pk": {"S": keys.RULES}, "document": {"S": "{"}})
    for action in (["show"], ["diff", str(document)]):
        with pytest.raises(CliError, match="cannot be read"):
            relay(*action)
    assert relay("apply", "--yes", str(document)) == 0
    assert rules_of(members).billing_attempts == 4
    told = capsys.readouterr()
    assert "cannot be read" in told.err
    assert "billing_attempts: 3 -> 4" in told.out


def test_broken_rules_give_way_to_the_defaults(members: str, document: Path) -> None:
    """A document that sets nothing replaces what cannot be read as well."""
    client("dynamodb").put_item(TableName=members, Item={"pk": {"S": keys.RULES}, "document": {"S": "{"}})
    document.write_text("")
    assert relay("apply", "--yes", str(document)) == 0
    assert rules_of(members) == Rules()


def test_for_programs(members: str, document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` lists the changes and whether they were applied; each application has the next number."""
    assert relay("apply", "--yes", "--json", str(document)) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["applied"]
    assert {"path": "billing_attempts", "now": 3, "then": 4} in answer["changes"]
    document.write_text("billing_attempts: 5")
    assert relay("apply", "--yes", "--json", str(document)) == 0
    item = client("dynamodb").get_item(TableName=members, Key={"pk": {"S": keys.RULES}})["Item"]
    assert (item["n"], json.loads(item["document"]["S"])) == ({"N": "2"}, {"billing_attempts": 5})
