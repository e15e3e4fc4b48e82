"""Ask for confirmation before a step that cannot be undone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from relay_cli.errors import DeclinedError


@contextmanager
def prompt() -> Iterator[None]:
    """Take the end of the input for no answer: Ctrl-D, or an input that has nothing in it.

    Raises:
        DeclinedError: nothing was typed.

    """
    try:
        yield
    except EOFError:
        raise DeclinedError(
            "no answer was given", "answer at a terminal; `--help` says how to do without one"
        ) from None


def confirm(question: str) -> None:
    """Return if the answer at the terminal is yes.

    Raises:
        DeclinedError: the answer is no, or the standard input is not a terminal.

    """
    if not sys.stdin.isatty():
        raise DeclinedError(question, "confirm with --yes")
    with prompt():
        answer = input(f"{question} [y/N] ")
    if answer.strip().lower() not in {"y", "yes"}:
        raise DeclinedError("nothing was changed")
