"""`relay deploy [SHOP]`: build, show what changes, deploy by difference, prepare the CRMs, probe, then subscribe.

Installing and updating are the same command. An update is rolled back by CloudFormation where the receiver's errors or
the API's 5xx rise, and by this command where a probe does not arrive.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from relay_cli.callback_key import key_digests
from relay_cli.deployment import package, shop_file
from relay_cli.deployment.package import Package
from relay_cli.deployment.plan import Plan, deployed_parameters, make_plan
from relay_cli.deployment.rollout import Rollout, say
from relay_cli.deployment.shop_file import ShopFile
from relay_cli.deployment.template import parameters_of
from relay_cli.errors import ATTENTION, DONE, CliError
from relay_cli.help import add_yes_option, describe
from relay_cli.numbers import whole_number
from relay_cli.output import show
from relay_cli.stack import Stack

_LONGEST_WATCH: Final = 180
_NOTES: Final = """\
Parameters that the shop's file does not name keep their deployed value. The command asks before it
changes anything; --dry-run ends there. The template before is deployed again where a probe fails."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(parser, "relay deploy acme --dry-run", "relay deploy acme", notes=_NOTES)
    parser.add_argument(
        "shop", nargs="?", metavar="SHOP", help="a file in shops/, or a path (default: the only one)"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    parser.add_argument(
        "--built",
        metavar="TEMPLATE",
        type=Path,
        help="deploy this built template, such as .aws-sam/build/template.yaml, instead of building",
    )
    parser.add_argument(
        "--bucket", metavar="BUCKET", help="the bucket for code and template (default: SAM's own)"
    )
    add_minutes_option(parser)
    add_yes_option(parser)


def add_minutes_option(parser: argparse.ArgumentParser) -> None:
    """Add `--minutes`, for how long alarms roll an update back."""
    parser.add_argument(
        "--minutes",
        metavar="MINUTES",
        type=whole_number(0, _LONGEST_WATCH),
        default=5,
        help="how long an alarm rolls an update back afterwards, 0 to 180 (default: %(default)s)",
    )


def main(arguments: argparse.Namespace) -> int:
    """Deploy; return the exit code (3: deployed, and something is left to do).

    With `--json`: an object with `stack`, `new`, `changes` (parameter, old, new) and `warnings`; after a deployment
    also `resources`, `probed` and `attention`.
    """
    root = package.require_checkout()
    known = parameters_of(root / "template.yaml")
    shop = shop_file.load(shop_file.find(arguments.shop), known)
    stack = shop.open_stack(arguments)
    plan = make_plan(stack, _wanted(shop, stack), known)
    if arguments.dry_run:
        show(arguments, plan.value(), plan.text())
        return DONE
    say(plan.text())
    uploaded = _package(arguments, shop, stack, known)
    outcome = Rollout(stack, plan, known, uploaded, arguments.minutes, arguments.yes).run()
    _subscribe(outcome.stack)
    result = {"resources": outcome.resources, "probed": outcome.probed, "attention": outcome.attention}
    lines = [f"{shop.stack} is deployed, and {outcome.probed} topics arrive.", *outcome.attention]
    show(arguments, {**plan.value(), **result}, "\n".join([*lines, *_next_steps(shop, plan)]))
    return ATTENTION if outcome.attention else DONE


def _wanted(shop: ShopFile, stack: Stack) -> Mapping[str, str]:
    """Return the file's parameters; a new stack also gets the digest of the shop's callback key."""
    if "KeyDigests" in {**shop.parameters, **deployed_parameters(stack)}:
        return shop.parameters
    return {**shop.parameters, "KeyDigests": key_digests(stack)}


def _package(
    arguments: argparse.Namespace, shop: ShopFile, stack: Stack, known: Mapping[str, Mapping[str, Any]]
) -> Package:
    deployed = deployed_parameters(stack)
    runtime, architecture = (
        shop.parameters.get(name) or deployed.get(name) or str(known[name]["Default"])
        for name in ("Runtime", "Architecture")
    )
    built = arguments.built
    if built is None:
        say(f"building for {runtime} on {architecture} …")
        built = package.build(runtime, architecture)
    elif not built.is_file():
        raise CliError(f"there is no built template {built}", "leave --built away, and it is built")
    say("uploading …")
    return package.upload(built, stack.access, stack.name, arguments.bucket)


def _subscribe(stack: Stack) -> None:
    from relay_cli import subscriptions

    done = subscriptions.apply(stack)
    say(done.sentence)
    if done.failed:
        raise CliError(
            f"{', '.join(done.failed)} could not be subscribed", "run `relay subscriptions apply` again"
        )


def _next_steps(shop: ShopFile, plan: Plan) -> list[str]:
    """Return what to do after the first deployment."""
    if not plan.is_new:
        return []
    steps = [(f"export RELAY_STACK={shop.stack}", "so that no command needs --stack")]
    rules = shop.path.with_suffix(".rules.yaml")
    if rules.is_file():
        steps.append((f"relay rules apply {rules}", "the proposed rules: look at them before"))
    steps.append(("relay import", "the members that the programme has already, without an alert"))
    if shop.parameters.get("SlackSecret"):
        steps.append(("relay test-alert slack", "a test message"))
    steps.append(("relay doctor", "every part in a line: green, or what to do"))
    width = max(len(step) for step, _ in steps)
    return ["", "Next:", *(f"  {step:<{width}}  # {what}" for step, what in steps)]
