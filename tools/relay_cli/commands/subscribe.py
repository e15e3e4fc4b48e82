"""`relay subscribe`: subscribe every webhook topic to a stack's callback URL; it can be repeated safely."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from getpass import getpass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from inveterate import Client, InveterateError
from inveterate.webhooks.topics import TOPICS

from relay_cli.errors import CliError
from relay_cli.help import describe
from relay_cli.output import as_json
from relay_cli.secrets import cleaned
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from inveterate import EnsureResult

_KEY_VARIABLE: Final = "RELAY_CALLBACK_KEY"
_API_KEY_VARIABLE: Final = "INVETERATE_API_KEY"
_NOTES: Final = f"""\
Correct subscriptions are kept, and those with another name are never changed. The callback key is read
from {_KEY_VARIABLE}, else asked for. The API key is read from {_API_KEY_VARIABLE}, else from the
stack's parameter InveterateSecret, else asked for."""

ReadSecret: TypeAlias = Callable[[str], str]
"""Returns the secret of that name, as a person types it."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(parser, "relay subscribe --stack relay-acme", notes=_NOTES)
    parser.add_argument("--list-topics", action="store_true", help="print the topics and exit")


def main(
    arguments: argparse.Namespace,
    open_stack: Callable[[argparse.Namespace], Stack] = Stack.of,
    read_secret: ReadSecret | None = None,
) -> int:
    """Subscribe and report; return the exit code: 0 where every topic is subscribed.

    With `--json`: an object with `name`, `created`, `updated`, `kept`, `failed` (topic to reason) and
    `shared` (topics with subscriptions of other names as well).
    """
    if arguments.list_topics:
        print(as_json(TOPICS) if arguments.json else "\n".join(TOPICS))
        return 0
    stack, read_secret = open_stack(arguments), read_secret or _read_from_terminal
    url = f"{stack.output('CallbackBaseUrl')}/{_callback_key(stack, read_secret)}"
    api_key = _api_key(stack, read_secret)
    name = f"relay {stack.name}"
    done = _ensure_subscriptions(api_key, stack.parameters["InveterateUrl"], url, name)
    result = _result(name, done)
    print(as_json(result) if arguments.json else _as_text(result))
    return 1 if done.failed else 0


def _callback_key(stack: Stack, read_secret: ReadSecret) -> str:
    """Return the callback key.

    Raises:
        CliError: the stack would refuse the key, since its digest is not a parameter.

    """
    key = cleaned(os.environ.get(_KEY_VARIABLE) or read_secret("callback key"), "callback key")
    accepted = stack.parameters["KeyDigests"].split(",")
    if hashlib.sha256(key.encode()).hexdigest() not in accepted:
        raise CliError(
            f"the stack {stack.name} does not accept this callback key",
            "its digest is not in KeyDigests: is it the key of another shop, or does it contain a line break?",
        )
    return key


def _api_key(stack: Stack, read_secret: ReadSecret) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    if given := os.environ.get(_API_KEY_VARIABLE):
        return cleaned(given, "Inveterate API key")
    name = stack.parameters.get("InveterateSecret")
    if not name:
        return cleaned(read_secret("Inveterate API key"), "Inveterate API key")
    try:
        found = stack.client("ssm").get_parameter(Name=name, WithDecryption=True)
    except (ClientError, BotoCoreError) as error:
        raise CliError(
            f"the API key cannot be read from {name}: {type(error).__name__}", f"set {_API_KEY_VARIABLE}"
        ) from None
    return str(found["Parameter"]["Value"]).strip()


def _read_from_terminal(name: str) -> str:
    """Return a secret typed at the terminal, without showing it.

    Raises:
        CliError: the standard input is not a terminal.

    """
    if not sys.stdin.isatty():
        variable = _KEY_VARIABLE if name == "callback key" else _API_KEY_VARIABLE
        raise CliError(f"the {name} is missing", f"set {variable}")
    return getpass(f"{name}: ")


def _ensure_subscriptions(api_key: str, platform: str, url: str, name: str) -> EnsureResult:
    try:
        with Client(api_key, base_url=platform) as client:
            return client.webhook_subscriptions.ensure(TOPICS, url, name)
    except InveterateError as error:
        # The platform's text may repeat the request, and the URL ends in the callback key.
        raise CliError(
            f"Inveterate refuses the subscription: {type(error).__name__}", "is it the API key of this shop?"
        ) from None


def _result(name: str, done: EnsureResult) -> dict[str, Any]:
    return {
        "name": name,
        "created": list(done.created),
        "updated": list(done.updated),
        "kept": list(done.kept),
        "failed": {topic: type(error).__name__ for topic, error in done.failed.items()},
        "shared": list(done.shared),
    }


def _as_text(result: Mapping[str, Any]) -> str:
    states = {topic: word for word in ("created", "updated", "kept") for topic in result[word]}
    states |= {topic: f"FAILED: {reason}" for topic, reason in result["failed"].items()}
    lines = [f"{topic:<34}{states[topic]}" for topic in TOPICS]
    if result["shared"]:
        lines.append(f"Other subscriptions exist for: {', '.join(result['shared'])}")
    return "\n".join(lines)
