"""`relay uninstall`: delete the webhook subscriptions, then the stack; say what stays and costs.

The subscriptions go first: Inveterate would otherwise go on posting to a URL that does not answer. Tables and the journal
outlive a stack; `--everything` deletes them too, after the stack's name was typed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial

from relay_cli.checks.crms import targets_of
from relay_cli.errors import DONE, CliError, DeclinedError
from relay_cli.help import add_yes_option, describe
from relay_cli.known_errors import known_error
from relay_cli.output import Progress, progress, show
from relay_cli.platform import api_key, client_for
from relay_cli.prompts import confirm, prompt
from relay_cli.removal.deletion import (
    delete_kept,
    delete_secret,
    delete_stack,
    delete_subscriptions,
    subscriptions_to_delete,
)
from relay_cli.removal.plan import Subscription, UninstallPlan, kept_of, secrets_of
from relay_cli.resources import QUEUE, Resource, names_of, queue_depths, resources_of
from relay_cli.stack import Stack


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay uninstall --stack relay-acme --dry-run",
        "relay uninstall --stack relay-acme",
        "relay uninstall --stack relay-acme --everything",
        notes="Run again, it goes on where it was interrupted, as long as the stack is there. The API key is read from INVETERATE_API_KEY, else from\n"
        "the secret that InveterateSecret names.",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be deleted, and delete nothing"
    )
    parser.add_argument(
        "--everything",
        action="store_true",
        help="delete the tables, the journal and the secrets as well; asks for the stack's name",
    )
    parser.add_argument(
        "--confirm-name",
        metavar="STACK",
        help="with --everything: the stack's name, where no terminal is here",
    )
    parser.add_argument(
        "--keep-subscriptions",
        action="store_true",
        help="leave the subscriptions: Inveterate then posts to a URL that does not answer",
    )
    add_yes_option(parser)


def main(arguments: argparse.Namespace, open_stack: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Show the plan, ask, delete; return the exit code.

    With `--json`: the plan, with `deleted` (a list of what was).
    """
    stack = open_stack(arguments)
    plan = plan_of(stack, keep_subscriptions=arguments.keep_subscriptions)
    text = plan.text(everything=arguments.everything)
    if arguments.dry_run:
        show(arguments, {**plan.value(), "deleted": []}, text)
        return DONE
    if not arguments.json:
        print(text)
    _ask(arguments, stack.name)
    deleted = _delete(stack, plan, everything=arguments.everything)
    stays = "" if arguments.everything else " What stays is listed above."
    show(arguments, {**plan.value(), "deleted": deleted}, f"{stack.name} is uninstalled.{stays}")
    return DONE


def _ask(arguments: argparse.Namespace, name: str) -> None:
    """Return if the person agrees. `--yes` does not answer for everything: personal data cannot be had back.

    Raises:
        DeclinedError: they do not, or cannot be asked.

    """
    if not arguments.everything:
        if not arguments.yes:
            confirm(f"Delete the stack {name}?")
        return
    typed = arguments.confirm_name
    if typed is None:
        if not sys.stdin.isatty():
            raise DeclinedError(
                f"deleting everything of {name} needs its name", f"confirm with --confirm-name {name}"
            )
        with prompt():
            typed = input(f"This cannot be undone. Type the stack's name ({name}) to delete everything: ")
    if typed.strip() != name:
        raise DeclinedError("the name is another; nothing was changed")


def plan_of(stack: Stack, *, keep_subscriptions: bool) -> UninstallPlan:
    """Return what an uninstallation of this stack concerns.

    Raises:
        CliError: there is no such stack, or its subscriptions cannot be read.

    """
    found = stack.description
    if found is None:
        raise CliError(
            f"the stack {stack.name} does not exist in this account and region",
            "name another with --stack, another region with --region; what a deleted stack left is found and deleted "
            "by hand: docs/install.md, Uninstall",
        )
    outputs, parameters = stack.outputs_now, stack.parameters_now
    resources = resources_of(stack)
    url = outputs.get("CallbackBaseUrl", "")
    secrets, shared = secrets_of(stack, parameters)
    return UninstallPlan(
        stack=stack.name,
        state=str(found["StackStatus"]),
        url=url,
        subscriptions=[] if keep_subscriptions else _subscriptions(stack, url),
        waiting=_waiting(stack, resources),
        kept=kept_of(stack, resources),
        secrets=secrets,
        shared_secrets=shared,
        targets=targets_of(parameters),
    )


def _subscriptions(stack: Stack, url: str) -> list[Subscription]:
    from inveterate import InveterateError

    remedy = "set INVETERATE_API_KEY, or leave the subscriptions: --keep-subscriptions"
    try:
        with client_for(stack, api_key(stack)) as client:
            return subscriptions_to_delete(client.webhook_subscriptions.list(), stack.name, url)
    except InveterateError as error:
        raise CliError(f"the subscriptions cannot be read: {type(error).__name__}", remedy) from None
    except CliError as error:
        raise CliError(error.message, error.remedy or remedy) from None


def _waiting(stack: Stack, resources: Sequence[Resource]) -> dict[str, int]:
    depths = queue_depths(stack, names_of(resources, QUEUE))
    return {depth.name: depth.total for depth in depths if depth.total}


def _delete(stack: Stack, plan: UninstallPlan, *, everything: bool) -> list[str]:
    deleted: list[str] = []
    if plan.subscriptions:
        with client_for(stack, api_key(stack)) as client, progress("deleting subscriptions") as step:
            count = delete_subscriptions(client, plan.subscriptions, step)
        deleted.append(f"{count} subscriptions")
    with progress(f"deleting {stack.name}") as step:
        delete_stack(stack, step)
    deleted.append(f"stack {stack.name}")
    return [*deleted, *(_delete_rest(stack, plan) if everything else [])]


def _delete_rest(stack: Stack, plan: UninstallPlan) -> list[str]:
    """Delete what outlives the stack; return what was deleted.

    Raises:
        CliError: names what is still there. The stack is gone, so that this command does not find it again.

    """
    deleted: list[str] = []
    left: dict[str, str] = {}
    deletions: list[tuple[str, Callable[[Progress], None]]] = [
        (one.name, partial(delete_kept, stack, one)) for one in plan.kept
    ]
    deletions += [(f"secret {name}", partial(_delete_secret, stack, name)) for name in plan.secrets]
    for name, delete in deletions:
        try:
            with progress(f"deleting {name}") as step:
                delete(step)
            deleted.append(name)
        except Exception as error:  # noqa: BLE001 - the others are deleted all the same, and this one is named
            known = known_error(error)
            left[name] = known.message if known else type(error).__name__
    if left:
        raise CliError(
            f"{stack.name} is deleted, and still there are: "
            + "; ".join(f"{name} ({reason})" for name, reason in left.items()),
            "delete them in the console: the stack is gone, so this command does not find them again",
        )
    return deleted


def _delete_secret(stack: Stack, name: str, _: Progress) -> None:
    delete_secret(stack, name)
