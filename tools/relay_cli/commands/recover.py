"""`relay recover`: after the members table was restored, bring everything up to date: erasures, members, CRMs.

Three steps, in this order. The journal's erasures are applied first: a restored table has people that it must not have, and
nothing may be written to a CRM from it. Then every member is compared with Inveterate, and each CRM with the table. What is
done is kept in the table of mirrors, which no restore of the members touches; so the command goes on where it was ended.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from relay_cli import full_run, letters
from relay_cli.commands.mirror import maintenance
from relay_cli.commands.mirror.target import Target
from relay_cli.errors import ATTENTION, DONE, UsageError
from relay_cli.full_run import Runs
from relay_cli.help import add_yes_option, describe
from relay_cli.output import progress, show
from relay_cli.prompts import confirm
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay.ports.full_run import FullRun
    from relay.ports.recovery import Recovery, RecoveryStore

_AGAIN: Final = "go on: relay recover"
_CONFIRM: Final = "look at some of the members, then: relay recover --confirm"


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay recover --dry-run",
        "relay recover --since 2026-11-20 --yes",
        "relay recover",
        notes="A restored table knows nothing of what came since its moment. Three steps:\n"
        "  1  the journal's erasures: these members are erased again, and the change goes to every CRM;\n"
        "  2  every member is compared with Inveterate, and repaired, without an alert: what happened was told when it did;\n"
        "  3  each CRM is compared with the table, and repaired.\n"
        "A command that was ended goes on where it was; one after the end begins anew. Exit code 3: a step could not be\n"
        "finished, and the output says what to do. --json prints the steps.",
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        help="read the journal from here on: the moment to which the table was restored (default: all of it)",
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--dry-run", action="store_true", help="count the erasures, and change nothing")
    chosen.add_argument(
        "--confirm", action="store_true", help="go on although very many members differ from Inveterate"
    )
    chosen.add_argument("--restart", action="store_true", help="begin anew instead of going on")
    add_yes_option(parser)


def main(
    arguments: argparse.Namespace,
    open_stack: Callable[[argparse.Namespace], Stack] = Stack.of,
    runs_of: Callable[[Stack], Runs] = Runs.of,
    target_of: Callable[[Stack, str], Target] = Target,
) -> int:
    """Make the steps that are left; return the exit code: 3 where one could not be finished.

    With `--json`: `began`, `resumed`, `done`, and what each step of this command did: `erasures`, `comparison`, `audits`.
    """
    from relay.adapters.dynamodb.platform import DynamoRecoveries

    since = letters.time_of(arguments.since, "--since", letters.now())
    stack = open_stack(arguments)
    if arguments.dry_run:
        found = _Steps(stack, runs_of, target_of).erase(since, dry_run=True)
        text = f"{found['files']:,} files of the journal read; erased members: {found['members']:,}{_lifted(found)}\nnothing was changed"
        show(arguments, {"erasures": found, "done": False}, text)
        return DONE
    store = DynamoRecoveries(stack.output("MirrorsTable"), stack.aws())
    known = store.load()
    resumed = known is not None and known.ended is None and not arguments.restart
    if resumed and known and since and since != known.since:
        raise UsageError("a recovery of another moment is unfinished", "leave out --since, or add --restart")
    if not arguments.yes:
        what = "Go on with the recovery of" if resumed else "Erase, compare and repair the members of"
        confirm(f"{what} {stack.name}?")
    recovery = _begun(known if resumed else None, since, version=known.version if known else 0)
    steps = _Steps(stack, runs_of, target_of, arguments.confirm)
    ended = steps.take(store, recovery)
    value = {"began": ended.began, "resumed": resumed, "done": ended.ended is not None, **steps.results}
    show(arguments, value, "\n".join(steps.lines))
    return DONE if ended.ended else ATTENTION


def _lifted(found: Mapping[str, int]) -> str:
    """Return how many erasures were lifted: these members are not erased again."""
    return f" (and {found['lifted']:,} lifted since)" if found["lifted"] else ""


def _begun(known: Recovery | None, since: datetime | None, *, version: int) -> Recovery:
    from relay.ports.recovery import Recovery

    return known or Recovery(began=letters.now(), since=since, version=version)


@dataclass
class _Steps:
    """The steps of one command. `results` and `lines` are what it prints."""

    stack: Stack
    runs_of: Callable[[Stack], Runs]
    target_of: Callable[[Stack, str], Target]
    confirmed: bool = False
    results: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def take(self, store: RecoveryStore, recovery: Recovery) -> Recovery:
        """Take the steps that are left, each stored when it is done; return the recovery, ended or as far as it went."""
        if recovery.erased_at is None:
            self._erase(recovery.since)
            recovery = store.save(replace(recovery, erased_at=letters.now()))
        else:
            self.lines.append("1  erasures: done before")
        if not recovery.compared:
            recovery, is_done = self._compare(store, recovery)
            if not is_done:
                return recovery
            recovery = store.save(replace(recovery, compared=True))
        else:
            self.lines.append("2  comparison with Inveterate: done before")
        audits = self.results["audits"] = {}
        for name in self._targets():
            if name not in recovery.audited:
                audits[name] = self._audit(name)
                recovery = store.save(replace(recovery, audited=(*recovery.audited, name)))
        self.lines.append("done")
        return store.save(replace(recovery, ended=letters.now()))

    def erase(self, since: datetime | None, *, dry_run: bool) -> Mapping[str, int]:
        """Apply the journal's erasures, or count them; return how many files, erased and lifted members, and how many were changed."""
        from relay.adapters.aws.s3 import S3Journal
        from relay.adapters.dynamodb.members import DynamoMembers
        from relay.recovery.erasures import apply_again, in_force, journaled_erasures

        shop, aws = self.stack.parameters["ShopDomain"], self.stack.aws()
        archive = S3Journal(self.stack.output("JournalBucket"), aws)
        members = DynamoMembers(self.stack.output("MembersTable"), shop, aws)
        with progress("1  reading the journal") as step:
            found = journaled_erasures(archive, since, step)
        changed = 0
        if not dry_run:
            with progress("1  erasing") as step:
                for number, (customer, erasures) in enumerate(sorted(found.by_customer.items()), start=1):
                    changed += apply_again(members, shop, customer, erasures)
                    step(number, len(found.by_customer))
        erased = in_force(shop, found.by_customer)
        lifted = len(found.by_customer) - erased
        return {"files": found.files, "members": erased, "lifted": lifted, "changed": changed}

    def _erase(self, since: datetime | None) -> None:
        found = self.results["erasures"] = self.erase(since, dry_run=False)
        self.lines.append(
            f"1  erasures: {found['files']:,} files of the journal read; erased members: {found['members']:,}"
            f"{_lifted(found)}; {found['changed']:,} were erased again"
        )

    def _compare(self, store: RecoveryStore, recovery: Recovery) -> tuple[Recovery, bool]:
        """Follow the comparison to its end, and begin it first where it has not; return whether it is done.

        It is an import over the table: quiet, and its end has the programme's measures computed, which were restored too.
        """
        if "ReconcileQueueUrl" not in self.stack.outputs:
            self.results["comparison"] = {"skipped": "no_api_key"}
            self.lines.append("2  comparison with Inveterate: skipped, the stack has no API key")
            return recovery, True
        runs = self.runs_of(self.stack)
        known = runs.store.load()
        if known and known.is_active and known.id != recovery.run_id:
            # A run that began before the erasures has read pages of the table as it was.
            other = known.id
            known = runs.follow("2  another run", lambda one: one.id == other)
        ours = known if known and known.id == recovery.run_id else None
        if ours is None or (ours.phase == "finished" and not ours.whole):
            recovery = store.save(replace(recovery, run_id=runs.command("import")))
        elif ours.is_active:
            runs.command("resume")
        run = runs.follow("2  members", lambda one: one.id == recovery.run_id)
        if run.stopped and self.confirmed:
            runs.command("confirm")
            run = runs.follow("2  members", lambda one: one.id == recovery.run_id and one.confirmed)
        return recovery, self._compared(run)

    def _compared(self, run: FullRun) -> bool:
        self.results["comparison"] = full_run.as_json(run)
        self.lines.append(f"2  comparison with Inveterate: {full_run.counts_text(run)}")
        if run.stopped:
            self.lines += [f"   STOPPED: {full_run.STOPPED[run.stopped]}", f"   {_CONFIRM}"]
        elif not run.whole:
            self.lines += [
                f"   the list was not certain to be whole (it ended by: {run.end})",
                f"   {_AGAIN}",
            ]
        return not run.stopped and bool(run.whole)

    def _targets(self) -> list[str]:
        return [name for name in self.stack.parameters.get("Targets", "").split(",") if name]

    def _audit(self, name: str) -> Mapping[str, Any]:
        """Compare one CRM with the table, and repair it; return the counts. A receiver of the webhook cannot be read."""
        from relay.errors import PermanentError
        from relay.ports.crm import NOT_READABLE

        target = self.target_of(self.stack, name)
        target.load_settings()
        try:
            counts = maintenance.audit(target, argparse.Namespace())
        except PermanentError as error:
            if error.reason != NOT_READABLE:
                raise
            self.lines.append(f"3  {name}: cannot be read; what changed was sent")
            return {"skipped": NOT_READABLE}
        self.lines.append(
            f"3  {name}: {counts['read']:,} members read, {counts['repaired']:,} repaired, {counts['again']:,} queued"
        )
        return counts
