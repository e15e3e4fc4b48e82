"""The options that every command takes, before or after its name: which stack, whose AWS account, and JSON.

    relay --stack relay-acme alerts --json
    relay alerts --json --stack relay-acme

argparse binds an option to one parser. So these are taken out of the command line first, and each command lists
them in its help.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Final

from relay_cli.errors import UsageError

DEFAULT_STACK: Final = "relay"

_TITLE: Final = "options of every command"


def take_common(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the common options of a command line, and its other arguments in their order.

    Raises:
        UsageError: an option lacks its value.

    """
    parser = _CommonParser(add_help=False, allow_abbrev=False)
    _add_common(parser)
    return parser.parse_known_args(list(argv))


def show_common(parser: argparse.ArgumentParser) -> None:
    """List the common options in the help of a command and of all its actions."""
    for action in parser._actions:  # noqa: SLF001 - argparse offers no other way to its subparsers
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            for sub in action.choices.values():
                show_common(sub)
    list_common(parser)


def list_common(parser: argparse.ArgumentParser) -> None:
    """List the common options in one parser's help. Their values come from `take_common`."""
    _add_common(parser.add_argument_group(_TITLE), default=argparse.SUPPRESS)


class _CommonParser(argparse.ArgumentParser):
    """A parser whose errors are those of the command line."""

    def error(self, message: str) -> None:  # type: ignore[override]  # argparse's exits; ours raises
        raise UsageError(message, "`relay --help` lists the options of every command")


def _add_common(parser: argparse._ActionsContainer, default: str | None = None) -> None:
    def add(name: str, value: str | None, description: str) -> None:
        parser.add_argument(
            f"--{name}", metavar=name.upper().replace("-", "_"), default=default or value, help=description
        )

    add(
        "stack",
        os.environ.get("RELAY_STACK") or DEFAULT_STACK,
        "the stack (default: $RELAY_STACK, else relay)",
    )
    add("profile", None, "the AWS profile (default: $AWS_PROFILE)")
    add("region", None, "the AWS region (default: $AWS_REGION, $AWS_DEFAULT_REGION, else the profile's)")
    add("endpoint-url", None, "another endpoint for AWS, such as a local one (default: $AWS_ENDPOINT_URL)")
    parser.add_argument("--json", action="store_true", default=default or False, help="print JSON")
