"""What a run still waits for at its end: one line, said when something else is waited for and not at every look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from relay_cli.judging import Verdict

_THINGS: Final[Mapping[str, str]] = {
    "lost": "{} events to be journaled",
    "waiting": "{} messages in the queues",
    "mirror_mismatches": "{} fields to be mirrored",
}
"""By the number in the result that has to become 0."""


@dataclass(slots=True)
class Awaiting:
    """Says what is waited for. Numbers fall all the time: only what there is to wait for is news."""

    say: Callable[[str], None]
    _said: frozenset[str] | None = None

    def __call__(self, verdict: Verdict) -> None:
        """Look at how it stands, and say it if it is news."""
        things = {
            name: text.format(verdict.result[name])
            for name, text in _THINGS.items()
            if verdict.result.get(name)
        }
        if not things and verdict.problems:
            things = {"others": f"{len(verdict.problems)} more to come right"}
        if self._said != things.keys():
            self._said = frozenset(things)
            self.say(f"waiting for {', '.join(things.values()) or 'a few calm seconds'}")
