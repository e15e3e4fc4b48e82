"""`relay rules`: the business rules of a deployed stack: shown, checked, compared and replaced."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from relay.errors import MisconfiguredError, TransientError
from relay.rulebook import RULEBOOK
from relay.rules import Rules
from relay.rulesfile import BadRulesError, checked, differences, document_of, settings

from relay_cli import plain_yaml
from relay_cli.account import Account, add_stack
from relay_cli.failing import CliError

if TYPE_CHECKING:
    from relay.adapters.members import DynamoMembers

Table: TypeAlias = "Callable[[], DynamoMembers]"

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
        ("diff", "say what a document would change"),
        ("apply", "check a document, say what it changes, and put it into force"),
    ):
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(action=name)
        sub.add_argument("--json", action="store_true", help="print JSON")
        if name != "show":
            sub.add_argument("file", type=Path, help="YAML or JSON; `-` reads the standard input")
        if name != "validate":
            add_stack(sub)
        if name == "show":
            sub.add_argument("--defaults", action="store_true", help="of no stack: the defaults alone")


def main(arguments: argparse.Namespace, account_of: Callable[[str], Account] = Account) -> int:
    """Do what the action says; return the exit code (2: the document cannot hold, 3: `diff` found something)."""

    def table() -> DynamoMembers:
        from relay.adapters.members import DynamoMembers

        account = account_of(arguments.stack)
        return DynamoMembers(account.output("MembersTable"), shop="", dynamodb=account.client("dynamodb"))

    match arguments.action:
        case "show":
            return _show(Rules() if arguments.defaults else _stored(table), as_json=arguments.json)
        case "validate":
            return _validate(arguments)
        case _:
            return _replace(arguments, table, apply=arguments.action == "apply")


def _show(rules: Rules, *, as_json: bool) -> int:
    usual, found = settings(Rules()), settings(rules)
    if as_json:
        changed = sorted(path for path in found if found[path] != usual.get(path))
        known = {name: {"about": entry.about, "level": entry.level} for name, entry in RULEBOOK.items()}
        print(json.dumps({"settings": found, "changed": changed, "rules": known}, indent=2))
        return 0
    print("Settings; * is not the default.\n")
    for path, value in found.items():
        own = path in usual and value == usual[path]
        print(f"{' ' if own else '*'} {path}: {_text(value)}" + ("" if own else _usually(usual.get(path))))
    print("\nRules; a rule's switch and level are set under `rules`.\n")
    for name, entry in RULEBOOK.items():
        state = _state(rules, name)
        level = f" [{entry.level}]" if entry.level else ""
        print(f"{'*' if state else ' '} {name}{level}: {entry.about}{state}")
    return 0


def _state(rules: Rules, name: str) -> str:
    rule = rules.of(name)
    if not rule.on:
        return " (off)"
    return f" (set to {rule.level})" if rule.level else ""


def _usually(value: Any) -> str:
    return "" if value is None else f"  (default {_text(value)})"


def _validate(arguments: argparse.Namespace) -> int:
    rules = _read(arguments)
    if rules is None:
        return REFUSED
    print(json.dumps({"valid": True, "problems": []}) if arguments.json else "This document can hold.")
    return 0


def _replace(arguments: argparse.Namespace, table: Table, *, apply: bool) -> int:
    rules = _read(arguments)
    if rules is None:
        return REFUSED
    try:
        changes = list(differences(_stored(table), rules))
    except CliError:
        if not apply:
            raise
        # What cannot be read stops all work: putting it right is just what this command is for.
        changes = [("everything", "unreadable", "as in this document")]
    if arguments.json:
        rows = [{"path": path, "now": now, "then": then} for path, now, then in changes]
        print(json.dumps({"changes": rows, "applied": apply and bool(rows)}, indent=2))
    else:
        for path, now, then in changes:
            print(f"{path}: {_text(now)} -> {_text(then)}")
    if not apply:
        if not (changes or arguments.json):
            print("The same rules are in force.")
        return DIFFERENT if changes else 0
    if changes:
        _store(table, rules)
    if not arguments.json:
        print("In force with the next batch of events." if changes else "The same rules are in force.")
    return 0


def _read(arguments: argparse.Namespace) -> Rules | None:
    """Return the document's rules; None where it cannot hold, which is then said."""
    try:
        return checked(_parsed(arguments.file))
    except BadRulesError as error:
        if arguments.json:
            print(json.dumps({"valid": False, "problems": list(error.problems)}, indent=2))
        else:
            print("\n".join(error.problems), file=sys.stderr)
        return None


def _parsed(path: Path) -> object:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{path} cannot be read: {type(error).__name__}") from None
    try:
        parsed = plain_yaml.load(text)
    except ValueError as error:
        raise BadRulesError((str(error),)) from None
    return {} if parsed is None else parsed


def _text(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False).strip('"')


def _stored(table: Table) -> Rules:
    try:
        _, rules = table().load([])
    except (TransientError, MisconfiguredError) as error:
        raise CliError(str(error), "`relay rules apply` replaces rules that cannot be read") from None
    return rules


def _store(table: Table, rules: Rules) -> None:
    try:
        table().store_rules(json.dumps(document_of(rules)))
    except (TransientError, MisconfiguredError) as error:
        raise CliError(str(error)) from None
