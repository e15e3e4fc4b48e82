"""Turns the errors that a person can do something about into errors for the terminal; any other is a defect."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final

from relay_cli.aws_access import aws_error, is_aws_error
from relay_cli.errors import CliError

AGAIN_LATER: Final = "run the command again later; completed steps stay done"

_EXTRAS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("boto3", "botocore", "rich", "ruamel", "yaml"), "cli"),
    **dict.fromkeys(("starlette", "uvicorn"), "sim"),
}
"""By the name of a package that Relay's base does not install, the extra of pyproject.toml that does."""


def known_error(error: Exception) -> CliError | None:
    """Return the error to show; None for a defect, which deserves its traceback."""
    if isinstance(error, CliError):
        return error
    if is_aws_error(error) or isinstance(error, EOFError):
        return aws_error(error)
    if isinstance(error, OSError) and error.errno in {errno.EADDRINUSE, errno.EACCES, errno.ENOSPC}:
        return _system_error(error)
    if isinstance(error, ModuleNotFoundError):
        return _missing_package(error)
    root = type(error).__module__.partition(".")[0]
    if root == "inveterate":
        return _platform_error(error)
    return _relay_error(error) if root == "relay" else None


def _missing_package(error: ModuleNotFoundError) -> CliError | None:
    """Return the error for a package of an extra that is not installed. Any other missing module is a defect."""
    package = str(error.name).partition(".")[0]
    extra = _EXTRAS.get(package)
    if extra is None:
        return None
    return CliError(
        f"this command needs the package {package}, which is not installed",
        f'install Relay with its extra {extra}: `pipx install --force "CHECKOUT[cli,sim]"`, with the path of the checkout',
    )


def _system_error(error: OSError) -> CliError:
    remedies = {
        errno.EADDRINUSE: "another program listens on that port: end it, or choose another port",
        errno.EACCES: "check the permissions of the file or the port",
        errno.ENOSPC: "free some space on the disk",
    }
    return CliError(f"the system refuses: {error.strerror}", remedies[error.errno or errno.EACCES])


def _platform_error(error: Exception) -> CliError | None:
    """Return the error for one of the SDK's. Its text may repeat a request, so only its class is shown."""
    from inveterate import (
        BadKeyError,
        ConnectionFailedError,
        InveterateError,
        RateLimitError,
        TimedOutError,
        UnreadableReplyError,
    )

    if not isinstance(error, InveterateError):
        return None
    known = (
        (
            BadKeyError,
            "Inveterate refuses the API key",
            "is it the API key of this shop? store it in the secret that the stack's parameter InveterateSecret names, or set INVETERATE_API_KEY",
        ),
        (RateLimitError, "Inveterate takes no more calls at the moment", "run the command again in a minute"),
        (TimedOutError, "Inveterate does not answer in time", "run the command again in a minute"),
        (
            ConnectionFailedError,
            "Inveterate cannot be reached",
            "check the network, and the stack's parameter InveterateUrl",
        ),
        (
            UnreadableReplyError,
            "the answer does not come from Inveterate's API: a proxy or another page answered instead",
            "check HTTPS_PROXY, and the stack's parameter InveterateUrl",
        ),
    )
    what, remedy = next(
        ((what, remedy) for kind, what, remedy in known if isinstance(error, kind)),
        (
            "Inveterate refuses the call",
            "run the command again; docs/operations.md has a section on the platform",
        ),
    )
    return CliError(f"{what} ({type(error).__name__})", remedy)


def _relay_error(error: Exception) -> CliError | None:
    from relay.errors import MisconfiguredError, PermanentError, TransientError

    match error:
        case MisconfiguredError():
            return CliError(str(error), f"check {error.setting}")
        case PermanentError():
            return CliError(str(error))
        case TransientError():
            return CliError(str(error), AGAIN_LATER)
        case _:
            return None
