"""Before something is done that cannot be undone: the question, and how to answer it where nobody is there."""

from __future__ import annotations

import sys

from relay_cli.failing import CliError


def ask(question: str) -> None:
    """Go on if the person at the terminal says so.

    Raises:
        CliError: when they do not, or nobody is there.

    """
    if not sys.stdin.isatty():
        raise CliError(question, "say --yes")
    if input(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
        raise CliError("nothing was done")
