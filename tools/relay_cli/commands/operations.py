"""`relay operations`: list the operations of Inveterate's API that the SDK has, as a table or as JSON."""

from __future__ import annotations

import argparse

from inveterate import operations as list_operations

from relay_cli.help import describe
from relay_cli.output import show, table


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(parser, "relay operations --json")


def main(arguments: argparse.Namespace) -> int:
    """Print the operations of API v2.0; return the exit code.

    With `--json`: a list of objects with `name`, `method` (upper case), `path` (`/v2.0/…`, `{}` for each
    id) and `retryable`.
    """
    rows = list_operations()
    shown = [
        (
            row["name"],
            row["method"],
            row["path"],
            "retried on failure" if row["retryable"] else "never retried",
        )
        for row in rows
    ]
    show(arguments, rows, table(("operation", "method", "path", "retries"), shown))
    return 0
