"""The callback key of a stack: in SSM for the operator alone, or in the environment. The stack knows its digest."""

from __future__ import annotations

import hashlib
import os
import secrets
from typing import Final

from relay_cli.aws_access import error_code
from relay_cli.errors import CliError
from relay_cli.secrets import cleaned, read_secret
from relay_cli.stack import Stack

VARIABLE: Final = "RELAY_CALLBACK_KEY"


def parameter_name(stack: str) -> str:
    """Return the name of the SSM parameter that holds the key."""
    return f"/relay/{stack}/callback-key"


def digest(key: str) -> str:
    """Return the key's SHA-256 in hex, as the stack's parameter KeyDigests has it."""
    return hashlib.sha256(key.encode()).hexdigest()


def new_key() -> str:
    """Return a new key: 256 random bits that need no escaping in a URL."""
    return secrets.token_urlsafe(32)


def stored_key(stack: Stack) -> str | None:
    """Return the key that SSM holds for this stack; None where it holds none."""
    return stored(stack, parameter_name(stack.name))


def stored(stack: Stack, name: str) -> str | None:
    """Return the secret that SSM holds under a name; None where there is none."""
    from botocore.exceptions import ClientError

    try:
        found = stack.client("ssm").get_parameter(Name=name, WithDecryption=True)
    except ClientError as error:
        if error_code(error) == "ParameterNotFound":
            return None
        raise
    return str(found["Parameter"]["Value"]).strip()


def key_digests(stack: Stack) -> str:
    """Return the parameter KeyDigests of a new stack: the digest of its one key.

    Raises:
        CliError: no key was made.

    """
    found = os.environ.get(VARIABLE) or stored_key(stack)
    if not found:
        raise CliError(
            f"{parameter_name(stack.name)} holds no callback key",
            f"`relay init` makes one; or set {VARIABLE}",
        )
    return digest(cleaned(found, "callback key"))


def store_key(stack: Stack, key: str, *, name: str | None = None) -> None:
    """Keep a key in SSM, under the name of the valid one unless another is given."""
    stack.client("ssm").put_parameter(
        Name=name or parameter_name(stack.name), Value=key, Type="SecureString", Overwrite=True
    )


def callback_key(stack: Stack) -> str:
    """Return the key: from the environment, else from SSM, else as a person types it.

    Raises:
        CliError: the stack would refuse the key, since its digest is not a parameter.

    """
    found = os.environ.get(VARIABLE) or stored_key(stack)
    key = cleaned(found, "callback key") if found else read_secret("callback key", VARIABLE)
    if digest(key) not in stack.parameters["KeyDigests"].split(","):
        raise CliError(
            f"the stack {stack.name} does not accept this callback key",
            "its digest is not in KeyDigests: is it the key of another shop?",
        )
    return key
