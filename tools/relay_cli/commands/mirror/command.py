"""`relay mirror ACTION TARGET`: inspect, prepare, fill, audit, try out and remove the mirror in one CRM."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from relay_cli.commands.mirror import inspection, maintenance, removal
from relay_cli.commands.mirror.target import Target
from relay_cli.commands.mirror.text import as_text, unrepaired
from relay_cli.errors import ATTENTION, DONE, WRONG_INPUT
from relay_cli.help import HelpFormatter, add_yes_option, describe
from relay_cli.numbers import whole_number
from relay_cli.output import as_json
from relay_cli.stack import Stack

Run: TypeAlias = Callable[[Target, argparse.Namespace], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class MirrorAction:
    """One action. `example` is the rest of its command line after `relay mirror NAME`."""

    summary: str
    run: Run
    example: str = "hubspot"


_ACTIONS: Final[Mapping[str, MirrorAction]] = {
    "status": MirrorAction(
        "Show how many members the CRM holds, and why others are missing", inspection.status
    ),
    "diff": MirrorAction(
        "Compare Relay's record of members with the CRM's", inspection.diff, "hubspot 7001 --reveal"
    ),
    "prepare": MirrorAction(
        "Define the fields and events that the CRM lacks", maintenance.prepare, "hubspot --dry-run"
    ),
    "fill": MirrorAction("Write every member to the CRM without sending events", maintenance.fill),
    "audit": MirrorAction("Read all contacts and repair those edited in the CRM", maintenance.audit),
    "sample": MirrorAction(
        "Send one sample of each event, so that automations can be built first",
        maintenance.sample,
        "hubspot --email you@example.com",
    ),
    "retry": MirrorAction(
        "Try the members again that wait or were refused", maintenance.retry, "hubspot 7001"
    ),
    "remove": MirrorAction("End the mirror, and clear or keep its fields", removal.remove, "hubspot --clear"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the actions and their arguments."""
    describe(
        parser,
        "relay mirror status hubspot",
        notes="`relay mirror ACTION --help` shows the options. Exit code 3: `diff` found a difference, `audit` could not repair\n"
        "all that it found, or `status --who` names a member that is refused.",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action", title="actions")
    for name, action in _ACTIONS.items():
        sub = actions.add_parser(
            name, help=action.summary, description=f"{action.summary}.", formatter_class=HelpFormatter
        )
        describe(sub, f"relay mirror {name} {action.example}")
        sub.add_argument("target", metavar="TARGET", help="name of the CRM in the stack's parameter Targets")
        _add_options(name, sub)


def customer_or_key(text: str) -> str:
    """Return a customer id, or a member's key as the tables show it.

    Raises:
        ArgumentTypeError: it is neither.

    """
    if not text.rpartition(":")[2].isdigit():
        raise argparse.ArgumentTypeError(
            f"{text} is not a customer id: use the digits of the Shopify customer id"
        )
    return text


def _add_options(name: str, parser: argparse.ArgumentParser) -> None:
    match name:
        case "diff":
            parser.add_argument(
                "members",
                nargs="*",
                default=[],  # else argparse names it among what is required
                metavar="CUSTOMER",
                type=customer_or_key,
                help="customer ids (default: all that differ)",
            )
            parser.add_argument("--reveal", action="store_true", help="show personal data")
            parser.add_argument(
                "--limit",
                metavar="COUNT",
                type=whole_number(1),
                default=20,
                help="members at most (default: %(default)s)",
            )
        case "status":
            parser.add_argument(
                "--who", action="store_true", help="name the members that wait or are refused, and what to do"
            )
        case "retry":
            parser.add_argument(
                "members",
                nargs="*",
                default=[],  # else argparse names it among what is required
                metavar="CUSTOMER",
                type=customer_or_key,
                help="customer ids (default: all of them)",
            )
        case "prepare":
            parser.add_argument("--dry-run", action="store_true", help="show what would be defined")
        case "fill":
            parser.add_argument(
                "--restart", action="store_true", help="start again instead of resuming an interrupted fill"
            )
        case "sample":
            parser.add_argument(
                "--email",
                metavar="ADDRESS",
                required=True,
                help="e-mail address of the sample contact, one of yours",
            )
            parser.add_argument("--remove", action="store_true", help="remove the sample's fields again")
        case "remove":
            fields = parser.add_mutually_exclusive_group(required=True)
            fields.add_argument("--clear", action="store_true", help="clear Relay's fields on every contact")
            fields.add_argument("--keep", action="store_true", help="leave the contacts as they are")
    if name in {"fill", "remove", "sample"}:
        add_yes_option(parser)


def main(arguments: argparse.Namespace) -> int:
    """Run the action and print its result; return the exit code."""
    target = Target(Stack.of(arguments), arguments.target)
    target.load_settings()
    result = _ACTIONS[arguments.action].run(target, arguments)
    if arguments.json:
        print(as_json(result))
    else:
        print(as_text(result))
    return exit_code(arguments.action, result)


def exit_code(action: str, result: Mapping[str, Any]) -> int:
    """Return the exit code of an action's result: 3 where something is left that needs a person.

    What `audit` has repaired is done; a contact that it did not make again, or could not write, is left. A member that
    waits is tried again by itself, one that is refused is not: `status --who` asks for those.
    """
    if result.get("unknown_members"):
        return WRONG_INPUT
    match action:
        case "diff":
            needs_attention = _is_different(result)
        case "audit":
            needs_attention = unrepaired(result) > 0
        case "status":
            needs_attention = any(each["state"] == "refused" for each in result.get("who", ()))
        case _:
            needs_attention = False
    return ATTENTION if needs_attention else DONE


def _is_different(result: Mapping[str, Any]) -> bool:
    return any(not field["same"] for fields in result["members"].values() for field in fields.values())
