"""`relay keys rotate [SHOP]`: replace the callback key without refusing a webhook; `relay keys show` prints the URL."""

from __future__ import annotations

import argparse
from typing import Final

from relay_cli.callback_key import callback_key
from relay_cli.deployment import shop_file
from relay_cli.deployment.rotation import Rotation
from relay_cli.errors import DONE
from relay_cli.help import HelpFormatter, add_yes_option, describe
from relay_cli.output import show
from relay_cli.stack import Stack

_NOTES: Final = """\
Two keys are valid at first. The subscriptions move once each topic took a probe with the new one. Run the
command again three days later: the old key is retired when no delivery has borne it in that time and every
subscription is read back at the new URL. --now does not wait: for a key that has leaked. The exit code is
3 while the old key is still valid."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the actions and their arguments."""
    describe(parser, "relay keys rotate", notes="`relay keys ACTION --help` shows the options.")
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action", title="actions")
    rotate = actions.add_parser(
        "rotate",
        help="Replace the callback key in steps",
        description="Replace the callback key in steps.",
        formatter_class=HelpFormatter,
    )
    describe(rotate, "relay keys rotate acme", "relay keys rotate acme --now", notes=_NOTES)
    rotate.add_argument("--now", action="store_true", help="retire the old key at once")
    add_yes_option(rotate)
    shown = actions.add_parser(
        "show",
        help="Print the callback URL",
        description="Print the callback URL.",
        formatter_class=HelpFormatter,
    )
    describe(shown, "relay keys show acme --reveal")
    shown.add_argument("--reveal", action="store_true", help="with the key")
    for sub in (rotate, shown):
        sub.add_argument(
            "shop", nargs="?", metavar="SHOP", help="a file in shops/ (default: the only one, else --stack)"
        )


def main(arguments: argparse.Namespace) -> int:
    """Run the action; return the exit code.

    With `--json`: for `rotate` an object with `stack`, `state` (`waiting` or `done`) and `text`; for `show` one with `url`.
    """
    stack = stack_of(arguments)
    if arguments.action == "show":
        url = f"{stack.output('CallbackBaseUrl')}/{callback_key(stack) if arguments.reveal else '…'}"
        show(arguments, {"url": url}, url)
        return DONE
    result = Rotation(stack, now=arguments.now, yes=arguments.yes).run()
    show(arguments, {"stack": stack.name, "state": result.state, "text": result.text}, result.text)
    return result.exit_code


def stack_of(arguments: argparse.Namespace) -> Stack:
    """Return the stack of a shop's file, where one is named or there is just one; else that of the options."""
    if arguments.shop is None and not any(shop_file.FOLDER.glob("*.toml")):
        return Stack.of(arguments)
    return shop_file.load(shop_file.find(arguments.shop), None).open_stack(arguments)
