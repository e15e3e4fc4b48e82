"""The `relay` command: the table of its subcommands, the help that lists them, errors and the exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Final, NoReturn

from relay_cli.common import list_common, show_common, take_common
from relay_cli.errors import EXIT_CODES, INTERRUPTED, CliError, UsageError
from relay_cli.help import HelpFormatter
from relay_cli.known_errors import known_error
from relay_cli.output import as_json


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand. Its module has `configure(parser)` and `main(arguments) -> int`, the exit code."""

    name: str
    summary: str
    module: str


COMMAND_GROUPS: Final = {
    "set up": (
        Command(
            "init", "Ask what a shop needs, test each answer, store its secrets and write its file", "init"
        ),
        Command("deploy", "Install or update a shop's stack, probe it and subscribe the webhooks", "deploy"),
        Command(
            "set",
            "Change a parameter in the shop's file and in its stack, and nothing else",
            "set_parameters",
        ),
        Command("keys", "Rotate the callback key without refusing a webhook", "keys"),
        Command(
            "import",
            "Bring every member of the programme into Relay and the CRMs, without alerts",
            "import_members",
        ),
        Command("subscriptions", "Compare, set up or remove the webhook subscriptions", "subscriptions"),
        Command("rules", "Show, validate, compare and apply business rules", "rules.command"),
        Command("tiers", "List the programme's tiers beside their settings", "tiers"),
        Command("test-alert", "Send a test message to one alert channel", "test_alert"),
    ),
    "operate": (
        Command("doctor", "Check every part that a stack depends on, and say what to do", "doctor"),
        Command("status", "Show on one screen what comes in, what waits and what is open", "status"),
        Command("alerts", "List open incidents, the most severe first", "alerts"),
        Command("ack", "Acknowledge an incident", "ack"),
        Command("mute", "Mute an incident for some days", "mute"),
        Command("reconcile", "Compare members with Inveterate's API and repair differences", "reconcile"),
        Command("erase", "Erase a member's personal data, or lift an erasure", "erase"),
        Command("privacy", "Show how far erasures are, or take them out of the journal now", "privacy"),
        Command("recover", "After a restore of the table: erasures, members and CRMs, in one go", "recover"),
        Command("dead-letters", "List, show, redrive and drop what was given up", "dead_letters"),
        Command("unclaimed", "List, show, place and drop webhooks without a queue", "unclaimed"),
        Command("mirror", "Prepare, fill, inspect, repair or remove a CRM mirror", "mirror.command"),
        Command("uninstall", "Delete the subscriptions, then the stack; say what stays", "uninstall"),
    ),
    "develop": (
        Command("run", "Deploy to a local AWS, play a month of a programme and check the result", "run"),
        Command("sim", "Run and control a simulated Inveterate platform", "sim.command"),
        Command("version", "Print the versions of Relay and of what it runs on", "version"),
        Command("operations", "List the operations of Inveterate's API v2.0", "operations"),
    ),
}
COMMANDS: Final = tuple(command for group in COMMAND_GROUPS.values() for command in group)

_EPILOG: Final = "\n".join(
    [
        "environment:",
        "  RELAY_STACK               the stack that commands work on (default: relay)",
        "  AWS_PROFILE, AWS_REGION   account and region, as for the AWS CLI",
        "",
        "exit codes:",
        *(f"  {code:<3}  {meaning}" for code, meaning in EXIT_CODES.items()),
        "",
        "Run `relay COMMAND --help` for the arguments of a command and an example.",
    ]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    as_typed = sys.argv[1:] if argv is None else list(argv)
    try:
        common, arguments = take_common(as_typed)
        chosen = next((command for command in COMMANDS if arguments[:1] == [command.name]), None)
        parsed = _parser(chosen).parse_args(arguments, common)
        return int(import_module(f"relay_cli.commands.{parsed.module}").main(parsed))
    except BrokenPipeError:
        # The reader has closed the pipe, as `head` does. Python would report it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as stopped:
        print(str(stopped) or "relay: stopped", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        found = known_error(error)
        if found is None:
            raise
        return _report(found, with_json="--json" in as_typed)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are those of the command line, so `--json` has them too."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        raise UsageError(message, f"`{self.prog} --help` explains the arguments")


def _report(error: CliError, *, with_json: bool) -> int:
    """Say what failed on the standard error, and with `--json` on the standard output as well."""
    print(f"relay: {error}", file=sys.stderr)
    if with_json:
        print(as_json({"error": error.message, "remedy": error.remedy}))
    return error.exit_code


def _parser(chosen: Command | None) -> argparse.ArgumentParser:
    """Return the parser. Only the chosen command's module is imported: `relay --help` needs none of them."""
    parser = _Parser(
        prog="relay",
        usage="relay COMMAND [ARGUMENTS]",
        description="\n".join(["Operate Relay, and run it on this machine.", *_command_lines()]),
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    # The description lists the commands by group, which argparse cannot do.
    subparsers = parser.add_subparsers(required=True, prog="relay", metavar="COMMAND", help=argparse.SUPPRESS)
    for command in COMMANDS:
        sub = subparsers.add_parser(
            command.name, description=f"{command.summary}.", formatter_class=HelpFormatter
        )
        sub.set_defaults(module=command.module)
        if command is chosen:
            import_module(f"relay_cli.commands.{command.module}").configure(sub)
            show_common(sub)
    list_common(parser)
    return parser


def _command_lines() -> list[str]:
    width = max(len(command.name) for command in COMMANDS)
    lines = []
    for title, group in COMMAND_GROUPS.items():
        lines += ["", f"{title}:", *(f"  {one.name:<{width}}  {one.summary}" for one in group)]
    return lines
