"""`relay subscribe`: subscribe every webhook topic to a stack's callback URL; it can be repeated safely."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from inveterate import Client, InveterateError
from inveterate.webhooks.topics import TOPICS

from relay_cli.callback_key import VARIABLE, callback_key, stored
from relay_cli.errors import DONE, FAILED, CliError
from relay_cli.help import describe
from relay_cli.output import as_json
from relay_cli.secrets import cleaned, read_secret
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from inveterate import EnsureResult

_API_KEY_VARIABLE: Final = "INVETERATE_API_KEY"
_NOTES: Final = f"""\
Correct subscriptions are kept, and those with another name are never changed. The callback key is read
from {VARIABLE}, else from SSM, else asked for. The API key is read from {_API_KEY_VARIABLE},
else from the stack's parameter InveterateSecret, else asked for."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(parser, "relay subscribe --stack relay-acme", notes=_NOTES)
    parser.add_argument("--list-topics", action="store_true", help="print the topics and exit")


def main(arguments: argparse.Namespace, open_stack: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Subscribe and report; return the exit code: 0 where every topic is subscribed.

    With `--json`: an object with `name`, `created`, `updated`, `kept`, `failed` (topic to reason) and
    `shared` (topics with subscriptions of other names as well).
    """
    if arguments.list_topics:
        print(as_json(TOPICS) if arguments.json else "\n".join(TOPICS))
        return 0
    result = subscribe_all(open_stack(arguments))
    print(as_json(result) if arguments.json else _as_text(result))
    return FAILED if failed(result) else DONE


def subscribe_all(stack: Stack) -> Mapping[str, Any]:
    """Subscribe every topic to the stack's callback URL with its key; return the result that `--json` prints."""
    url = f"{stack.output('CallbackBaseUrl')}/{callback_key(stack)}"
    return _result(subscription_name(stack), ensure_subscriptions(stack, url))


def failed(result: Mapping[str, Any]) -> bool:
    """Return whether a topic could not be subscribed."""
    return bool(result["failed"])


def subscription_name(stack: Stack) -> str:
    """Return the name under which a stack's subscriptions are listed at Inveterate."""
    return f"relay {stack.name}"


def api_key(stack: Stack) -> str:
    """Return Inveterate's API key: from the environment, else from the stack's secret, else as a person types it.

    Raises:
        CliError: the secret cannot be read.

    """
    name = stack.parameters.get("InveterateSecret")
    if os.environ.get(_API_KEY_VARIABLE) or not name:
        return read_secret("Inveterate API key", _API_KEY_VARIABLE)
    if (found := stored(stack, name)) is None:
        raise CliError(f"{name} holds no API key", f"`relay init` stores it; or set {_API_KEY_VARIABLE}")
    return cleaned(found, "Inveterate API key")


def ensure_subscriptions(stack: Stack, url: str) -> EnsureResult:
    """Subscribe every topic to a URL under the stack's name.

    Raises:
        CliError: Inveterate refuses.

    """
    key = api_key(stack)
    try:
        with Client(key, base_url=stack.parameters["InveterateUrl"]) as client:
            return client.webhook_subscriptions.ensure(TOPICS, url, subscription_name(stack))
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
