"""`relay unclaimed ACTION`: list the webhooks that have no topic's queue, look at one, place them, or drop them."""

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
    print_result,
    show_letter,
)
from relay_cli.output import Progress
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay.recovery.unclaimed_letters import PlaceResult, Unclaimed

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


_ADVICE: Final[Mapping[str, str]] = {
    "unknown_topic": "this version knows no such topic: deploy one that does, or drop it",
    "other_shop": "it is another shop's: correct that shop's subscriptions, then drop it",
    "not_json": "it is no webhook, but a tool's test or a broken sender's: drop it",
    "too_deep": "it is no webhook, but a tool's test or a broken sender's: drop it",
}
"""What to do about an unclaimed webhook, by its reason."""

_WORDS: Final = LetterWords(
    command="relay unclaimed",
    queue="unclaimed webhooks",
    thing="webhook",
    then="`place` routes them again",
    skipped={
        "no_queue": "this version knows no queue for such a webhook; `relay unclaimed list` shows the reasons",
    },
    failed="the queue or the journal did not take it: run the command again",
    advice=lambda reason: _ADVICE.get(
        reason, "look at it; `place` routes it as soon as a version can, else drop it"
    ),
    with_source=False,
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the actions and their arguments."""
    describe(
        parser,
        "relay unclaimed list",
        notes="The clock routes them again every 15 minutes; what it cannot place for three days goes to the dead letters.\n"
        "The clock and each command hide them from other readers while they look at them, for seconds: a command says how\n"
        "many it could not read, with exit code 3. --json prints groups, counts and webhooks.",
    )
    add_actions(parser, _WORDS.command, _ACTIONS, with_source=False)


def main(arguments: argparse.Namespace, open_stack: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Run the action; return the exit code: 3 where webhooks stay that were chosen, or could not be read."""
    letters.check_choice(arguments)
    stack = open_stack(arguments)
    queue = letters.inbox(stack, "UnclaimedUrl", "unclaimed")
    box = _unclaimed(stack, queue, with_topics=arguments.action == "place")
    words = replace(_WORDS, held_by_others=queue.held_by_others)
    actions: Mapping[str, Callable[[Unclaimed, argparse.Namespace], int]] = {
        "list": partial(list_letters, words=words),
        "show": partial(show_letter, words=words),
        "place": partial(_place, words=words),
        "drop": partial(drop_letters, words=words),
    }
    return actions[arguments.action](box, arguments)


def _unclaimed(stack: Stack, queue: letters.WatchedInbox, *, with_topics: bool) -> Unclaimed:
    from relay.adapters.aws.sqs import SqsOutgoing
    from relay.ingest.unclaimed import UnclaimedDrain
    from relay.recovery.unclaimed_letters import Unclaimed

    shop, journal = stack.parameters["ShopDomain"], letters.journal_of(stack)
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


def _place(box: Unclaimed, arguments: argparse.Namespace, words: LetterWords) -> int:
    chosen = letters.filter_of(arguments, letters.now())
    result, happened = box.place(chosen, limit=arguments.limit, dry_run=True), "Would place"
    if result.groups and not arguments.dry_run:

        def place(step: Progress, total: int) -> PlaceResult:
            return replace(box, report=lambda count: step(count, total)).place(chosen, limit=arguments.limit)

        question = "Send {} to the queues of their topics?"
        result, happened = (
            carry_out(arguments, result, place, words=words, question=question, doing="placing"),
            "Placed",
        )
    return print_result(arguments, result, words, happened, "nothing can be placed", queues=result.queues)
