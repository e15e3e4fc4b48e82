"""`relay mirror`: what a CRM holds of the members, and how to prepare, fill, compare, repair and leave it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from relay_cli import mirror_looking, mirror_removing, mirror_working
from relay_cli.account import Account, add_stack
from relay_cli.mirror_target import Target, explained

_WHAT: Final[Mapping[str, tuple[str, Callable[[Target, argparse.Namespace], dict[str, Any]]]]] = {
    "status": ("how many members it holds, which not, and why", mirror_looking.status),
    "diff": ("our record beside theirs, where they differ", mirror_looking.diff),
    "prepare": ("define the fields and events that it lacks", mirror_working.prepare),
    "fill": ("mirror every member, quietly", mirror_working.fill),
    "audit": ("read all of it, repair what was edited there", mirror_working.audit),
    "sample": ("send one sample of each event, so that flows can be built first", mirror_working.sample),
    "remove": ("end the mirroring: clear our fields there, or keep them", mirror_removing.remove),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    for name, (summary, _) in _WHAT.items():
        action = actions.add_parser(name, help=summary, description=summary)
        action.add_argument("target", metavar="TARGET", help="the CRM, as in the parameter Targets")
        action.add_argument("--json", action="store_true", help="print the result as JSON")
        add_stack(action)
        _options(name, action)


def _options(name: str, action: argparse.ArgumentParser) -> None:
    match name:
        case "diff":
            action.add_argument(
                "members", nargs="*", metavar="CUSTOMER", help="customer ids (default: who differs)"
            )
            action.add_argument("--reveal", action="store_true", help="show personal data")
            action.add_argument(
                "--limit", type=int, default=20, help="members at most (default: %(default)s)"
            )
        case "prepare":
            action.add_argument("--dry-run", action="store_true", help="say what would be defined")
        case "fill":
            action.add_argument(
                "--afresh", action="store_true", help="begin anew where a fill was interrupted"
            )
        case "sample":
            action.add_argument(
                "--email", required=True, help="whom the samples are about: an address of yours"
            )
        case "remove":
            how = action.add_mutually_exclusive_group(required=True)
            how.add_argument("--clear", action="store_true", help="take our fields off every contact")
            how.add_argument("--keep", action="store_true", help="leave the contacts as they are")
    if name in {"fill", "remove", "sample"}:
        action.add_argument("--yes", action="store_true", help="do not ask")


def main(arguments: argparse.Namespace) -> int:
    """Do what was asked; print what came of it."""
    target = Target(Account(arguments.stack), arguments.target)
    target.connect()
    with explained():
        result = _WHAT[arguments.action][1](target, arguments)
    if arguments.json:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        _show(result)
    return 0


def _show(result: Mapping[str, Any], indent: str = "") -> None:
    for name, value in result.items():
        label = f"{indent}{name.replace('_', ' ')}"
        if isinstance(value, Mapping):
            print(f"{label}:" + ("" if value else " none"))
            _show(value, indent + "  ")
        elif isinstance(value, list):
            print(f"{label}: {', '.join(map(str, value)) or 'none'}")
        else:
            print(f"{label}: {'never' if value in {None, ''} else value}")
