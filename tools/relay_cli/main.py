"""The `relay` command: one line in COMMANDS for each thing that it can do."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from relay_cli.failing import CliError


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand. Its module has `configure(parser)` and `main(arguments) -> int`, its exit code."""

    name: str
    summary: str
    module: str


COMMANDS: Final = (
    Command(
        "run", "deploy to a local AWS, play a month of a membership programme, check what became of it", "run"
    ),
    Command("operations", "list the operations of Inveterate's API v2.0 that the SDK knows", "operations"),
    Command("subscribe", "subscribe every topic of Inveterate's to a stack's callback URL", "subscribe"),
    Command("mirror", "look at what a CRM holds of the members; prepare, fill, audit or leave it", "mirror"),
    Command("rules", "show, check, compare and replace the business rules of a stack", "rules"),
    Command("alerts", "list the matters that are open", "alerts"),
    Command("ack", "say that a matter is known: until it is critical, its rises are told to nobody", "ack"),
    Command("mute", "tell nobody of a matter for some days", "mute"),
    Command("test-alert", "send a test to one channel, and see whether it arrives", "test_alert"),
    Command("sim", "run Inveterate on this machine, with a clock that you can turn", "sim"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    command = next((known for known in COMMANDS if arguments[:1] == [known.name]), None)
    try:
        parsed = _parser(command).parse_args(arguments)
        return int(import_module(f"relay_cli.{parsed.module}").main(parsed))
    except CliError as error:
        print(f"relay: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever reads has read enough, as `head` does. Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("relay: stopped", file=sys.stderr)
        return 130


def _parser(chosen: Command | None) -> argparse.ArgumentParser:
    """Return the parser. Only the chosen command's module is imported: `relay --help` needs none of them."""
    parser = argparse.ArgumentParser(
        prog="relay", description="Run Relay on this machine, and look at what it knows."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        sub = commands.add_parser(command.name, help=command.summary, description=command.summary)
        sub.set_defaults(module=command.module)
        if command is chosen:
            import_module(f"relay_cli.{command.module}").configure(sub)
    return parser
