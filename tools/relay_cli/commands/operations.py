"""`relay operations`: list the operations of Inveterate's API that the SDK has, as a table or as JSON."""

from __future__ import annotations

import argparse
import json

from inveterate import operations as list_operations

from relay_cli.help import add_json_option, describe


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(parser, "relay operations --json")
    add_json_option(parser)


def main(arguments: argparse.Namespace) -> int:
    """Print the operations of API v2.0; return the exit code.

    With `--json`: a list of objects with `name`, `method` (upper case), `path` (`/v2.0/…`, `{}` for each
    id) and `retryable`.
    """
    rows = list_operations()
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        retries = "retried on failure" if row["retryable"] else "never retried"
        print(f"{row['name']:<{width}}  {row['method']:<6}  {row['path']:<52}  {retries}")
    return 0
