"""`relay unclaimed ACTION`: list the webhooks that have no topic's queue, look at one, place them, or drop them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from relay_cli import letters
from relay_cli.errors import ATTENTION, DONE
from relay_cli.help import HelpFormatter, add_yes_option, describe
from relay_cli.output import as_json, counted, progress, show
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay.recovery.dead_letters import LetterResult
    from relay.recovery.unclaimed_letters import Unclaimed

_SHOWN: Final = 20

_ACTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "list": (
        "Count the unclaimed webhooks by topic and reason, and list the oldest",
        "--reason unknown_topic",
    ),
    "show": ("Show one unclaimed webhook; values in its body only with --reveal", "3f9c2a71 --reveal"),
    "place": ("Route unclaimed webhooks again, now, by the rules of this version", "--dry-run"),
    "drop": ("Delete unclaimed webhooks; the journal keeps what they carry", "--reason other_shop"),
}
"""The summary of each action, and the arguments of its example."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the actions and their arguments."""
    describe(
        parser,
        "relay unclaimed list",
        notes="The clock routes them again every 15 minutes; what it cannot place for three days goes to the dead letters.\n"
        "A list hides them from others for the seconds that it takes. --json prints groups, counts and webhooks.",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action", title="actions")
    for name, (summary, example) in _ACTIONS.items():
        sub = actions.add_parser(name, help=summary, description=f"{summary}.", formatter_class=HelpFormatter)
        describe(sub, f"relay unclaimed {name} {example}")
        if name == "show":
            sub.add_argument("id", metavar="ID", help="the id as `list` shows it")
            sub.add_argument(
                "--reveal", action="store_true", help="show the values in the body: personal data"
            )
            continue
        letters.add_filters(sub, with_source=False)
        if name in {"place", "drop"}:
            sub.add_argument(
                "--dry-run", action="store_true", help="show what would happen, and change nothing"
            )
            add_yes_option(sub)


def main(arguments: argparse.Namespace, open_stack: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Run the action; return the exit code: 3 where webhooks stay that were chosen."""
    box = _unclaimed(open_stack(arguments), with_topics=arguments.action == "place")
    actions: Mapping[str, Callable[[Unclaimed, argparse.Namespace], int]] = {
        "list": _list,
        "show": _show,
        "place": _place,
        "drop": _drop,
    }
    return actions[arguments.action](box, arguments)


def _unclaimed(stack: Stack, *, with_topics: bool) -> Unclaimed:
    from relay.adapters.aws.sqs import SqsOutgoing
    from relay.ingest.unclaimed import UnclaimedDrain
    from relay.recovery.unclaimed_letters import Unclaimed

    shop, journal = stack.parameters["ShopDomain"], letters.journal_of(stack)
    queue = letters.inbox(stack, "UnclaimedUrl", "unclaimed")
    drain = UnclaimedDrain(
        shop=shop,
        unclaimed=queue,
        topics=letters.folders_queues(stack) if with_topics else {},
        dead_letters=SqsOutgoing(stack.output("DeadLettersUrl"), "dead letters", stack.aws()),
        journal=journal,
    )
    return Unclaimed(
        stack=stack.name,
        shop=shop,
        queue=queue,
        journal=journal,
        clock=letters.now,
        by=letters.operator(),
        outcome="unclaimed",
        erased=letters.erased_of(stack),
        drain=drain,
    )


def _list(box: Unclaimed, arguments: argparse.Namespace) -> int:
    chosen = letters.filter_of(arguments, letters.now())
    with progress("reading unclaimed webhooks") as step:
        found, groups = replace(box, report=step).find(chosen, arguments.limit or _SHOWN)
    value = {"groups": letters.group_rows(groups), "letters": [letter.row() for letter in found]}
    text = letters.as_groups(groups, empty="no unclaimed webhooks")
    if found:
        text += (
            f"\n\n{letters.as_rows(found)}\n\n`relay unclaimed show ID` shows one, `place` routes them again."
        )
    show(arguments, value, text)
    return DONE


def _show(box: Unclaimed, arguments: argparse.Namespace) -> int:
    letter = letters.the_one(box.find(letters.by_id(arguments.id))[0], arguments.id)
    value = {**letter.row(), "content": letter.content(reveal=arguments.reveal)}
    text = "\n".join(f"{name}: {'' if inner is None else inner}" for name, inner in letter.row().items())
    show(arguments, value, f"{text}\n{as_json(value['content'])}")
    return DONE


def _place(box: Unclaimed, arguments: argparse.Namespace) -> int:
    chosen = letters.filter_of(arguments, letters.now())
    planned = box.place(chosen, limit=arguments.limit, dry_run=True)
    if arguments.dry_run or not planned.groups:
        return _print(arguments, planned, "Would place", "nothing can be placed", queues=dict(planned.queues))
    total = sum(planned.queues.values())
    letters.ask(arguments, planned, f"Send {counted(total, 'webhook')} to the queues of their topics?")
    with progress("placing") as step:
        done = replace(box, report=lambda count: step(count, total)).place(chosen, limit=arguments.limit)
    return _print(arguments, done, "Placed", "nothing can be placed", queues=dict(done.queues))


def _drop(box: Unclaimed, arguments: argparse.Namespace) -> int:
    chosen = letters.filter_of(arguments, letters.now())
    planned = box.drop(chosen, limit=arguments.limit, dry_run=True)
    if arguments.dry_run or not planned.groups:
        return _print(arguments, planned, "Would drop", "no unclaimed webhooks to drop")
    total = sum(group.count for group in planned.groups)
    letters.ask(arguments, planned, f"Drop {counted(total, 'webhook')}? The journal keeps what they carry.")
    with progress("dropping") as step:
        done = replace(box, report=lambda count: step(count, total)).drop(chosen, limit=arguments.limit)
    return _print(arguments, done, "Dropped", "no unclaimed webhooks to drop")


def _print(
    arguments: argparse.Namespace, result: LetterResult, happened: str, nothing: str, **more: Any
) -> int:
    value = letters.result_value(result) | more
    total = sum(group.count for group in result.groups)
    lines = letters.done_groups(arguments, result, empty=nothing)
    if total:
        lines.append(f"{happened} {counted(total if arguments.dry_run else result.done, 'webhook')}.")
    lines += [f"{count} go to {queue}" for queue, count in more.get("queues", {}).items()]
    if result.failed:
        lines.append(
            f"{result.failed} stay: their queue or the journal did not take them. Run the command again."
        )
    lines += [
        f"{count} stay: this version knows no queue for them; `relay unclaimed list` shows the reasons"
        for count in result.skipped.values()
    ]
    show(arguments, value, "\n".join(lines))
    return ATTENTION if result.failed or result.skipped else DONE
