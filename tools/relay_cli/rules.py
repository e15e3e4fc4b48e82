"""`relay rules`: the business rules of a deployed stack: shown, checked, compared and replaced."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from relay.errors import TransientError, UnreadableRulesError
from relay.rules.document import InvalidRulesError, differences, document_of, remarks, validated
from relay.rules.settings import Rules

from relay_cli import plain_yaml
from relay_cli.account import Account, add_stack
from relay_cli.asking import ask
from relay_cli.failing import CliError
from relay_cli.rules_showing import as_text, show

if TYPE_CHECKING:
    from relay.adapters.dynamodb.members import DynamoMembers

Table: TypeAlias = "Callable[[], DynamoMembers]"
Changes: TypeAlias = list[tuple[str, Any, Any]]

REFUSED: Final = 2
"""The exit code for a document that cannot hold."""

DIFFERENT: Final = 3
"""The exit code of `diff` where the document would change something, as `diff` has one."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    commands = parser.add_subparsers(required=True, metavar="ACTION")
    for name, about in (
        ("show", "print the rules in force, what differs from the defaults marked"),
        ("validate", "check a document, without any stack"),
        ("diff", "say what a document would change; exits with 3 where there is something"),
        ("apply", "check a document, say what it changes, and put it into force if you agree"),
    ):
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(action=name)
        sub.add_argument("--json", action="store_true", help="print JSON")
        if name != "show":
            sub.add_argument("file", type=Path, help="YAML or JSON; `-` reads the standard input")
        if name != "validate":
            add_stack(sub)
        if name == "apply":
            sub.add_argument("--yes", action="store_true", help="do not ask")
        if name == "show":
            sub.add_argument("--defaults", action="store_true", help="of no stack: the defaults alone")


def main(arguments: argparse.Namespace, account_of: Callable[[str], Account] = Account) -> int:
    """Do what the action says; return the exit code (2: the document cannot hold, 3: `diff` found something)."""

    def table() -> DynamoMembers:
        from relay.adapters.dynamodb.members import DynamoMembers

        account = account_of(arguments.stack)
        return DynamoMembers(account.output("MembersTable"), shop="", dynamodb=account.client("dynamodb"))

    match arguments.action:
        case "show":
            return show(Rules() if arguments.defaults else _stored(table), as_json=arguments.json)
        case "validate":
            return _validate(arguments)
        case "diff":
            return _diff(arguments, table)
        case _:
            return _apply(arguments, table)


def _validate(arguments: argparse.Namespace) -> int:
    rules = _read(arguments)
    if rules is None:
        return REFUSED
    if arguments.json:
        print(json.dumps({"valid": True, "problems": [], "remarks": list(remarks(rules))}, indent=2))
    else:
        print("This document can hold.")
    return 0


def _diff(arguments: argparse.Namespace, table: Table) -> int:
    rules = _read(arguments)
    if rules is None:
        return REFUSED
    changes = list(differences(_stored(table), rules))
    _say(changes, arguments, applied=False)
    return DIFFERENT if changes else 0


def _apply(arguments: argparse.Namespace, table: Table) -> int:
    rules = _read(arguments)
    if rules is None:
        return REFUSED
    try:
        changes: Changes = list(differences(_stored(table), rules))
    except UnreadableError:
        # What cannot be read stops all work: putting it right is just what this command is for.
        print(
            "The rules in force cannot be read. This document replaces them; beside the defaults:",
            file=sys.stderr,
        )
        changes = list(differences(Rules(), rules)) or [("everything", None, "the defaults")]
    asked = bool(changes) and not arguments.yes
    if asked and not arguments.json:
        _say(changes, arguments, applied=False)
    if asked:
        ask(f"This changes the rules of {arguments.stack} with the next batch of events. Go on?")
    if changes:
        _store(table, rules)
    if arguments.json or not asked:
        _say(changes, arguments, applied=bool(changes))
    if changes and not arguments.json:
        print("In force with the next batch of events.")
    return 0


def _say(changes: Changes, arguments: argparse.Namespace, *, applied: bool) -> None:
    if arguments.json:
        rows = [{"path": path, "now": now, "then": then} for path, now, then in changes]
        print(json.dumps({"changes": rows, "applied": applied}, indent=2))
        return
    for path, now, then in changes:
        print(f"{path}: {as_text(now)} -> {as_text(then)}")
    if not changes:
        print("The same rules are in force.")


def _read(arguments: argparse.Namespace) -> Rules | None:
    """Return the document's rules; None where it cannot hold, which is then said."""
    try:
        rules = validated(_parsed(arguments.file))
    except InvalidRulesError as error:
        if arguments.json:
            print(json.dumps({"valid": False, "problems": list(error.problems)}, indent=2))
        else:
            print("\n".join(error.problems), file=sys.stderr)
        return None
    for remark in remarks(rules):
        print(f"look at {remark}", file=sys.stderr)
    return rules


def _parsed(path: Path) -> object:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise CliError(f"{path} cannot be read: {why}") from None
    try:
        parsed = plain_yaml.load(text)
    except ValueError as error:
        raise InvalidRulesError((str(error),)) from None
    return {} if parsed is None else parsed


class UnreadableError(CliError):
    """The stack answers, and the rules that it holds make no sense."""


def _stored(table: Table) -> Rules:
    try:
        _, rules = table().load([])
    except UnreadableRulesError as error:
        raise UnreadableError(str(error), "`relay rules apply` replaces rules that cannot be read") from None
    except TransientError as error:
        raise CliError(str(error)) from None
    return rules


def _store(table: Table, rules: Rules) -> None:
    try:
        table().store_rules(json.dumps(document_of(rules)))
    except TransientError as error:
        raise CliError(str(error)) from None
