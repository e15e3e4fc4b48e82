"""`relay version`: print the versions of Relay, Python and the installed packages that matter for a report."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from relay_cli.help import describe
from relay_cli.output import show

_PACKAGES: Final = ("relay", "boto3", "aws-sam-cli", "pydantic", "httpx")


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(parser, "relay version")


def main(arguments: argparse.Namespace) -> int:
    """Print the versions; return the exit code.

    With `--json`: an object from package to version, and `python`; null where a package is not installed.
    """
    versions = {name: _version(name) for name in _PACKAGES} | {"python": platform.python_version()}
    show(
        arguments,
        versions,
        "\n".join(f"{name} {found or 'is not installed'}" for name, found in versions.items()),
    )
    return 0


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
