"""relay operations: what the SDK can ask of Inveterate, as a table for people or as JSON for programs."""

from __future__ import annotations

import argparse
import json

from inveterate import operations as table


def operations(argv: list[str]) -> int:
    """Print the operations of API v2.0; return the exit code.

    With `--json`: a list of objects with `name`, `method` (upper case), `path` (`/v2.0/…`, `{}` for each
    id) and `retryable`.
    """
    parser = argparse.ArgumentParser(prog="relay operations", description="List the operations of API v2.0.")
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    options = parser.parse_args(argv)
    rows = table()
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    wide = max(len(row["name"]) for row in rows)
    for row in rows:
        repeated = "repeated if it fails" if row["retryable"] else "never repeated"
        print(f"{row['name']:<{wide}}  {row['method']:<6}  {row['path']:<52}  {repeated}")
    return 0
