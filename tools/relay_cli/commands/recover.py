"""`relay recover`: after the members table was restored, erase again the members that were erased, by the journal."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime
from typing import Final

from relay_cli import letters
from relay_cli.help import add_yes_option, describe
from relay_cli.output import progress, show
from relay_cli.prompts import confirm
from relay_cli.stack import Stack

_NEXT: Final = (
    "now compare every member with Inveterate: relay reconcile",
    "then compare each CRM with the table: relay mirror audit TARGET",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay recover --dry-run",
        "relay recover --since 2026-11-20 --yes",
        notes="A restored table knows no erasure since its moment. This reads them from the journal, erases these members\n"
        "again, and sends the change to every CRM. It may be run twice. Then the table is compared with Inveterate, and\n"
        "the CRMs with the table; the command names both commands.",
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        help="read the journal from here on: the moment to which the table was restored (default: all of it)",
    )
    parser.add_argument("--dry-run", action="store_true", help="count the erasures, and change nothing")
    add_yes_option(parser)


def main(arguments: argparse.Namespace, open_stack: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Apply the journal's erasures; return the exit code."""
    since = letters.time_of(arguments.since, "--since", letters.now())
    stack = open_stack(arguments)
    if not (arguments.dry_run or arguments.yes):
        confirm(f"Erase again in {stack.name} the members that the journal says were erased?")
    result = _recover(stack, since, dry_run=arguments.dry_run)
    did = "are not erased in the table" if arguments.dry_run else "were erased again"
    text = [
        f"{result['files']:,} files of the journal have erasures of {result['members']:,} members",
        f"{result['changed']:,} {did}" if not arguments.dry_run else "nothing was changed",
        *_NEXT,
    ]
    show(arguments, {**result, "next": list(_NEXT)}, "\n".join(text))
    return 0


def _recover(stack: Stack, since: datetime | None, *, dry_run: bool) -> dict[str, int]:
    from relay.adapters.aws.s3 import S3Journal
    from relay.adapters.dynamodb.members import DynamoMembers
    from relay.recovery.erasures import apply_again, journaled_erasures

    shop, aws = stack.parameters["ShopDomain"], stack.aws()
    archive = S3Journal(stack.output("JournalBucket"), aws)
    members = DynamoMembers(stack.output("MembersTable"), shop, aws)
    with progress("reading the journal") as step:
        found = journaled_erasures(archive, since, step)
    changed = 0
    if not dry_run:
        with progress("erasing") as step:
            for number, (customer, erasures) in enumerate(sorted(found.by_customer.items()), start=1):
                changed += apply_again(members, shop, customer, erasures)
                step(number, len(found.by_customer))
    return {"files": found.files, "members": len(found.by_customer), "changed": changed}
