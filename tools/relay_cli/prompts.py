"""Ask for confirmation before a step that cannot be undone."""

from __future__ import annotations

import sys

from relay_cli.errors import DeclinedError


def confirm(question: str) -> None:
    """Return if the answer at the terminal is yes.

    Raises:
        DeclinedError: the answer is no, or the standard input is not a terminal.

    """
    if not sys.stdin.isatty():
        raise DeclinedError(question, "confirm with --yes")
    if input(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
        raise DeclinedError("nothing was changed")
