"""`relay operations`: what the SDK can ask of Inveterate, as a table for people or as JSON for programs."""

from __future__ import annotations

import argparse
import json

from inveterate import operations as table


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    parser.add_argument("--json", action="store_true", help="print them as a JSON list")


def main(arguments: argparse.Namespace) -> int:
    """Print the operations of API v2.0; return the exit code.

    With `--json`: a list of objects with `name`, `method` (upper case), `path` (`/v2.0/…`, `{}` for each
    id) and `retryable`.
    """
    rows = table()
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    wide = max(len(row["name"]) for row in rows)
    for row in rows:
        repeated = "repeated if it fails" if row["retryable"] else "never repeated"
        print(f"{row['name']:<{wide}}  {row['method']:<6}  {row['path']:<52}  {repeated}")
    return 0
