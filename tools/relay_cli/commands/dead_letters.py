"""`relay dead-letters ACTION`: list what was given up, look at it, send it back to its queue, or drop it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from relay_cli import letters
from relay_cli.errors import ATTENTION, DONE
from relay_cli.help import HelpFormatter, add_yes_option, describe
from relay_cli.output import as_json, counted, progress, show
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay.ports.messaging import MessageSender
    from relay.recovery.dead_letters import DeadLetters, LetterResult
    from relay.recovery.stream_letters import StreamRepair

_SHOWN: Final = 20

_ACTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "list": ("Count the dead letters by source, topic and reason, and list the oldest", "--reason no_member"),
    "show": ("Show one dead letter; values in its body only with --reveal", "3f9c2a71 --reveal"),
    "redrive": ("Send dead letters back to the queues they came from", "--source hubspot --dry-run"),
    "drop": ("Delete dead letters; the journal keeps what they carry", "--reason not_json"),
}
"""The summary of each action, and the arguments of its example."""

_SKIPPED: Final = {
    "grants": "grants are money: look at docs/retention.md, then add --with-grants",
    "redriven_often": "redriven three times already: mend the cause first, then add --force",
    "no_queue": "their queue does not exist any more or is not known",
    "not_in_journal": "the journal has no write of their time yet: try later, or add --force to let them go",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the actions and their arguments."""
    describe(
        parser,
        "relay dead-letters list",
        notes="A letter that goes back counts as new: its age and its attempts begin again. A list hides the letters\n"
        "from others for the seconds that it takes. A letter of the source `stream` names no member: what the writes of its\n"
        "time had to send is sent again, from the record or from the journal. One of `changes` goes to every CRM again;\n"
        "each takes what it lacks. --json prints groups, counts and letters.",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action", title="actions")
    for name, (summary, example) in _ACTIONS.items():
        sub = actions.add_parser(name, help=summary, description=f"{summary}.", formatter_class=HelpFormatter)
        describe(sub, f"relay dead-letters {name} {example}")
        if name == "show":
            sub.add_argument("id", metavar="ID", help="the id as `list` shows it")
            sub.add_argument(
                "--reveal", action="store_true", help="show the values in the body: personal data"
            )
            continue
        letters.add_filters(sub)
        if name == "redrive":
            _add_redrive_options(sub)
        if name in {"redrive", "drop"}:
            sub.add_argument(
                "--dry-run", action="store_true", help="show what would happen, and change nothing"
            )
            add_yes_option(sub)


def _add_redrive_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rate", metavar="COUNT", type=_rate, default=20.0, help="letters a second (default: %(default)g)"
    )
    parser.add_argument("--with-grants", action="store_true", help="grants of store credit as well")
    parser.add_argument("--force", action="store_true", help="those that were redriven three times as well")


def _rate(text: str) -> float:
    most = 1_000
    if not 0 < float(text) <= most:
        raise ValueError(text)
    return float(text)


def main(arguments: argparse.Namespace, open_stack: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Run the action; return the exit code: 3 where letters stay that were chosen.

    With `--json`: `list` prints `groups` and `letters`, `show` one letter with `content`, the others `done`, `failed`,
    `skipped` (by reason) and `groups`.
    """
    box = _dead_letters(open_stack(arguments))
    actions: Mapping[str, Callable[[DeadLetters, argparse.Namespace], int]] = {
        "list": _list,
        "show": _show,
        "redrive": _redrive,
        "drop": _drop,
    }
    return actions[arguments.action](box, arguments)


def _dead_letters(stack: Stack) -> DeadLetters:
    from relay.recovery.dead_letters import DeadLetters

    return DeadLetters(
        stack=stack.name,
        shop=stack.parameters["ShopDomain"],
        queue=letters.inbox(stack, "DeadLettersUrl", "dead letters"),
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


def _list(box: DeadLetters, arguments: argparse.Namespace) -> int:
    chosen = letters.filter_of(arguments, letters.now())
    with progress("reading dead letters") as step:
        found, groups = replace(box, report=step).find(chosen, arguments.limit or _SHOWN)
    value = {"groups": letters.group_rows(groups), "letters": [letter.row() for letter in found]}
    text = letters.as_groups(groups, empty="no dead letters")
    if found:
        text += f"\n\n{letters.as_rows(found)}\n\n`relay dead-letters show ID` shows one, `redrive` sends them back."
    show(arguments, value, text)
    return DONE


def _show(box: DeadLetters, arguments: argparse.Namespace) -> int:
    letter = letters.the_one(box.find(letters.by_id(arguments.id))[0], arguments.id)
    value = {**letter.row(), "content": letter.content(reveal=arguments.reveal)}
    text = "\n".join(f"{name}: {'' if inner is None else inner}" for name, inner in letter.row().items())
    show(arguments, value, f"{text}\n{as_json(value['content'])}")
    return DONE


def _redrive(box: DeadLetters, arguments: argparse.Namespace) -> int:
    from relay.recovery.dead_letters import RedriveOptions

    chosen = letters.filter_of(arguments, letters.now())
    options = RedriveOptions(
        limit=arguments.limit, rate=arguments.rate, with_grants=arguments.with_grants, force=arguments.force
    )
    planned = box.redrive(chosen, replace(options, dry_run=True))
    if arguments.dry_run or not planned.groups:
        return _print(arguments, planned, "Would send back", "no dead letters to redrive")
    total = sum(group.count for group in planned.groups)
    letters.ask(arguments, planned, f"Send {counted(total, 'letter')} back to the queues they came from?")
    with progress("redriving") as step:
        done = replace(box, report=lambda count: step(count, total)).redrive(chosen, options)
    return _print(arguments, done, "Sent back", "no dead letters to redrive")


def _drop(box: DeadLetters, arguments: argparse.Namespace) -> int:
    chosen = letters.filter_of(arguments, letters.now())
    planned = box.drop(chosen, limit=arguments.limit, dry_run=True)
    if arguments.dry_run or not planned.groups:
        return _print(arguments, planned, "Would drop", "no dead letters to drop")
    total = sum(group.count for group in planned.groups)
    letters.ask(arguments, planned, f"Drop {counted(total, 'letter')}? The journal keeps what they carry.")
    with progress("dropping") as step:
        done = replace(box, report=lambda count: step(count, total)).drop(chosen, limit=arguments.limit)
    return _print(arguments, done, "Dropped", "no dead letters to drop")


def _print(arguments: argparse.Namespace, result: LetterResult, happened: str, nothing: str) -> int:
    value = letters.result_value(result)
    total = sum(group.count for group in result.groups)
    lines = letters.done_groups(arguments, result, empty=nothing)
    if total:
        lines.append(f"{happened} {counted(total if arguments.dry_run else result.done, 'letter')}.")
    if result.failed:
        lines.append(f"{result.failed} were refused by their queue and stay: run the command again.")
    lines += [f"{count} stay: {_SKIPPED[reason]}" for reason, count in result.skipped.items()]
    show(arguments, value, "\n".join(lines))
    return ATTENTION if result.failed or result.skipped else DONE
