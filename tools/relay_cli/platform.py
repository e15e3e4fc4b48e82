"""The shop's account at Inveterate as the operator's commands reach it: the API key, and a client with it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from relay_cli.callback_key import stored
from relay_cli.errors import CliError
from relay_cli.secrets import cleaned, read_secret
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from inveterate import Client

API_KEY_VARIABLE: Final = "INVETERATE_API_KEY"
_NAME: Final = "Inveterate API key"


def api_key(stack: Stack, *, ask: bool = False) -> str:
    """Return the API key: from the environment, else from the secret that the stack names, else, with `ask`, as typed.

    Raises:
        CliError: none of them has it.

    """
    if given := os.environ.get(API_KEY_VARIABLE):
        return cleaned(given, _NAME)
    name = stack.parameters_now.get("InveterateSecret")
    if name:
        if (found := stored(stack, name)) is None:
            raise CliError(f"{name} holds no API key", f"`relay init` stores it; or set {API_KEY_VARIABLE}")
        return cleaned(found, _NAME)
    if ask:
        return read_secret(_NAME, API_KEY_VARIABLE)
    raise CliError(
        "the stack has no API key (InveterateSecret is empty)",
        f"deploy it with InveterateSecret, or set {API_KEY_VARIABLE}",
    )


def read_parameter(stack: Stack, name: str) -> str:
    """Return the value of an SSM parameter. botocore's errors pass: they name the parameter's trouble."""
    found = stack.client("ssm").get_parameter(Name=name, WithDecryption=True)
    return str(found["Parameter"]["Value"])


def client_for(stack: Stack, key: str) -> Client:
    """Return a client of the shop's API, to be closed."""
    from inveterate import Client

    return Client(key, base_url=stack.parameters_now["InveterateUrl"])
