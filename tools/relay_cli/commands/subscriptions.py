"""`relay subscriptions ACTION`: compare the webhook subscriptions with the stack, set them up, or remove them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from inveterate.webhooks.topics import TOPICS

from relay_cli import subscriptions, tokens
from relay_cli.callback_key import VARIABLE
from relay_cli.errors import ATTENTION, DONE, FAILED, CliError
from relay_cli.help import HelpFormatter, add_yes_option, describe
from relay_cli.output import as_json, show
from relay_cli.platform import API_KEY_VARIABLE
from relay_cli.prompts import confirm
from relay_cli.stack import Stack
from relay_cli.subscriptions import Applied, Change, Desired

if TYPE_CHECKING:
    from relay.ports.subscriptions import SubscriptionState

_ACTIONS: Final[Mapping[str, str]] = {
    "plan": "Show what `apply` would change, and change nothing",
    "apply": "Subscribe every topic to the stack's callback URL; it can be repeated safely",
    "destroy": "Remove the stack's subscriptions",
}

_NOTES: Final = f"""\
Subscriptions with another name than `relay <stack>` are never changed. The callback key is read from
{VARIABLE}, else from SSM, else asked for. The API key is read from {API_KEY_VARIABLE}, else from the
stack's parameter InveterateSecret, else asked for. Tokens that Inveterate returns are demanded of deliveries only after
those of every topic within a day bore one."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the actions and their arguments."""
    describe(parser, "relay subscriptions plan", "relay subscriptions apply --stack relay-acme", notes=_NOTES)
    parser.set_defaults(list_topics=False)
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action", title="actions")
    for name, summary in _ACTIONS.items():
        sub = actions.add_parser(name, help=summary, description=f"{summary}.", formatter_class=HelpFormatter)
        describe(sub, f"relay subscriptions {name}")
        if name == "plan":
            sub.add_argument("--list-topics", action="store_true", help="print the topics and exit")
        else:
            add_yes_option(sub)


def main(
    arguments: argparse.Namespace,
    open_stack: Callable[[argparse.Namespace], Stack] = Stack.of,
) -> int:
    """Run the action; return the exit code: 3 where `plan` finds a difference, 1 where a topic failed.

    With `--json`: `plan` prints `name`, `changes` and `is_equal`; the others what was done, topic by topic.
    """
    if arguments.list_topics:
        print(as_json(TOPICS) if arguments.json else "\n".join(TOPICS))
        return DONE
    stack = open_stack(arguments)
    target = subscriptions.desired(stack)
    match arguments.action:
        case "plan":
            return _plan(target, arguments)
        case "apply":
            return _apply(stack, target, arguments)
        case _:
            return _destroy(target, arguments)


def _plan(target: Desired, arguments: argparse.Namespace) -> int:
    changes = _changes(target)
    is_equal = not _differing(changes)
    rows = [
        {"topic": one.topic, "action": one.action, "duplicates": len(one.surplus), "others": list(one.others)}
        for one in changes
    ]
    show(arguments, {"name": target.name, "changes": rows, "is_equal": is_equal}, _diff(changes))
    return DONE if is_equal else ATTENTION


def _changes(target: Desired) -> list[Change]:
    with subscriptions.connected(target) as client:
        return subscriptions.plan(client.webhook_subscriptions.list(), target)


def _differing(changes: Sequence[Change]) -> list[Change]:
    return [one for one in changes if one.action != "keep" or one.surplus]


def _diff(changes: Sequence[Change]) -> str:
    """Return the difference: a sign, the topic, what is done."""
    signs = {"keep": " ", "create": "+", "update": "~"}
    lines = []
    for one in changes:
        words = [one.action, *([f"remove {len(one.surplus)} of our own more"] if one.surplus else [])]
        words += [f"others: {', '.join(one.others)}"] if one.others else []
        lines.append(f"{signs[one.action]} {one.topic:<34}{'; '.join(words)}")
    count = len(_differing(changes))
    lines += [
        "",
        f"{count} topics differ: `relay subscriptions apply` sets them right" if count else "nothing differs",
    ]
    return "\n".join(lines)


def _apply(stack: Stack, target: Desired, arguments: argparse.Namespace) -> int:
    applied = subscriptions.apply_to(target, keep=lambda found: subscriptions.keep_tokens(stack, found))
    enforced, said = _tokens(stack, applied, arguments)
    value = {**subscriptions.as_json(applied), "tokens_enforced": enforced, "tokens": said}
    show(arguments, value, f"{_as_text(applied)}\n\n{said}")
    return FAILED if applied.failed else DONE


def _tokens(stack: Stack, applied: Applied, arguments: argparse.Namespace) -> tuple[bool, str]:
    """Demand tokens where the last day's deliveries allow it; return whether they are demanded, and why not."""
    digests = {**_state(stack).tokens, **applied.tokens}
    demanded = bool(stack.parameters.get("TokenDigests"))
    if not digests:
        return demanded, "tokens are not enforced: Inveterate has returned none" if not demanded else (
            "tokens are enforced, by the parameter TokenDigests"
        )
    try:
        evidence = tokens.evidence_of(stack, digests)
    except CliError as error:
        return demanded, f"tokens are not enforced: {error.message}"
    if not evidence.is_enough:
        bare = ", ".join(evidence.without)
        why = (
            f"deliveries of these topics came without one: {bare}"
            if bare
            else "no delivery came within a day"
        )
        return demanded, f"tokens are not enforced: {why}"
    if set(stack.parameters.get("TokenDigests", "").split(",")) == set(digests.values()):
        return True, "tokens are enforced"
    if not arguments.yes:
        confirm("Every delivery of the last day bore its token. Refuse deliveries without one from now on?")
    tokens.enforce(stack, digests)
    return True, "tokens are enforced from now on: the stack has the new TokenDigests"


def _state(stack: Stack) -> SubscriptionState:
    from relay.adapters.dynamodb.platform import DynamoSubscriptionStates

    return DynamoSubscriptionStates(stack.output("MirrorsTable"), stack.aws()).load()


def _destroy(target: Desired, arguments: argparse.Namespace) -> int:
    with subscriptions.connected(target) as client:
        ours = [one for one in client.webhook_subscriptions.list() if one.name == target.name]
    if ours and not arguments.yes:
        confirm(f"Remove {len(ours)} subscriptions named {target.name}? No webhook reaches the stack then.")
    applied = subscriptions.destroy(target)
    text = "\n".join([*(f"- {topic}" for topic in applied.removed), f"{len(applied.removed)} removed"])
    text += "".join(f"\n{topic}: FAILED: {reason}" for topic, reason in applied.failed.items())
    show(arguments, subscriptions.as_json(applied), text)
    return FAILED if applied.failed else DONE


def _as_text(applied: Applied) -> str:
    states: dict[str, Any] = {
        topic: word
        for word, topics in (
            ("created", applied.created),
            ("updated", applied.updated),
            ("kept", applied.kept),
        )
        for topic in topics
    }
    states |= {topic: f"FAILED: {reason}" for topic, reason in applied.failed.items()}
    lines = [f"{topic:<34}{states.get(topic, '')}" for topic in TOPICS]
    lines += [f"removed a duplicate of {topic}" for topic in applied.removed]
    if applied.shared:
        lines.append(f"Other subscriptions exist for: {', '.join(applied.shared)}")
    return "\n".join(lines)
