"""The errors of the command line: what failed, what to do about it, and the exit code.

CliError            1  the command cannot go on
├── UsageError      2  the arguments or a document are wrong
└── DeclinedError   1  the person said no; nothing was changed
"""

from __future__ import annotations

from typing import ClassVar, Final

DONE: Final = 0
FAILED: Final = 1
WRONG_INPUT: Final = 2
ATTENTION: Final = 3
INTERRUPTED: Final = 130

EXIT_CODES: Final = {
    DONE: "done",
    FAILED: "could not be done, or was declined",
    WRONG_INPUT: "wrong arguments or a wrong document; nothing was changed",
    ATTENTION: "done, and something was found that needs attention",
    INTERRUPTED: "stopped with Ctrl-C",
}
"""By exit code, the meaning that `relay --help` shows."""


class CliError(Exception):
    """The command cannot go on. The text is for the terminal; `remedy` is a sentence that helps."""

    exit_code: ClassVar[int] = FAILED

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message, self.remedy = message, remedy
        super().__init__(f"{message}\n  {remedy}" if remedy else message)


class UsageError(CliError):
    """The arguments or a document are wrong; nothing was changed."""

    exit_code: ClassVar[int] = WRONG_INPUT


class DeclinedError(CliError):
    """The person declined, or could not be asked; nothing was changed."""
