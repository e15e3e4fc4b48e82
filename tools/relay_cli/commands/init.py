"""`relay init [SHOP]`: ask what a shop needs, test each answer, store its secrets in SSM, and write its file.

Nothing is deployed. A second run with Enter at every question changes nothing.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from stack_template import names

from relay_cli.aws_access import AwsAccess
from relay_cli.common import DEFAULT_STACK
from relay_cli.deployment import package, shop_file
from relay_cli.deployment.plan import concurrency_advice
from relay_cli.deployment.shop_file import ShopFile
from relay_cli.deployment.template import parameters_of
from relay_cli.errors import DONE, UsageError
from relay_cli.help import describe
from relay_cli.output import show
from relay_cli.prompts import prompt
from relay_cli.setup.interview import Interview
from relay_cli.setup.questions import Questions, say, secret_sources
from relay_cli.setup.secret_kinds import KINDS

_FLAGS: Final = {
    "shop_domain": ("ShopDomain", "the shop's domain at Shopify (default: the API key's)"),
    "time_zone": ("TimeZone", "the shop's time zone, such as Europe/Berlin"),
    "targets": ("Targets", "the CRMs, by commas: hubspot, klaviyo, salesforce, webhook"),
    "slack_channel": ("SlackChannel", "the channel of a Slack bot, by id or as #name"),
    "alert_email": ("AlertEmail", "the address for alerts and alarms"),
}
"""The flags of the questions: by name, the parameter and the help."""

_VARIABLES: Final = ", ".join(kind.variable for kind in KINDS)
_NOTES: Final = f"""\
A secret is typed, or comes from a variable ({_VARIABLES}), or from --secret-from; never from a flag, which
the shell's history and every user of the machine would see. `none` takes an answer away."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay init acme",
        "relay init acme --non-interactive --time-zone Europe/Berlin --targets hubspot --secret-from hubspot=token.txt",
        notes=_NOTES,
    )
    parser.add_argument(
        "shop", nargs="?", metavar="SHOP", help="how the shop's file is called: shops/SHOP.toml"
    )
    parser.add_argument(
        "--non-interactive", action="store_true", help="ask nothing: take flags and variables"
    )
    for flag, (_, description) in _FLAGS.items():
        parser.add_argument(f"--{flag.replace('_', '-')}", metavar="VALUE", help=description)
    parser.add_argument(
        "--parameter",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="any other parameter of the stack; can be repeated",
    )
    parser.add_argument(
        "--secret-from",
        metavar="NAME=FILE",
        action="append",
        default=[],
        help=f"read a secret ({', '.join(kind.name for kind in KINDS)}) from a file, or from - ; can be repeated",
    )


def main(arguments: argparse.Namespace) -> int:
    """Ask, test, store and write; return the exit code.

    With `--json`: an object with `file`, `written` (whether it changed), `stored` (SSM parameters that were written)
    and `rules` (the proposed document's file, null where none was written).
    """
    interactive = not arguments.non_interactive
    if interactive and not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask at", "use --non-interactive with flags and variables")
    known = parameters_of(package.require_checkout() / "template.yaml")
    before = _present(arguments, known)
    stack = before.open_stack(arguments)
    given = _given(arguments)
    if missing := [name for name in given if name not in known]:
        raise UsageError(f"the template has no parameter {missing[0]}")
    sources = secret_sources(arguments.secret_from, {kind.name: kind.title for kind in KINDS})
    interview = Interview(stack, known, Questions(interactive, given, sources), dict(before.parameters))
    interview.run()
    shop = before.with_parameters(interview.parameters)
    written = shop.save()
    rules = _write_rules(shop.path, interview.proposed_rules)
    if advice := concurrency_advice(stack):
        say(advice)
    result = {"file": str(shop.path), "written": written, "stored": interview.stored, "rules": rules}
    lines = [f"{shop.path} is {'written' if written else 'unchanged'}."]
    lines += [f"stored: {', '.join(interview.stored)}"] if interview.stored else []
    lines += [f"{rules} proposes the rules of its tiers: look at it."] if rules else []
    show(arguments, result, "\n".join([*lines, f"Next: relay deploy {shop.path.stem}"]))
    return DONE


def _typed_name(arguments: argparse.Namespace) -> str:
    if arguments.non_interactive:
        return ""
    with prompt():
        return input("Name of the shop, such as acme: ").strip()


def _present(arguments: argparse.Namespace, known: Mapping[str, Mapping[str, Any]]) -> ShopFile:
    """Return the shop's file as it is, or a new one."""
    name = arguments.shop or _only_shop() or _typed_name(arguments)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}", name):
        raise UsageError("name the shop with letters, digits and hyphens", "for example: relay init acme")
    path = shop_file.FOLDER / f"{name}.toml"
    if path.is_file():
        return shop_file.load(path, known)
    access = AwsAccess.of(arguments)
    stack = arguments.stack if arguments.stack != DEFAULT_STACK else f"relay-{name}"
    if why := names.fault(stack):
        raise UsageError(why, "name another with --stack")
    return ShopFile(path=path, stack=stack, region=access.session.region_name, profile=access.profile)


def _only_shop() -> str | None:
    every = sorted(shop_file.FOLDER.glob("*.toml"))
    return every[0].stem if len(every) == 1 else None


def _given(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the parameters that flags give."""
    given: dict[str, str] = {}
    for pair in arguments.parameter:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError("--parameter takes NAME=VALUE", "for example: --parameter JournalDays=400")
        given[name] = value
    for flag, (name, _) in _FLAGS.items():
        if (value := getattr(arguments, flag)) is not None:
            given[name] = value
    return given


def _write_rules(shop: Path, proposed: str | None) -> str | None:
    """Write the proposed rules beside the shop's file, unless a person has theirs there already."""
    path = shop.with_suffix(".rules.yaml")
    if proposed is None or path.exists():
        return None
    path.write_text(proposed, encoding="utf-8")
    return str(path)
