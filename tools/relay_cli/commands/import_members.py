"""`relay import`: bring every member of the programme into Relay and the CRMs, without an alert."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from relay_cli import full_run
from relay_cli.errors import CliError
from relay_cli.full_run import Runs
from relay_cli.help import describe
from relay_cli.output import show
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay.ports.full_run import FullRun


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay import --dry-run",
        "relay import",
        "relay import --resume",
        notes="Each member is merged as a dated reading of the API: an event that is newer stands. No alert and no note\n"
        "comes of it, and the changes to the CRMs are marked as a back-fill. A page of 100 members takes a second at\n"
        "least. The stack does the work: Ctrl-C ends the display alone, and --resume shows it again.",
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--dry-run", action="store_true", help="count what would change, and change nothing")
    chosen.add_argument(
        "--resume", action="store_true", help="go on with a run that is unfinished, and follow it"
    )


def main(
    arguments: argparse.Namespace,
    open_stack: Callable[[argparse.Namespace], Stack] = Stack.of,
    runs_of: Callable[[Stack], Runs] = Runs.of,
) -> int:
    """Start the import and follow it; return the exit code: 3 where it stopped, or the list was not whole."""
    runs = runs_of(open_stack(arguments))
    known = runs.store.load()
    if arguments.resume:
        if known is None or not known.is_active:
            raise CliError(
                "no run is unfinished",
                f"{_last(known)}one that was just asked for begins within minutes, else: relay import",
            )
        runs.command("resume")
        run_id = known.id
    else:
        if known is not None and known.is_active:
            raise CliError(
                f"a run is under way since {known.began:%Y-%m-%d %H:%M} UTC ({known.kind}, {known.read:,} members)",
                "follow it: relay import --resume",
            )
        run_id = runs.command("import", dry_run=arguments.dry_run)
    run = runs.follow("members", lambda one: one.id == run_id)
    show(arguments, full_run.as_json(run), full_run.as_text(run))
    return full_run.exit_code(run)


def _last(run: FullRun | None) -> str:
    """Return how the last run ended, for a person who was not there; empty without one."""
    if run is None:
        return ""
    how = "was stopped" if run.stopped else "ended"
    return f"the last one ({run.kind}, {run.read:,} members) {how} at {run.updated:%Y-%m-%d %H:%M} UTC; "
