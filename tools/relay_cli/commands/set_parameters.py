"""`relay set [SHOP] NAME=VALUE …`: change parameters in the shop's file and in its stack, and nothing else.

The deployed template stays, and so does each other parameter; what the file says beyond that waits for `relay deploy`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from relay_cli.commands.deploy import add_minutes_option
from relay_cli.deployment import shop_file
from relay_cli.deployment.plan import is_absent, make_plan
from relay_cli.deployment.rollout import Rollout, Version, say
from relay_cli.errors import ATTENTION, DONE, CliError, UsageError
from relay_cli.help import add_yes_option, describe
from relay_cli.output import show


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay set JournalDays=400",
        "relay set acme Targets=hubspot,klaviyo",
        notes="An empty value takes a setting away: SlackSecret= ends the posts to Slack.",
    )
    parser.add_argument(
        "words", nargs="+", metavar="[SHOP] NAME=VALUE", help="the shop, and parameters of the stack"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    add_minutes_option(parser)
    add_yes_option(parser)


def main(arguments: argparse.Namespace) -> int:
    """Change them; return the exit code (3: changed, and something is left to do).

    With `--json`: an object as of `relay deploy`.
    """
    name, changed = _words(arguments.words)
    path = shop_file.find(name)
    stack = shop_file.load(path, None).open_stack(arguments)
    if is_absent(stack):
        raise CliError(f"the stack {stack.name} is not deployed yet", "run `relay deploy`")
    known = Version.of(stack).known
    shop = shop_file.load(path, known)
    for key, value in changed.items():
        if problem := shop_file.parameter_problem(key, value, known):
            raise UsageError(problem, "docs/operations.md lists the parameters")
    plan = make_plan(stack, changed, known)
    if arguments.dry_run:
        show(arguments, plan.value(), plan.text())
        return DONE
    say(plan.text())
    outcome = Rollout(stack, plan, known, None, arguments.minutes, arguments.yes).run()
    # After the stack: a change that was rolled back must not be in the file.
    shop.with_parameters(changed).save()
    result = {"resources": outcome.resources, "probed": outcome.probed, "attention": outcome.attention}
    lines = [f"{stack.name} and {path} have the new {' and '.join(changed)}.", *outcome.attention]
    show(arguments, {**plan.value(), **result}, "\n".join(lines))
    return ATTENTION if outcome.attention else DONE


def _words(words: Sequence[str]) -> tuple[str | None, Mapping[str, str]]:
    """Return the shop and the values by parameter.

    Raises:
        UsageError: a word is neither, or a parameter is named twice.

    """
    shop = None if "=" in words[0] else words[0]
    pairs = words[0 if shop is None else 1 :]
    if not pairs or not all("=" in pair for pair in pairs):
        raise UsageError("name a parameter and its value", "for example: relay set JournalDays=400")
    changed = dict(pair.split("=", 1) for pair in pairs)
    if len(changed) < len(pairs):
        raise UsageError("a parameter is named twice")
    return shop, changed
