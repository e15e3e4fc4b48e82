"""Progress of a run on the terminal: what has happened, and what the run still waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from local_stack.verdict import Verdict

ReportProgress: TypeAlias = Callable[[str], None]

_REMAINING: Final[Mapping[str, str]] = {
    "lost": "{} events to be journaled",
    "waiting": "{} messages in the queues",
    "mirror_mismatches": "{} fields to be mirrored",
}
"""The text for each number of the result that has to become 0."""


@dataclass(slots=True)
class Progress:
    """Prints lines with the seconds since the start."""

    began: float = field(default_factory=time.monotonic)

    def __call__(self, text: str) -> None:
        """Print one line at once, also into a pipe."""
        print(f"{self.seconds():6.1f} s  {text}", flush=True)

    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.began


@dataclass(slots=True)
class RemainingWork:
    """Reports what a run waits for at its end, once for each change in kind: the numbers fall all the time."""

    progress: ReportProgress
    _reported: frozenset[str] | None = None

    def __call__(self, verdict: Verdict) -> None:
        """Report what is left, if it is of another kind than before."""
        remaining = {
            name: text.format(verdict.result[name])
            for name, text in _REMAINING.items()
            if verdict.result.get(name)
        }
        if not remaining and verdict.problems:
            count = len(verdict.problems)
            remaining = {"other": f"{count} other {'check' if count == 1 else 'checks'} to pass"}
        if self._reported != remaining.keys():
            self._reported = frozenset(remaining)
            self.progress(f"waiting for {', '.join(remaining.values()) or 'a few seconds without a change'}")
