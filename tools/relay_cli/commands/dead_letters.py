"""`relay dead-letters ACTION`: list what was given up, look at it, send it back to its queue, or drop it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from relay_cli import letters
from relay_cli.help import describe
from relay_cli.letter_actions import (
    LetterWords,
    add_actions,
    carry_out,
    drop_letters,
    list_letters,
    nothing_fits,
    print_result,
    show_letter,
)
from relay_cli.letter_advice import advice
from relay_cli.numbers import number
from relay_cli.output import Progress
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay.ports.messaging import MessageSender
    from relay.recovery.dead_letters import DeadLetters, LetterResult
    from relay.recovery.stream_letters import StreamRepair

_ACTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "list": ("Count the dead letters by source, topic and reason, and list the oldest", "--reason no_member"),
    "show": ("Show one dead letter; values in its body only with --reveal", "3f9c2a71 --reveal"),
    "redrive": ("Send dead letters back to the queues they came from", "--source hubspot --dry-run"),
    "drop": ("Delete dead letters; the journal keeps what they carry", "--reason not_json"),
}
"""The summary of each action, and the arguments of its example."""

_WORDS: Final = LetterWords(
    command="relay dead-letters",
    queue="dead letters",
    thing="letter",
    then="`redrive` sends them back",
    skipped={
        "grants": "grants are money: look at docs/retention.md, then add --with-grants",
        "came_back": "came back while this command ran, and others may follow: the cause is not mended; `relay dead-letters show ID` shows the error",
        "redriven_often": "redriven three times already: mend the cause first, then add --force",
        "no_queue": "the stack has no queue of that source",
        "not_in_journal": "the journal has no write of that time yet: try later, or add --force to give up on it",
    },
    failed="the queue did not take it: run the command again",
    advice=advice,
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the actions and their arguments."""
    describe(
        parser,
        "relay dead-letters list",
        notes="A letter that goes back counts as new: its age and its attempts begin again. A command hides the\n"
        "letters from other readers for the seconds that it takes, and says how many it could not read. A letter of the source `stream` names no member: what the writes of its\n"
        "time had to send is sent again, from the record or from the journal. One of `changes` goes to every CRM again;\n"
        "each takes what it lacks. --json prints groups, counts and letters.",
    )
    made = add_actions(parser, _WORDS.command, _ACTIONS)
    _add_redrive_options(made["redrive"])


def _add_redrive_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rate",
        metavar="COUNT",
        type=number(0.1, 1_000),
        default=20.0,
        help="letters a second (default: %(default)g)",
    )
    parser.add_argument("--with-grants", action="store_true", help="grants of store credit as well")
    parser.add_argument("--force", action="store_true", help="those that were redriven three times as well")


def main(arguments: argparse.Namespace, open_stack: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Run the action; return the exit code: 3 where letters stay that were chosen, or could not be read.

    With `--json`: `list` prints `groups` and `letters`, `show` one letter with `content`, the others `done`, `failed`,
    `skipped` (by reason) and `groups`.
    """
    letters.check_choice(arguments)
    stack = open_stack(arguments)
    queue = letters.inbox(stack, "DeadLettersUrl", "dead letters")
    box, words = _dead_letters(stack, queue), replace(_WORDS, held_by_others=queue.held_by_others)
    actions: Mapping[str, Callable[[DeadLetters, argparse.Namespace], int]] = {
        "list": partial(list_letters, words=words),
        "show": partial(show_letter, words=words),
        "redrive": partial(_redrive, words=words),
        "drop": partial(drop_letters, words=words),
    }
    return actions[arguments.action](box, arguments)


def _dead_letters(stack: Stack, queue: letters.WatchedInbox) -> DeadLetters:
    from relay.recovery.dead_letters import DeadLetters

    return DeadLetters(
        stack=stack.name,
        shop=stack.parameters["ShopDomain"],
        queue=queue,
        queue_named=lambda name: _destination(stack, name),
        journal=letters.journal_of(stack),
        clock=letters.now,
        by=letters.operator(),
        sleep=letters.pause,
        fan_out_again=lambda window: _repair(stack).fan_out_again(window),
        erased=letters.erased_of(stack),
    )


def _destination(stack: Stack, name: str) -> MessageSender | None:
    """Return where letters of a source go back to: changes to their topic, all others to the queue of that name."""
    from relay.adapters.aws.sns import SnsOutgoing
    from relay.recovery.letters import CHANGES

    if name == CHANGES:
        return SnsOutgoing(stack.output("ChangesTopic"), CHANGES, stack.aws())
    return letters.queue_named(stack, name)


def _repair(stack: Stack) -> StreamRepair:
    """Return what fans writes of the members table out again."""
    from relay.adapters.aws.s3 import S3Journal
    from relay.adapters.aws.sns import SnsOutgoing
    from relay.adapters.aws.sqs import SqsOutgoing
    from relay.adapters.dynamodb.kpis import DynamoKpiStore
    from relay.adapters.dynamodb.members import DynamoMembers
    from relay.queues.requests import GrantQueue, RecheckQueue
    from relay.recovery.stream_letters import StreamRepair

    aws, shop = stack.aws(), stack.parameters["ShopDomain"]
    delay = int(stack.parameters.get("RecheckDelay", 0))

    def queue(output: str, name: str) -> SqsOutgoing | None:
        url = stack.outputs.get(output)
        return SqsOutgoing(url, name, aws) if url else None

    rechecks, grants = queue("ReconcileQueueUrl", "reconcile"), queue("GrantsQueueUrl", "grants")
    return StreamRepair(
        shop=shop,
        archive=S3Journal(stack.output("JournalBucket"), aws),
        outboxes=DynamoMembers(stack.output("MembersTable"), shop, aws),
        changes=SnsOutgoing(stack.output("ChangesTopic"), "changes", aws),
        alerts=SqsOutgoing(stack.output("AlertsUrl"), "alerts", aws),
        queue_named=lambda name: letters.queue_named(stack, name),
        telemetry=letters.QuietTelemetry(),
        clock=letters.now,
        rechecks=RecheckQueue(rechecks, delay) if rechecks else None,
        grants=GrantQueue(grants, delay) if grants else None,
        kpis=DynamoKpiStore(stack.output("FiguresTable"), shop, letters.now, aws),
    )


def _redrive(box: DeadLetters, arguments: argparse.Namespace, words: LetterWords) -> int:
    from relay.recovery.dead_letters import RedriveOptions

    chosen = letters.filter_of(arguments, letters.now())
    options = RedriveOptions(
        limit=arguments.limit, rate=arguments.rate, with_grants=arguments.with_grants, force=arguments.force
    )
    result, happened = box.redrive(chosen, replace(options, dry_run=True)), "Would send back"
    if result.groups and not arguments.dry_run:

        def redrive(step: Progress, total: int) -> LetterResult:
            return replace(box, report=lambda count: step(count, total)).redrive(chosen, options)

        question = "Send {} back to the queues they came from?"
        result, happened = (
            carry_out(arguments, result, redrive, words=words, question=question, doing="redriving"),
            "Sent back",
        )
    # What stays has its own sentence with the reason: it did fit the choice.
    empty = "no dead letter can go back" if result.skipped else words.none(" to redrive")
    nothing = empty if result.groups or result.skipped else nothing_fits(box, chosen, empty)
    return print_result(arguments, result, words, happened, nothing)
