"""Ask for confirmation before a step that cannot be undone."""

from __future__ import annotations

import sys

from relay_cli.errors import CliError


def confirm(question: str) -> None:
    """Return if the answer at the terminal is yes.

    Raises:
        CliError: the answer is no, or the standard input is not a terminal.

    """
    if not sys.stdin.isatty():
        raise CliError(question, "confirm with --yes")
    if input(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
        raise CliError("nothing was changed")
