"""The one error of a local run: what failed, and what to do about it."""

from __future__ import annotations


class LocalStackError(Exception):
    """The run cannot go on. `remedy` is a sentence that helps, empty where there is none."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy
