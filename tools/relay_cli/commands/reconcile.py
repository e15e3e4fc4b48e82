"""`relay reconcile`: compare members with Inveterate's API and repair the difference: all, or those that are named."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Sequence

from relay_cli import full_run
from relay_cli.commands.erase import customer_id
from relay_cli.errors import ATTENTION, DONE, CliError, UsageError
from relay_cli.full_run import Runs
from relay_cli.help import describe
from relay_cli.output import show
from relay_cli.stack import Stack


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay reconcile --dry-run",
        "relay reconcile",
        "relay reconcile 7733540520067",
        "relay reconcile --confirm",
        notes="Relay does this once a day by itself. A run stops where the list has under 90 % of the members of the last\n"
        "one, or where more than max(20, 1 %) of the members would get another status or lose a value: --confirm goes\n"
        "on. What a lost webhook would have said at once is told late, under the same incident. One member is\n"
        "read at most once an hour.",
    )
    parser.add_argument(
        "customers", nargs="*", metavar="CUSTOMER", type=customer_id, help="customer ids; all members without"
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--dry-run", action="store_true", help="count what differs by field, and change nothing"
    )
    chosen.add_argument("--confirm", action="store_true", help="go on with a run that a brake has stopped")


def unknown_keys(stack: Stack, keys: Sequence[str]) -> Collection[str]:
    """Return those of these members that Relay has no record of."""
    from relay.adapters.dynamodb.members import DynamoMembers

    members = DynamoMembers(stack.output("MembersTable"), stack.parameters["ShopDomain"], stack.aws())
    records = members.load(keys)[0]
    return {key for key in keys if not records[key].version}


def main(
    arguments: argparse.Namespace,
    open_stack: Callable[[argparse.Namespace], Stack] = Stack.of,
    runs_of: Callable[[Stack], Runs] = Runs.of,
    unknown_of: Callable[[Stack, Sequence[str]], Collection[str]] = unknown_keys,
) -> int:
    """Compare; return the exit code: 3 where the run stopped, the list was not whole, or Relay does not know an id."""
    if arguments.customers and (arguments.dry_run or arguments.confirm):
        raise UsageError(
            "--dry-run and --confirm are for a comparison of all members", "name no customer with them"
        )
    stack = open_stack(arguments)
    runs = runs_of(stack)
    if arguments.customers:
        return _single(stack, runs, arguments, unknown_of)
    known = runs.store.load()
    if known is not None and known.is_active:
        raise CliError(
            f"a run is under way since {known.began:%Y-%m-%d %H:%M} UTC ({known.kind}, {known.read:,} members)",
            "follow it: relay import --resume",
        )
    stopped = known.id if known is not None and known.stopped else None
    if arguments.confirm and not stopped:
        print(
            "relay: no run is stopped: this begins a comparison of all members, and no brake stops it",
            file=sys.stderr,
        )
    run_id = runs.command("confirm" if arguments.confirm else "reconcile", dry_run=arguments.dry_run)
    if arguments.confirm and stopped:
        run_id = stopped
    run = runs.follow("members", lambda one: one.id == run_id and (one.confirmed or not arguments.confirm))
    show(arguments, full_run.as_json(run), full_run.as_text(run))
    return full_run.exit_code(run)


def _single(
    stack: Stack,
    runs: Runs,
    arguments: argparse.Namespace,
    unknown_of: Callable[[Stack, Sequence[str]], Collection[str]],
) -> int:
    """Ask for a reading of each of these members; return the exit code.

    One that Relay does not know is asked for as well: its webhooks may have been lost.
    """
    from relay.model.consistency import ASKED
    from relay.model.member import member_key
    from relay.model.messages import RecheckRequest
    from relay.queues.requests import RecheckQueue

    customers: Sequence[str] = list(dict.fromkeys(arguments.customers))
    keys = [member_key(stack.parameters["ShopDomain"], one) for one in customers]
    not_known = unknown_of(stack, keys)
    unknown = [key for key in keys if key in not_known]
    answers = RecheckQueue(runs.queue, 0).ask([RecheckRequest(member=key, reason=ASKED) for key in keys])
    refused = [key for key, answer in zip(keys, answers, strict=True) if answer]
    if refused:
        raise CliError("the queue of reconcile does not take every request", "run the command again")
    lines = [f"{key}: asked; it is read within a minute, or an hour after its last reading" for key in keys]
    lines += [
        f"{key}: Relay has not heard of this customer id: look at the id. Inveterate may know it; then Relay has a record soon"
        for key in unknown
    ]
    show(arguments, {"asked": keys, "unknown": unknown}, "\n".join(lines))
    return ATTENTION if unknown else DONE
