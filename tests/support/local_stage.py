"""The stage as the end-to-end tests see it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from relay_cli.judging import Seen, Verdict
from relay_cli.observing import Observer
from relay_cli.staging import Stage

_LONGEST = 60.0


@dataclass(frozen=True, slots=True)
class Played:
    """A stage on which the samples were played."""

    stage: Stage
    observer: Observer
    verdict: Verdict

    def look(self) -> Seen:
        """Return what there is now."""
        return self.observer.look()

    def wait(self, enough: Callable[[Seen], object]) -> Seen:
        """Look until it is enough, for a minute at most, and return the last look."""
        until = time.monotonic() + _LONGEST
        while not enough(seen := self.look()) and time.monotonic() < until:
            time.sleep(0.5)
        return seen

    @staticmethod
    def outcomes(seen: Seen, event_id: str) -> list[str]:
        """Return the outcomes that the journal has of an event."""
        return sorted(line["outcome"] for line in seen.journal if line["id"] == event_id)
