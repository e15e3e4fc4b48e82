"""What `relay import` and `relay reconcile` share: they give the function `reconcile` a command, and follow its run.

The function makes the run, in steps of its own, so it goes on when the command ends; a later call shows it again.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from relay_cli.errors import ATTENTION, DONE, CliError
from relay_cli.output import progress, table

if TYPE_CHECKING:
    from relay.model.messages import RunAction
    from relay.ports.full_run import FullRun, FullRunStore
    from relay.ports.messaging import MessageSender

    from relay_cli.stack import Stack

_LOOK_EVERY: Final = 2.0
_ASK_WHY_AFTER: Final = 15.0
"""Seconds without progress after which the log is asked why: a step takes a second or two."""
_BEGINS_WITHIN: Final = 180.0
"""Seconds in which a run shows progress: an idle function starts in two, a deferred message waits for minutes."""

CONFIRM: Final = "relay reconcile --confirm"

STOPPED: Final = {
    "few": "Inveterate lists under 90 % of the members of the last run. No member counts as gone.",
    "changes": "More members than max(20, 1 %) would get another status or lose a value. The rest is as it was.",
}


@dataclass(frozen=True)
class Runs:
    """The full run of a stack: where it is stored, and the queue that takes commands."""

    store: FullRunStore
    queue: MessageSender
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    deferred_why: Callable[[], str] = lambda: ""
    """Returns why the function has deferred its step, such as an API key that Inveterate refuses; empty where it has not."""

    @classmethod
    def of(cls, stack: Stack) -> Runs:
        """Return those of a stack.

        Raises:
            CliError: the stack has no API key, so nothing reads the API.

        """
        from relay.adapters.aws.sqs import SqsOutgoing
        from relay.adapters.dynamodb.platform import DynamoFullRuns

        url = reconcile_queue_url(stack)
        return cls(
            DynamoFullRuns(stack.output("MirrorsTable"), stack.aws()),
            SqsOutgoing(url, "reconcile", stack.aws()),
            deferred_why=lambda: _deferred_why(stack),
        )

    def command(self, action: RunAction, *, dry_run: bool = False) -> str:
        """Send a command; return the id of the run that it begins.

        Raises:
            CliError: the queue does not take it.

        """
        from relay.reconcile.full_run import run_message

        run_id = f"{action}-{secrets.token_hex(4)}"
        [refusal] = self.queue.send([run_message(action, run_id=run_id, dry_run=dry_run)])
        if refusal:
            raise CliError("the queue of reconcile does not take the command", "run it again")
        return run_id

    def follow(self, title: str, is_it: Callable[[FullRun], bool]) -> FullRun:
        """Show the progress of the run that is meant until it ends or stops; return it.

        Raises:
            CliError: it does not begin, or does not go on.

        """
        try:
            return self._followed(title, is_it)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                "relay: this display has ended, and the run goes on in the stack: `relay import --resume` shows it"
            ) from None

    def _followed(self, title: str, is_it: Callable[[FullRun], bool]) -> FullRun:
        until = self.clock() + _BEGINS_WITHIN
        place: FullRun | None = None
        moved, why = self.clock(), ""
        with progress(title) as step:
            while True:
                run = self.store.load()
                if self.clock() - moved >= _ASK_WHY_AFTER:
                    moved, before, why = self.clock(), why, self.deferred_why()
                    if why and why != before:
                        print(f"relay: the run waits: {why}; `relay doctor` says what to do", file=sys.stderr)
                if run is not None and is_it(run):
                    step(run.read, run.total or run.last_members, f"waits: {why}" if why else _note(run))
                    if not run.is_active:
                        return run
                    if place != (place_now := _place(run)):
                        place = place_now
                        moved, why = self.clock(), ""
                        until = self.clock() + _BEGINS_WITHIN
                    elif self.clock() > until:
                        raise CliError(
                            f"the run has made no progress for {_BEGINS_WITHIN:.0f} s{f': {why}' if why else ''}",
                            "`relay doctor` says why, such as an API key that Inveterate refuses. The run goes on by itself once "
                            "that is mended; `relay import --resume` shows it",
                        )
                elif self.clock() > until:
                    raise CliError(
                        "the run does not begin: the function reconcile does not answer",
                        "look at its log; the command stays in its queue and is done when it can be",
                    )
                self.sleep(_LOOK_EVERY)


def _deferred_why(stack: Stack) -> str:
    """Return why the function reconcile has deferred what it deferred last; empty where the log cannot be read."""
    from relay_cli.overview.deferrals import read_reasons

    try:
        return read_reasons(stack, datetime.now(UTC)).get("reconcile", "")
    except Exception:  # noqa: BLE001 - a display that cannot name the reason goes on without it
        return ""


def reconcile_queue_url(stack: Stack) -> str:
    """Return the URL of the queue of reconcile.

    Raises:
        CliError: the stack has no API key.

    """
    if "ReconcileQueueUrl" not in stack.outputs:
        raise CliError(
            f"the stack {stack.name} has no key of Inveterate's API, so it can read no member",
            "store one and deploy with the parameter InveterateSecret: README, Deploy",
        )
    return stack.output("ReconcileQueueUrl")


def _place(run: FullRun) -> FullRun:
    """Return a run by what it has done: each attempt, also one that fails, counts its version and its time up."""
    return replace(run, version=0, updated=run.began)


def _note(run: FullRun) -> str:
    if run.phase == "absent":
        return f"looking for members that were not listed; {run.gone} gone"
    return f"{run.new} new, {run.changed} changed"


def as_json(run: FullRun) -> dict[str, Any]:
    """Return a run for `--json`: its counts, and no value of a member."""
    names = (
        "id", "kind", "dry_run", "phase", "stopped", "began", "updated", "whole", "end", "total", "read", "new",
        "changed", "altered", "gone", "told", "unreadable", "last_members",
    )  # fmt: skip
    return {name: getattr(run, name) for name in names} | {"fields": dict(run.fields)}


def counts_text(run: FullRun) -> str:
    """Return how many members a run has read, and how many differed."""
    would = "would be " if run.dry_run else ""
    listed = f"{max(run.read, run.total or 0) if run.stopped else run.read:,} members listed: {run.new:,} {would}new, {run.changed:,} {would}changed"
    return f"{listed}, {run.gone:,} gone, {run.told:,} {would}told late"


def as_text(run: FullRun) -> str:
    """Return what a run has found, in sentences and a table of the fields that differ."""
    lines = [counts_text(run)]
    if run.fields:
        rows = sorted(run.fields.items(), key=lambda pair: (-pair[1], pair[0]))
        lines += ["", table(("field", "members that differed"), rows)]
    if run.stopped:
        lines += ["", f"STOPPED: {STOPPED[run.stopped]}", f"If that is right: {CONFIRM}"]
    elif not run.whole:
        lines += [
            "",
            f"The list was not certain to be whole (it ended by: {run.end}). No member counts as gone. Run it again later.",
        ]
    elif run.dry_run:
        lines += ["", "A dry run: nothing was changed, and absent members were not looked for."]
    return "\n".join(lines)


def exit_code(run: FullRun) -> int:
    """Return the exit code: 3 where a run stopped, or was not whole."""
    return ATTENTION if run.stopped or not run.whole else DONE
