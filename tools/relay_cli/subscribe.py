"""`relay subscribe`: every topic of the platform to a stack's callback URL, with nothing typed by hand; safe to repeat."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from getpass import getpass
from typing import TYPE_CHECKING, Any, Final

from inveterate import Client, InveterateError
from inveterate.webhooks.topics import TOPICS

from relay_cli.account import Account, add_stack
from relay_cli.failing import CliError

if TYPE_CHECKING:
    from inveterate import EnsureResult

_KEY: Final = "RELAY_CALLBACK_KEY"
_API_KEY: Final = "INVETERATE_API_KEY"

Ask = Callable[[str], str]


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    add_stack(parser)
    parser.epilog = (
        "What is right already is left alone, what carries another name is never touched. "
        "The callback key is asked for, or "
        f"read from {_KEY}; the API key is the stack's (InveterateSecret), else it is asked for likewise, "
        f"or read from {_API_KEY}."
    )
    parser.add_argument("--list-topics", action="store_true", help="print the topics alone, and do nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(
    arguments: argparse.Namespace, account_of: Callable[[str], Account] = Account, ask: Ask | None = None
) -> int:
    """Do it and say what was done; return the exit code: 0 where every topic is subscribed.

    With `--json`: an object with `name`, `created`, `updated`, `kept`, `failed` (topic to reason) and
    `shared` (topics to which somebody else is subscribed as well).
    """
    if arguments.list_topics:
        print(json.dumps(TOPICS, indent=2) if arguments.json else "\n".join(TOPICS))
        return 0
    account = account_of(arguments.stack)
    url = f"{account.output('CallbackBaseUrl')}/{_callback_key(account, ask or _asked)}"
    api_key = _api_key(account, ask or _asked)
    name = f"relay {account.stack}"
    done = _ensure(api_key, account.parameters["InveterateUrl"], url, name)
    found = _told(name, done)
    print(json.dumps(found, indent=2) if arguments.json else _text(found))
    return 1 if done.failed else 0


def _callback_key(account: Account, ask: Ask) -> str:
    """Return the callback key, which the stack knows by its digest alone.

    Raises:
        CliError: when it is not one that the stack accepts: all that came by it would be refused.

    """
    key = (os.environ.get(_KEY) or ask("callback key")).strip()
    known = account.parameters["KeyDigests"].split(",")
    if hashlib.sha256(key.encode()).hexdigest() not in known:
        raise CliError(
            f"the stack {account.stack} does not accept this callback key",
            "its digest is not in KeyDigests: is it another shop's, or is a new line in it?",
        )
    return key


def _api_key(account: Account, ask: Ask) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    if given := os.environ.get(_API_KEY):
        return given.strip()
    name = account.parameters.get("InveterateSecret")
    if not name:
        return ask("Inveterate API key").strip()
    try:
        found = account.client("ssm").get_parameter(Name=name, WithDecryption=True)
    except (ClientError, BotoCoreError) as error:
        raise CliError(
            f"the API key cannot be read from {name}: {type(error).__name__}", f"give it in {_API_KEY}"
        ) from None
    return str(found["Parameter"]["Value"]).strip()


def _asked(what: str) -> str:
    """Ask the person at the terminal, unseen.

    Raises:
        CliError: when nobody is there.

    """
    if not sys.stdin.isatty():
        variable = _KEY if what == "callback key" else _API_KEY
        raise CliError(f"the {what} is not given", f"give it in {variable}")
    return getpass(f"{what}: ")


def _ensure(api_key: str, platform: str, url: str, name: str) -> EnsureResult:
    try:
        with Client(api_key, base_url=platform) as client:
            return client.webhook_subscriptions.ensure(TOPICS, url, name)
    except InveterateError as error:
        # The platform's text may repeat what we sent, and the URL ends in the key.
        raise CliError(
            f"Inveterate does not let us subscribe: {type(error).__name__}", "is it this shop's API key?"
        ) from None


def _told(name: str, done: EnsureResult) -> dict[str, Any]:
    return {
        "name": name,
        "created": list(done.created),
        "updated": list(done.updated),
        "kept": list(done.kept),
        "failed": {topic: type(error).__name__ for topic, error in done.failed.items()},
        "shared": list(done.shared),
    }


def _text(found: Mapping[str, Any]) -> str:
    state = {topic: word for word in ("created", "updated", "kept") for topic in found[word]}
    state |= {topic: f"FAILED: {reason}" for topic, reason in found["failed"].items()}
    lines = [f"{topic:<34}{state[topic]}" for topic in TOPICS]
    if found["shared"]:
        lines.append(f"Somebody else is subscribed as well to: {', '.join(found['shared'])}")
    return "\n".join(lines)
