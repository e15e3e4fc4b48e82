"""`relay rules ACTION`: show, validate, compare and apply the business rules of a stack."""

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

from relay_cli.commands.rules import yaml_document
from relay_cli.commands.rules.listing import as_text, print_rules
from relay_cli.errors import ATTENTION, WRONG_INPUT, CliError, UsageError
from relay_cli.help import HelpFormatter, add_yes_option, describe
from relay_cli.output import table
from relay_cli.prompts import confirm
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay.adapters.dynamodb.members import DynamoMembers

OpenTable: TypeAlias = "Callable[[], DynamoMembers]"
Changes: TypeAlias = list[tuple[str, Any, Any]]
"""Path, present value and new value of each setting that a document changes."""

_ACTIONS: Final = {
    "show": ("Print the rules in force and mark what differs from the defaults", ""),
    "validate": ("Check a document without a stack", " rules.yaml"),
    "diff": ("Show what a document would change; exit with 3 where it changes something", " rules.yaml"),
    "apply": ("Show what a document changes, ask, and put it into force", " rules.yaml"),
}
"""Summary, and the arguments of the example."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the actions and their arguments."""
    describe(parser, "relay rules diff rules.yaml", notes="docs/rules.md describes the document.")
    actions = parser.add_subparsers(required=True, metavar="ACTION", title="actions")
    for name, (summary, example) in _ACTIONS.items():
        sub = actions.add_parser(name, help=summary, description=f"{summary}.", formatter_class=HelpFormatter)
        describe(sub, f"relay rules {name}{example}")
        sub.set_defaults(action=name)
        if name != "show":
            sub.add_argument(
                "file", metavar="FILE", type=Path, help="YAML or JSON; `-` is the standard input"
            )
        if name == "show":
            sub.add_argument("--defaults", action="store_true", help="print the defaults, without a stack")
            sub.add_argument(
                "--document",
                action="store_true",
                help="print the stored document, which `apply` takes as it is",
            )
        if name == "apply":
            add_yes_option(sub)


def main(arguments: argparse.Namespace, open_stack: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Run the action; return the exit code (2: the document is invalid, 3: `diff` found a change)."""

    def open_table() -> DynamoMembers:
        from relay.adapters.dynamodb.members import DynamoMembers

        stack = open_stack(arguments)
        return DynamoMembers(stack.output("MembersTable"), shop="", aws=stack.aws())

    match arguments.action:
        case "show":
            rules = Rules() if arguments.defaults else _stored(open_table)
            if arguments.document:
                print(document_text(rules))
                return 0
            return print_rules(rules, as_json=arguments.json)
        case "validate":
            return _validate(arguments)
        case "diff":
            return _diff(arguments, open_table)
        case _:
            return _apply(arguments, open_table)


def _validate(arguments: argparse.Namespace) -> int:
    rules = _read(arguments)
    if rules is None:
        return WRONG_INPUT
    if arguments.json:
        print(json.dumps({"valid": True, "problems": [], "remarks": list(remarks(rules))}, indent=2))
    else:
        print("The document is valid.")
    return 0


def _diff(arguments: argparse.Namespace, open_table: OpenTable) -> int:
    rules = _read(arguments)
    if rules is None:
        return WRONG_INPUT
    changes = list(differences(_stored(open_table), rules))
    _print_changes(changes, arguments, applied=False)
    return ATTENTION if changes else 0


def _apply(arguments: argparse.Namespace, open_table: OpenTable) -> int:
    rules = _read(arguments)
    if rules is None:
        return WRONG_INPUT
    try:
        changes: Changes = list(differences(_stored(open_table), rules))
    except UnreadableError:
        # Unreadable rules stop all processing, and this command is the way to repair them.
        print(
            "The rules in force cannot be read, and this document replaces them. Compared with the defaults:",
            file=sys.stderr,
        )
        changes = list(differences(Rules(), rules)) or [("everything", None, "the defaults")]
    replaced = _stored_document(open_table) if changes else ""
    if changes and not arguments.json:
        # What is replaced can be applied again: the one way back.
        print(f"This document is replaced:\n{replaced}\n", file=sys.stderr)
    ask = bool(changes) and not arguments.yes
    if ask and not arguments.json:
        _print_changes(changes, arguments, applied=False)
    if ask:
        confirm(f"This changes the rules of {arguments.stack} from the next batch of events on. Continue?")
        if not document_of(rules):
            # An empty file is more often a mistake, such as a redirection that failed, than a wish.
            confirm("The document sets nothing: every setting goes back to its default. Is that meant?")
    if changes:
        _store(open_table, rules)
    if arguments.json or not ask:
        _print_changes(changes, arguments, applied=bool(changes), replaced=replaced)
    if changes and not arguments.json:
        print("In force from the next batch of events on.")
    return 0


def _print_changes(
    changes: Changes, arguments: argparse.Namespace, *, applied: bool, replaced: str = ""
) -> None:
    if arguments.json:
        rows = [{"path": path, "now": now, "then": then} for path, now, then in changes]
        before = {"replaced": replaced} if applied else {}
        print(json.dumps({"changes": rows, "applied": applied, **before}, indent=2))
        return
    lines = [(path, as_text(now), "→", as_text(then)) for path, now, then in changes]
    print(table(("setting", "now", "", "then"), lines, empty="No changes."))


def _read(arguments: argparse.Namespace) -> Rules | None:
    """Return the document's rules; for an invalid document print the problems and return None."""
    try:
        rules = validated(_parsed(arguments.file))
    except InvalidRulesError as error:
        if arguments.json:
            print(json.dumps({"valid": False, "problems": list(error.problems)}, indent=2))
        else:
            print("\n".join(error.problems), file=sys.stderr)
        return None
    for remark in remarks(rules):
        print(f"check {remark}", file=sys.stderr)
    return rules


def _parsed(path: Path) -> object:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"{path} cannot be read: {reason}") from None
    try:
        parsed = yaml_document.load(text)
    except ValueError as error:
        raise InvalidRulesError((str(error),)) from None
    return {} if parsed is None else parsed


class UnreadableError(CliError):
    """The stack's stored rules are not a valid document."""


def _stored(open_table: OpenTable) -> Rules:
    try:
        _, rules = open_table().load([])
    except UnreadableRulesError as error:
        raise UnreadableError(str(error), "`relay rules apply` replaces unreadable rules") from None
    except TransientError as error:
        raise CliError(str(error)) from None
    return rules


def document_text(rules: Rules) -> str:
    """Return rules as a document: JSON, which is YAML too. Applied, it makes these very rules."""
    return yaml_document.dump(document_of(rules))


def _stored_document(open_table: OpenTable) -> str:
    """Return the stored document as it is, also where this version cannot read it."""
    try:
        text = open_table().rules_document()
    except TransientError as error:
        raise CliError(str(error)) from None
    return text or "{}"


def _store(open_table: OpenTable, rules: Rules) -> None:
    try:
        open_table().store_rules(json.dumps(document_of(rules)))
    except TransientError as error:
        raise CliError(str(error)) from None
