"""The one error of the command line: what failed, and what to do about it."""

from __future__ import annotations


class CliError(Exception):
    """The command cannot go on. The text is for the terminal; `remedy` is a sentence that helps."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message}\n  {remedy}" if remedy else message)
